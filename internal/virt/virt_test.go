package virt

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"libvirt.org/go/libvirt"
)

func short(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestACallRunsAndReturnsItsError(t *testing.T) {
	c := New("test:///default")
	defer c.Close()
	host := ""
	if err := c.Call(short(t, 10*time.Second), "ask", func(conn *libvirt.Connect) error {
		var err error
		host, err = conn.GetHostname()
		return err
	}); err != nil || host == "" {
		t.Fatalf("%q %v (Debian package libvirt0 is needed)", host, err)
	}
	err := c.Call(short(t, 10*time.Second), "look for a VM", func(conn *libvirt.Connect) error {
		_, err := conn.LookupDomainByName("nobody")
		return err
	})
	if !errors.Is(err, libvirt.ERR_NO_DOMAIN) || !strings.HasPrefix(err.Error(), "look for a VM: Domain not found") {
		t.Errorf("%v", err)
	}
}

// A server that accepts and then says nothing is a libvirtd that hangs.
func hung(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return "qemu+unix:///system?socket=" + path
}

func TestADaemonThatHangsCostsNoMoreThanTheDeadline(t *testing.T) {
	c := New(hung(t))
	defer c.Close()
	for range 3 {
		start := time.Now()
		err := c.Call(short(t, 200*time.Millisecond), "ask", func(*libvirt.Connect) error { return nil })
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "does not let us in") {
			t.Errorf("%v", err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
	}
}

func TestCallsThatHangAreBoundedAndForgottenWhenTheyEnd(t *testing.T) {
	c := New("test:///default")
	defer c.Close()
	release := make(chan struct{})
	for range maxHanging {
		err := c.Call(short(t, 20*time.Millisecond), "hang", func(*libvirt.Connect) error { <-release; return nil })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%v", err)
		}
	}
	err := c.Call(short(t, time.Second), "one more", func(*libvirt.Connect) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "still hang; is libvirtd stuck?") {
		t.Errorf("%v", err)
	}
	close(release)
	deadline := time.Now().Add(10 * time.Second)
	for err = errors.New("not tried"); err != nil && time.Now().Before(deadline); {
		err = c.Call(short(t, time.Second), "ask again", func(*libvirt.Connect) error { return nil })
	}
	if err != nil {
		t.Errorf("when the daemon is back: %v", err)
	}
}

func TestAClosedConnectionRefuses(t *testing.T) {
	c := New("test:///default")
	c.Close()
	if err := c.Call(short(t, time.Second), "ask", func(*libvirt.Connect) error { return nil }); err == nil || !strings.Contains(err.Error(), "was closed") {
		t.Errorf("%v", err)
	}
}

func TestAnOpeningThatHangsIsAbandonedAndTheNextCallOpensAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var silent []net.Conn
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			silent = append(silent, c)
			mu.Unlock()
		}
	}()
	c := New("qemu+unix:///system?socket=" + path)
	c.openTimeout = 50 * time.Millisecond
	defer c.Close()
	for range 2 {
		err := c.Call(short(t, 10*time.Second), "ask", func(*libvirt.Connect) error { return nil })
		if err == nil || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "has not let us in within 50ms") {
			t.Errorf("%v", err)
		}
	}
	hanging := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.status.Hanging
	}
	if n := hanging(); n != 2 {
		t.Errorf("%d openings are counted as hanging, want 2", n)
	}
	_ = l.Close()
	mu.Lock()
	for _, conn := range silent {
		_ = conn.Close() // libvirt sees the end of the connection and gives up
	}
	mu.Unlock()
	for deadline := time.Now().Add(10 * time.Second); hanging() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d openings are still counted as hanging", hanging())
		}
	}
}

func TestEachConnectionIsPreparedAndTidiedUpOnce(t *testing.T) {
	var opened, closed atomic.Int32
	c := New("test:///default", With(ReadOnly), OnOpen(func(*libvirt.Connect) func() {
		opened.Add(1)
		return func() { closed.Add(1) }
	}))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for i := range 3 {
		if err := c.Call(ctx, "ask", func(conn *libvirt.Connect) error { _, err := conn.GetHostname(); return err }); err != nil {
			t.Fatal(err)
		}
		c.Renew()
		c.Renew() // there is none to give up
		if s := c.Status(); s.Opened != i+1 || !s.ReadOnly || s.Hanging != 0 {
			t.Errorf("after connection %d: %+v", i+1, s)
		}
	}
	c.Close()
	for closed.Load() < 3 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	if opened.Load() != 3 || closed.Load() != 3 {
		t.Errorf("%d were opened and %d tidied up", opened.Load(), closed.Load())
	}
}

func TestOneThatMayOnlyLookIsRefusedToAct(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	suspend := func(conn *libvirt.Connect) error {
		doms, err := conn.ListAllDomains(0)
		if err != nil {
			return err
		}
		return errors.Join(doms[0].Suspend(), doms[0].Resume())
	}
	for access, allowed := range map[Access]bool{Write: true, WriteIfAllowed: true, ReadOnly: false} {
		c := New("test:///default", With(access))
		if err := c.Call(ctx, "suspend", suspend); (err == nil) != allowed {
			t.Errorf("access %d: %v", access, err)
		}
		c.Close()
	}
}
