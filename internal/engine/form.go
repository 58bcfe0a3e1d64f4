package engine

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

const (
	// maxRequestBytes bounds the parameters of a request, in its URL and in its
	// body each. A matcher that lists 1,000 VMs by UUID takes 37 KB.
	maxRequestBytes = 128 << 10
	// maxCodeBytes bounds what a query may have outside of string literals. The
	// time to parse a nested query grows with the square of its depth, and no
	// timeout stops it: 60,000 minus signs took 17 s of CPU, 16,000 take about 1.
	maxCodeBytes = 16 << 10
)

// withForm returns r with its parameters parsed, or the refusal to answer it.
// Other encodings than that of HTML forms would get past the check of queries.
func withForm(r *http.Request) (*http.Request, *recorder) {
	if len(r.URL.RawQuery) > maxRequestBytes {
		return nil, errorResponse(http.StatusRequestURITooLong, "bad_data", "the query string is too long")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBytes+1))
	if err != nil {
		return nil, errorResponse(http.StatusBadRequest, "bad_data", "cannot read the request: "+err.Error())
	}
	if len(body) > maxRequestBytes {
		return nil, errorResponse(http.StatusRequestEntityTooLarge, "bad_data", "the request body is too large")
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if len(body) > 0 && kind != "application/x-www-form-urlencoded" {
		return nil, errorResponse(http.StatusUnsupportedMediaType, "bad_data", "the request body must be application/x-www-form-urlencoded")
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err := r.ParseForm(); err != nil {
		return nil, errorResponse(http.StatusBadRequest, "bad_data", "cannot parse the parameters: "+err.Error())
	}
	for name, values := range r.Form {
		for _, v := range values {
			if n := codeBytes(v); n > maxCodeBytes {
				return nil, errorResponse(http.StatusBadRequest, "bad_data",
					fmt.Sprintf("parameter %q has %d bytes outside of string literals, more than %d", name, n, maxCodeBytes))
			}
		}
	}
	return r, nil
}

// codeBytes returns how much of a PromQL expression is not within quotes. It
// reads strings and comments as the lexer of PromQL does.
func codeBytes(query string) int {
	n := 0
	for query != "" {
		c := query[0]
		n++
		query = query[1:]
		switch c {
		case '"', '\'', '`':
			query = afterString(query, c)
		case '#':
			end := strings.IndexAny(query, "\r\n")
			if end < 0 {
				end = len(query)
			}
			query = query[end:]
		}
	}
	return n
}

// afterString returns what follows a string literal that quote has begun.
func afterString(s string, quote byte) string {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quote != '`':
			i++
		case s[i] == quote:
			return s[i+1:]
		}
	}
	return ""
}
