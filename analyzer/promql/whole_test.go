package promql

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Why a server refuses is in what it says, of which one line is enough.
func TestWhatARefusingServerSays(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no org id"+strings.Repeat("é", 200)+"\nand a second line", http.StatusUnauthorized)
	}))
	defer srv.Close()
	source, err := New(srv.URL, nil, Options{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	_, err = source.Holds(t.Context(), "vector(1)", time.Now())
	if err == nil || !strings.HasSuffix(err.Error(), `client error: 401: "no org idéé`+strings.Repeat("é", 93)+`…"`) {
		t.Errorf("it says %v", err)
	}
}
