// Package machine reads the Linux machine that the exporter runs on, from /proc and /sys, into plain
// values. It exports no metric, judges nothing and changes nothing. What can hang for ever is never
// waited for: file systems are asked in the background, and a reading ends with its context.
package machine

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"golang.org/x/sys/unix"
)

// Options say where a machine's kernel is to be found and what is not to be read.
type Options struct {
	// Proc, Sys and Dev are the kernel's file systems, Root is where the machine's own root directory
	// is seen. An empty one has its usual place.
	Proc, Sys, Dev, Root string
	// Certificates are further files whose certificates' end is to be known, beside those of libvirt and QEMU; wildcards may stand in them.
	Certificates []string
	// Log is told of certificates that cannot be read; nil tells nobody.
	Log *slog.Logger
	// Without tells of a collector's name whether it is left out; nil leaves none out.
	Without func(collector string) bool
}

// Reader reads one machine. It is safe for concurrent use.
type Reader struct {
	o            Options
	parts        []part
	filesystems  *filesystems
	certificates *certificates
	// adjtimex is the kernel's, except in tests.
	adjtimex func(*unix.Timex) (int, error)

	checks machineChecks

	mu      sync.Mutex
	flights map[string]*flight
}

// New returns a reader of the machine. It reads nothing yet.
func New(o Options) *Reader {
	for dir, usual := range map[*string]string{&o.Proc: "/proc", &o.Sys: "/sys", &o.Dev: "/dev", &o.Root: "/"} {
		if *dir == "" {
			*dir = usual
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Reader{o: o, adjtimex: unix.Adjtimex, flights: map[string]*flight{}}
	r.filesystems = &filesystems{root: o.Root, statfs: unix.Statfs, mounts: r.mounts}
	r.certificates = &certificates{root: o.Root, patterns: append(usualCertificates(), o.Certificates...), log: o.Log, told: map[string]string{}}
	for _, p := range r.all() {
		if o.Without == nil || !o.Without(p.collector) {
			r.parts = append(r.parts, p)
		}
	}
	return r
}

// all lists every part, in the order of the documentation.
func (r *Reader) all() []part {
	return []part{
		{"host_cpu", r.cpu}, {"host_memory", r.memory}, {"host_numa", r.numa}, {"host_load", r.load},
		{"host_pressure", r.pressure}, {"host_time", r.time}, {"host_bond", r.bonds},
		{"host_multipath", r.multipaths}, {"host_edac", r.edac}, {"host_mce", r.mce}, {"host_filesystem", r.filesystem},
		{"host_kvm", r.kvm}, {"host_network_device", r.networkDevices},
		{"host_certificate", r.certificate},
	}
}

// Run asks the machine's file systems how full they are and reads its certificates, until ctx ends. Without it a reading
// has neither.
func (r *Reader) Run(ctx context.Context) {
	var background sync.WaitGroup
	for _, p := range r.parts {
		switch p.collector {
		case "host_filesystem":
			background.Go(func() { r.filesystems.run(ctx) })
		case "host_certificate":
			background.Go(func() { r.certificates.run(ctx) })
		}
	}
	background.Wait()
	<-ctx.Done()
}

// Read returns what the machine is and does now. A part that failed, or has not come back when ctx
// ends, is named in Readings and hides no other.
func (r *Reader) Read(ctx context.Context) stat.Machine {
	m := stat.Machine{Hostname: r.Hostname(), ControlDomain: r.controlDomain()}
	k := r.kernel()
	flights := make([]*flight, 0, len(r.parts))
	for _, p := range r.parts {
		flights = append(flights, r.start(p, k))
	}
	for _, f := range flights {
		m.Readings = append(m.Readings, f.land(ctx, &m))
	}
	return m
}

// Hostname returns the kernel's name for the machine, or "" when it cannot be read at all.
func (r *Reader) Hostname() string {
	text, err := os.ReadFile(filepath.Join(r.o.Proc, "sys/kernel/hostname"))
	if name := strings.TrimSpace(string(text)); err == nil && name != "" {
		return name
	}
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// controlDomain tells whether the machine is Xen's Domain-0. Anything else has no such file.
func (r *Reader) controlDomain() bool {
	text, err := os.ReadFile(filepath.Join(r.o.Proc, "xen/capabilities"))
	return err == nil && strings.Contains(string(text), "control_d")
}
