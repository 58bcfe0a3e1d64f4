package engine

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// pathPrefix is where evenkeel mounts Handler. The transport accepts addresses
// with and without it, so that one address fits both ways in.
const pathPrefix = "/prometheus"

// RoundTripper returns a transport that answers in this process, whatever host
// a request names. With it client_golang's api/prometheus/v1 reads the embedded
// Prometheus just as it reads an external one. A request returns as soon as its
// context ends, with the context's error; a closed engine answers 503.
func (e *Engine) RoundTripper() http.RoundTripper { return transport{e.door} }

type transport struct{ door *frontDoor }

// RoundTrip answers req in a goroutine of its own, because not all of the API
// looks at the context often enough.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	done := make(chan *recorder, 1)
	go func() {
		in := incoming(req)
		defer in.Body.Close()
		done <- t.door.answer(in)
	}()
	select {
	case rec := <-done:
		return rec.response(req), nil
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// incoming returns req as a server would see it.
func incoming(req *http.Request) *http.Request {
	in := req.Clone(req.Context())
	if path, ok := strings.CutPrefix(in.URL.Path, pathPrefix); ok && strings.HasPrefix(path, "/") {
		in.URL.Path = path
		in.URL.RawPath = strings.TrimPrefix(in.URL.RawPath, pathPrefix)
	}
	in.RequestURI = in.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	return in
}

// response returns what was recorded as the answer to req.
func (r *recorder) response(req *http.Request) *http.Response {
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", r.code, http.StatusText(r.code)),
		StatusCode:    r.code,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        r.header,
		Body:          io.NopCloser(bytes.NewReader(r.body.Bytes())),
		ContentLength: int64(r.body.Len()),
		Request:       req,
	}
}
