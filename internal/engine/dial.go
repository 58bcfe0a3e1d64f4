package engine

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
)

// maxWireBytes is how much a target may send on the wire in answer to one
// request: the body, its chunk headers and the response header.
const maxWireBytes = 2 * maxBodyBytes

var errTooManyBytes = errors.New("target sends without end: connection closed")

// dialMetered dials a target. Prometheus fails a scrape whose body is too
// large, but then reads on, to reuse the connection, until the scrape times
// out: one endless body would keep a CPU busy for most of the time.
func dialMetered(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &meteredConn{Conn: conn}, nil
}

// meteredConn fails when more than maxWireBytes are read with nothing written
// in between. Reader and writer are different goroutines of net/http.
type meteredConn struct {
	net.Conn
	read atomic.Int64
}

func (c *meteredConn) Write(p []byte) (int, error) {
	c.read.Store(0)
	return c.Conn.Write(p)
}

func (c *meteredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.read.Add(int64(n)) > maxWireBytes {
		return n, errTooManyBytes
	}
	return n, err
}
