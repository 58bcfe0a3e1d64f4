package libvirt

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"libvirt.org/go/libvirt"
)

// Of libvirt's test driver all connections to the default host share one, so that what one does
// another is told of.
func TestEventsAreCountedFromZero(t *testing.T) {
	r := New("test:///default", Options{Log: slog.New(slog.DiscardHandler)})
	defer r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	go r.Run(ctx)
	h := readUntil(ctx, t, r, func(h stat.Host) bool { return len(h.VMs) == 1 && h.VMs[0].Definition != nil })
	if got := h.VMs[0].Events; !slices.Equal(got, make([]float64, len(stat.EventNames()))) {
		t.Errorf("before anything happened: %v", got)
	}
	c, err := libvirt.NewConnect("test:///default")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = c.Close() }()
	dom, err := c.LookupDomainByUUIDString(h.VMs[0].UUID)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dom.Free() }()
	for range 2 {
		if err := dom.Suspend(); err != nil {
			t.Fatal(err)
		}
		if err := dom.Resume(); err != nil {
			t.Fatal(err)
		}
	}
	count := func(h stat.Host, name string) float64 { return h.VMs[0].Events[slices.Index(stat.EventNames(), name)] }
	readUntil(ctx, t, r, func(h stat.Host) bool {
		if ctx.Err() != nil {
			t.Fatalf("suspended %v times and resumed %v times", count(h, "suspended"), count(h, "resumed"))
		}
		return count(h, "suspended") == 2 && count(h, "resumed") == 2
	})
	if i := slices.IndexFunc(h.Readings, func(n stat.Reading) bool { return n.Collector == "vm_events" }); i < 0 || h.Readings[i].Err != "" {
		t.Errorf("readings %+v", h.Readings)
	}
}
