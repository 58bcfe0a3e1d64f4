// Package power shuts hosts down and wakes them: by a command that asks the host's own system to shut down, by what fences it,
// and by Wake-on-LAN. It believes that a host is off only when a status says so. Whether a host may be shut down was decided
// before it is called.
package power

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/permit"
)

// Switch turns hosts off and on by what stands beside them, and says whether they have power.
type Switch interface {
	Can(host string) bool
	Status(ctx context.Context, host string) cluster.PowerReport
	Off(ctx context.Context, host string) (cluster.PowerReport, error)
	On(ctx context.Context, host string) (cluster.PowerReport, error)
}

// Host says how a host is shut down and woken, beside what its switch does.
type Host struct {
	Name string
	// Shutdown is a command that asks the host's system to shut down, with its arguments; none to have the switch turn it off
	// at once, which is safe only in so far as nothing runs there.
	Shutdown []string
	// Timeout is how long the host may take to go off after the command.
	Timeout time.Duration
	// WakeOnLAN is the hardware address that magic packets are for, Broadcast where they are sent to, as address:port.
	WakeOnLAN net.HardwareAddr
	Broadcast string
}

const (
	// pollInterval is the time from one question for a status to the next.
	pollInterval = 2 * time.Second
	// commandTimeout bounds a shutdown command: it is to ask, and not to wait.
	commandTimeout = 30 * time.Second
	// waitDelay is how long a command's children may keep its output open.
	waitDelay = 2 * time.Second
	// packets is how many magic packets are sent: they are not acknowledged.
	packets = 5
)

// Power shuts hosts down and wakes them. It is safe for concurrent use.
type Power struct {
	sw  Switch
	log *slog.Logger

	mu    sync.Mutex
	hosts map[string]Host
}

// New returns a Power over the switch.
func New(sw Switch, hosts []Host, log *slog.Logger) *Power {
	p := &Power{sw: sw, log: log}
	p.Configure(hosts)
	return p
}

// Configure replaces the hosts. What is under way goes on as it was begun.
func (p *Power) Configure(hosts []Host) {
	next := make(map[string]Host, len(hosts))
	for _, h := range hosts {
		next[h.Name] = h
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hosts = next
}

func (p *Power) host(name string) Host {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hosts[name]
}

// Ready says what is missing for the host to be shut down and to be woken, or "": without a status nobody could tell that it is
// off, whatever shuts it down.
func (p *Power) Ready(name string) string {
	if !p.sw.Can(name) {
		return fmt.Sprintf("nothing says whether %s has power; add fence to it under hosts, be it that Wake-on-LAN is to wake it", name)
	}
	return ""
}

// Status asks whether the host has power.
func (p *Power) Status(ctx context.Context, name string) cluster.PowerReport {
	return p.sw.Status(ctx, name)
}

// Shutdown asks the host's system to shut down, and returns without an error when a status says that the host is off. What has
// no shutdown command, or does not go off in time, is turned off by its switch: the caller has made sure that nothing runs there.
func (p *Power) Shutdown(ctx context.Context, name string) error {
	if p.sw.Status(ctx, name).State == cluster.PowerOff {
		return nil
	}
	h := p.host(name)
	if len(h.Shutdown) == 0 {
		_, err := p.sw.Off(ctx, name)
		return err
	}
	if err := permit.Ask(ctx); err != nil {
		return err
	}
	asked := run(ctx, h.Shutdown) // that it failed says little: the connection may have ended with the host
	off := p.await(ctx, name, h.Timeout)
	if off == nil || ctx.Err() != nil {
		return off
	}
	p.log.Warn("a host did not shut down when it was asked to, and is turned off", "host", name, "err", errors.Join(asked, off))
	if _, err := p.sw.Off(ctx, name); err != nil {
		return errors.Join(asked, off, err)
	}
	return nil
}

// await asks for the host's power until it is off.
func (p *Power) await(ctx context.Context, name string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		report := p.sw.Status(ctx, name)
		if report.State == cluster.PowerOff {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it was asked to shut down, and after %s its power is %s", within, report.State)
		case <-time.After(pollInterval):
		}
	}
}

// run runs a command to its end. The error has the end of what it wrote.
func run(ctx context.Context, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what it leaves running goes with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = waitDelay
	out := &tail{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", args[0], err, strings.TrimSpace(out.String()))
	}
	return nil
}

// tail keeps the end of what is written.
type tail struct{ bytes.Buffer }

// maxTail is how much of it is kept, in bytes.
const maxTail = 4 << 10

// Write is part of io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	n, _ := t.Buffer.Write(b)
	if over := t.Len() - maxTail; over > 0 {
		t.Next(over)
	}
	return n, nil
}

// Wake turns the host on by its switch, and by magic packets where it has an address for them. One of them must go well; that
// the host comes up is for the caller to see.
func (p *Power) Wake(ctx context.Context, name string) error {
	_, err := p.sw.On(ctx, name)
	h := p.host(name)
	if h.WakeOnLAN == nil || err == nil {
		return err
	}
	if sent := magic(ctx, h); sent != nil {
		return fmt.Errorf("%w; %w", err, sent)
	}
	p.log.Warn("a host's switch did not turn it on, and magic packets were sent", "host", name, "err", err)
	return nil
}

// magic sends magic packets: six bytes of ones, then the hardware address sixteen times, by UDP (AMD, "Magic Packet
// Technology", publication 20213, 1995).
func magic(ctx context.Context, h Host) error {
	if err := permit.Ask(ctx); err != nil {
		return err
	}
	packet := append(bytes.Repeat([]byte{0xff}, 6), bytes.Repeat(h.WakeOnLAN, 16)...)
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", h.Broadcast)
	if err != nil {
		return fmt.Errorf("wake %s by Wake-on-LAN: %w", h.Name, err)
	}
	defer conn.Close() //nolint:errcheck // nothing is to be read
	for range packets {
		if _, err := conn.Write(packet); err != nil {
			return fmt.Errorf("wake %s by Wake-on-LAN: %w", h.Name, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil
}
