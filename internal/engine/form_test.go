package engine

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestCodeBytes(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]int{
		``:                          0,
		`up`:                        2,
		`up{a="bcd"}`:               7,
		`up{a='b"d'}`:               7,
		"up{a=`b\\`}":               7,
		`a"\""b`:                    3,
		`a"unterminated`:            2,
		"a#'not a string\nbc":       5,
		"a#'carriage return\rbcd":   6,
		"a # comment at the end \"": 3,
	} {
		if got := codeBytes(query); got != want {
			t.Errorf("codeBytes(%q) = %d, want %d", query, got, want)
		}
	}
}

// TestDeepQueriesAreRefused sends queries that would keep a CPU busy for
// minutes, or overflow the stack, whatever the timeout.
func TestDeepQueriesAreRefused(t *testing.T) {
	t.Parallel()
	e := openEngine(t, Options{})
	long := strings.Repeat("-", maxRequestBytes-100) + "1"
	uuids := strings.Repeat("4f6c0c6e-0000-4000-8000-000000000000|", 1000)
	for name, test := range map[string]struct {
		query string
		code  int
	}{
		"small":           {"-1", 200},
		"long matcher":    {`up{vm=~"` + uuids + `"}`, 200},
		"deep":            {long, 400},
		"after a comment": {"#\"\r" + long, 400},
		"between strings": {`"a"` + long + `"a"`, 400},
		"too long":        {long + long, 413},
	} {
		for _, path := range []string{"query", "query_range", "format_query", "parse_query"} {
			form := url.Values{"query": {test.query}, "start": {"1"}, "end": {"2"}, "step": {"1"}}.Encode()
			req := httptest.NewRequest("POST", "/api/v1/"+path, strings.NewReader(form))
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
			rec := httptest.NewRecorder()
			began := time.Now()
			e.Handler().ServeHTTP(rec, req)
			if rec.Code != test.code {
				t.Errorf("%s, %s: status %d, want %d: %.200s", path, name, rec.Code, test.code, rec.Body)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("%s, %s: took %s", path, name, took)
			}
		}
	}
	if got := get(e, "/api/v1/query?query="+long+long); got.Code != http.StatusRequestURITooLong {
		t.Errorf("long URL: status %d", got.Code)
	}
	req := httptest.NewRequest("POST", "/api/v1/query", strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\n1\r\n--x--\r\n"))
	req.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	rec := httptest.NewRecorder()
	e.Handler().ServeHTTP(rec, req)
	if rec.Code != http.StatusUnsupportedMediaType {
		t.Errorf("multipart form: status %d", rec.Code)
	}
}
