package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// exporters answer for all hosts, each at an address of its own, with one page each.
type exporters struct {
	server    *http.Server
	listeners []net.Listener
	pages     map[string]*page
	buffers   sync.Pool
}

// exporterAddress is where the host's exporter answers, all within the network that is this machine itself.
func exporterAddress(host int) string {
	return fmt.Sprintf("127.1.%d.%d:9177", host/200, 1+host%200)
}

func newExporters(o options) (*exporters, error) {
	e := &exporters{pages: map[string]*page{}}
	e.server = &http.Server{Handler: e, ReadHeaderTimeout: 10 * time.Second}
	for host := range o.hosts {
		p, err := newPage(host, o)
		if err != nil {
			return nil, errors.Join(err, e.close())
		}
		address := exporterAddress(host)
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listen for the exporter of %s: %w", hostName(host), err), e.close())
		}
		e.pages[address], e.listeners = p, append(e.listeners, l)
	}
	return e, nil
}

// ServeHTTP answers for the host whose address was asked. Pages go out as they are: what the real exporter would spend on
// compressing them is none of the servers' business.
func (e *exporters) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	p := e.pages[local.String()]
	if p == nil || r.URL.Path != "/metrics" {
		http.NotFound(w, r)
		return
	}
	buffer, _ := e.buffers.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	*buffer = p.text(time.Now(), *buffer)
	_, _ = w.Write(*buffer) // who goes away before the end counts it as a scrape that failed
	e.buffers.Put(buffer)
}

// run serves until ctx ends.
func (e *exporters) run(ctx context.Context) error {
	failed := make(chan error, len(e.listeners))
	for _, l := range e.listeners {
		go func() { failed <- e.server.Serve(l) }()
	}
	defer func() { _ = e.close() }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve the pages: %w", err)
	case <-ctx.Done():
		return nil
	}
}

func (e *exporters) close() error {
	err := e.server.Close()
	for _, l := range e.listeners {
		_ = l.Close() // the server has closed those that it served
	}
	return err
}
