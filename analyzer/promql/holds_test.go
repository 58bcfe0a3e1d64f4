package promql

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAQueryHolds(t *testing.T) {
	answers := map[string]string{
		"scalar": `"resultType":"scalar","result":[1,"2"]`, "zero": `"resultType":"scalar","result":[1,"0"]`,
		"some": `"resultType":"vector","result":[{"metric":{},"value":[1,"0"]},{"metric":{"a":"b"},"value":[1,"1"]}]`, "zeros": `"resultType":"vector","result":[{"metric":{},"value":[1,"0"]}]`,
		"none": `"resultType":"vector","result":[]`, "range": `"resultType":"matrix","result":[]`,
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, known := answers[r.FormValue("query")]
		if !known {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"status":"success","data":{` + answer + `}}`))
	}))
	defer srv.Close()
	s, err := New(srv.URL, nil, Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]bool{"scalar": true, "zero": false, "some": true, "zeros": false, "none": false} {
		if holds, err := s.Holds(context.Background(), query, time.Now()); err != nil || holds != want {
			t.Errorf("%s: %v %v", query, holds, err)
		}
	}
	for query, want := range map[string]string{"range": "not a vector", "hangs": "deadline exceeded"} {
		if holds, err := s.Holds(context.Background(), query, time.Now()); holds || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v %v", query, holds, err)
		}
	}
}
