package relaytest

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"
)

// Ports below those from which the kernel takes what nobody chose, so that no connection and no other test has one before who it is for.
const firstPort, ports = 10000, 20000

var tried atomic.Int64

// FreeAddress is a host and port of the loopback address on which nobody listens, and which this process gives once.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for range ports {
		n := int64(os.Getpid())*199 + tried.Add(1) // tests of several packages run side by side
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+n%ports)
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}
