package power

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// bmc is a switch that says what a test has it say.
type bmc struct {
	mu       sync.Mutex
	on       bool
	goesOff  time.Time // by itself
	dead     error
	switched []string
}

func (b *bmc) Can(host string) bool { return host != "h9" }

func (b *bmc) Status(context.Context, string) cluster.PowerReport {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.dead != nil:
		return cluster.PowerReport{Reason: b.dead.Error()}
	case b.on && (b.goesOff.IsZero() || time.Now().Before(b.goesOff)):
		return cluster.PowerReport{State: cluster.PowerOn}
	}
	return cluster.PowerReport{State: cluster.PowerOff}
}

func (b *bmc) turn(on bool, word string) (cluster.PowerReport, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.switched = append(b.switched, word)
	if b.dead == nil {
		b.on, b.goesOff = on, time.Time{}
	}
	return cluster.PowerReport{}, b.dead
}

func (b *bmc) Off(context.Context, string) (cluster.PowerReport, error) { return b.turn(false, "off") }
func (b *bmc) On(context.Context, string) (cluster.PowerReport, error)  { return b.turn(true, "on") }

func of(b *bmc, h Host) *Power { return New(b, []Host{h}, slog.New(slog.DiscardHandler)) }

func TestAHostIsAskedToShutDownAndSeenOff(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "asked")
	b := &bmc{on: true, goesOff: time.Now().Add(300 * time.Millisecond)}
	p := of(b, Host{Name: "h1", Shutdown: []string{"sh", "-c", "echo $0 > " + mark, "please"}, Timeout: time.Minute})
	if err := p.Shutdown(context.Background(), "h1"); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(mark); err != nil || string(got) != "please\n" || len(b.switched) > 0 {
		t.Errorf("%q %v, switched %v", got, err, b.switched)
	}
	if err := p.Shutdown(context.Background(), "h1"); err != nil { // one that is off is asked nothing
		t.Error(err)
	}
}

func TestWhatDoesNotGoOffByItselfIsTurnedOff(t *testing.T) {
	for name, command := range map[string][]string{"it is deaf": {"true"}, "the command fails": {"sh", "-c", "echo no route >&2; exit 255"}, "there is no command": nil} {
		b := &bmc{on: true}
		p := of(b, Host{Name: "h1", Shutdown: command, Timeout: 10 * time.Millisecond})
		if err := p.Shutdown(context.Background(), "h1"); err != nil || b.on || len(b.switched) != 1 {
			t.Errorf("%s: %v, on %t, switched %v", name, err, b.on, b.switched)
		}
	}
}

func TestNobodyBelievesThatAHostIsOffWithoutAStatus(t *testing.T) {
	b := &bmc{on: true, dead: errors.New("no route to the BMC")}
	p := of(b, Host{Name: "h1", Shutdown: []string{"sh", "-c", "echo refused >&2; exit 1"}, Timeout: 10 * time.Millisecond})
	err := p.Shutdown(context.Background(), "h1")
	if err == nil {
		t.Fatal("it is taken to be off")
	}
	for _, want := range []string{"refused", "its power is unknown", "no route to the BMC"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

func TestACommandThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the clock stands still while the command runs, so its time is over at once
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := run(ctx, []string{"sleep", "1000"}); err == nil {
			t.Error("it came to an end")
		}
	})
}

func TestAHostWithoutAStatusIsNotReady(t *testing.T) {
	p := of(&bmc{}, Host{Name: "h9"})
	if why := p.Ready("h9"); !strings.Contains(why, "add fence") {
		t.Errorf("%q", why)
	}
	if why := p.Ready("h1"); why != "" {
		t.Errorf("%q", why)
	}
}

func TestWakeOnLANIsSentWhereTheSwitchFails(t *testing.T) {
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	mac := net.HardwareAddr{0x52, 0x54, 0, 0x12, 0x34, 0x56}
	b := &bmc{dead: errors.New("no route to the BMC")}
	p := of(b, Host{Name: "h1", WakeOnLAN: mac, Broadcast: l.LocalAddr().String()})
	if err := p.Wake(context.Background(), "h1"); err != nil {
		t.Fatal(err)
	}
	want := append(bytes.Repeat([]byte{0xff}, 6), bytes.Repeat(mac, 16)...)
	for range packets {
		got := make([]byte, 200)
		if err := l.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, _, err := l.ReadFrom(got)
		if err != nil || !bytes.Equal(got[:n], want) {
			t.Fatalf("%v %x", err, got[:n])
		}
	}
	if err := of(b, Host{Name: "h1"}).Wake(context.Background(), "h1"); err == nil || !strings.Contains(err.Error(), "no route") {
		t.Errorf("without an address: %v", err)
	}
	ok := &bmc{}
	if err := of(ok, Host{Name: "h1", WakeOnLAN: mac, Broadcast: "127.0.0.1:1"}).Wake(context.Background(), "h1"); err != nil || !ok.on {
		t.Errorf("by the switch: %v", err)
	}
}
