package engine

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	promconfig "github.com/prometheus/common/config"
)

// Own is the process' own metrics, which are scraped without a socket: a listener with TLS or a password needs no way around them, and a process with
// very many series is not taken for a hostile exporter.
type Own struct {
	// Job and Instance are the labels of its series. Without a job there is nothing of its own.
	Job, Instance string
	Handler       http.Handler
}

// ownAddress is where the process itself is dialled. Nobody can have the name.
const ownAddress = "own.invalid:80"

// hallway connects the scraper to the process' own handler.
type hallway struct {
	conns chan net.Conn
	over  chan struct{}
	once  sync.Once
}

func newHallway() *hallway { return &hallway{conns: make(chan net.Conn), over: make(chan struct{})} }

// dial is what the scraper dials by.
func (h *hallway) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if address != ownAddress {
		return dialMetered(ctx, network, address)
	}
	here, there := net.Pipe()
	select {
	case h.conns <- there:
		return here, nil
	case <-h.over:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept is part of net.Listener.
func (h *hallway) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.over:
		return nil, net.ErrClosed
	}
}

// Close is part of net.Listener.
func (h *hallway) Close() error {
	h.once.Do(func() { close(h.over) })
	return nil
}

// Addr is part of net.Listener.
func (h *hallway) Addr() net.Addr { return &net.UnixAddr{Name: "own", Net: "pipe"} }

// serve answers the scraper until the hallway is closed.
func (h *hallway) serve(handler http.Handler) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", handler)
	return (&http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}).Serve(h)
}

// clientOptions are the options of every scrape client. HTTP/2 would gain
// nothing, since a target is scraped by one request at a time, and its flow
// control writes would look to meteredConn like new requests.
func (h *hallway) clientOptions() []promconfig.HTTPClientOption {
	return []promconfig.HTTPClientOption{promconfig.WithDialContextFunc(h.dial), promconfig.WithHTTP2Disabled()}
}
