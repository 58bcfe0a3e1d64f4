package simulator

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// begun is a live cluster with a migration under way, and how that ends.
func begun(t *testing.T, text string) (*Live, cluster.Action, <-chan error) {
	t.Helper()
	c := start(t, text)
	live, a := NewLive(c), cluster.Action{Kind: cluster.Migrate, VM: c.vms[0].id, Name: "a", From: "h1", To: "h2"}
	ended, running := make(chan error, 1), make(chan struct{}, 100)
	go func() {
		ended <- live.Act(t.Context(), a, func(cluster.Progress) { running <- struct{}{} })
	}()
	<-running
	return live, a, ended
}

func TestALiveMigrationEndsWhenTheClusterHasMovedOn(t *testing.T) {
	live, a, ended := begun(t, two)
	live.Step(live.Now().Add(5 * time.Second))
	select {
	case err := <-ended:
		t.Fatalf("it ended too early: %v", err)
	default:
	}
	live.Step(live.Now().Add(time.Minute))
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if on := live.Look(t.Context(), a, []string{"h1", "h2"}).RunsOn(); on != "h2" {
		t.Errorf("it runs on %q", on)
	}
	if p, err := live.Completed(t.Context(), a.VM, "h2"); err != nil || p.TransferredBytes == 0 || p.ElapsedSeconds < 5 {
		t.Errorf("its account is %+v, %v", p, err)
	}
}

func TestALiveMigrationThatFailsSaysSo(t *testing.T) {
	live, a, ended := begun(t, "migration: {failure_ratio: 1}"+two)
	live.Step(live.Now().Add(time.Minute))
	if err := <-ended; err == nil || live.Look(t.Context(), a, []string{"h1", "h2"}).RunsOn() != "h1" {
		t.Errorf("error is %v", err)
	}
}

func TestALiveMigrationCanBeAborted(t *testing.T) {
	live, a, ended := begun(t, two)
	if err := live.Abort(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	live.Step(live.Now().Add(time.Second))
	if err := <-ended; err == nil {
		t.Error("an aborted migration passes for a success")
	}
	if live.Abort(t.Context(), a) == nil {
		t.Error("it could be aborted twice")
	}
}

func TestWhoStopsWaitingLeavesTheMigrationAlone(t *testing.T) {
	c := start(t, two)
	live, a := NewLive(c), cluster.Action{Kind: cluster.Migrate, VM: c.vms[0].id, From: "h1", To: "h2"}
	ctx, cancel := context.WithCancel(t.Context())
	if err := live.Act(ctx, a, func(cluster.Progress) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	live.Step(live.Now().Add(time.Minute))
	if on := live.Look(t.Context(), a, []string{"h2"}).RunsOn(); on != "h2" {
		t.Errorf("it runs on %q", on)
	}
}

// The exporter's counters must tell the same as the cluster's own.
func TestAReadingTellsWhatIs(t *testing.T) {
	c := start(t, "hosts: [{name: h, count: 2, cores: 4, memory: 64GiB, overhead_cores: 0.5, storage: [nfs], networks: [lan]}]\n"+
		"vms: [{name: a, count: 2, vcpus: 4, memory: 4GiB, storage: [nfs], networks: [lan], tags: [web], place: h1, load: {constant: 0.5}}]\n"+
		"events: [{at: 10m, host: h1, do: down}]")
	live := NewLive(c)
	live.Step(live.Now().Add(100 * time.Second))
	h, err := live.Reader("h1").Read(t.Context())
	if err != nil || len(h.VMs) != 2 || h.Pools[0].Name != "nfs" || !h.Networks[0].Shared {
		t.Fatalf("%+v, %v", h, err)
	}
	near(t, "CPU time of VMs", h.Time.User, 350)
	near(t, "CPU time of the host", h.Time.System, 50)
	near(t, "idle time", h.Time.Idle, 0)
	near(t, "CPU time of a VM", h.VMs[0].CPUSeconds.Value, 175)
	near(t, "waiting of a vCPU", h.VMs[0].PerVCPU[3].Steal.Value, 25.0/4)
	near(t, "stalled", h.Machine.Pressure.CPU.Some.Seconds, 100*0.5/4)
	if err := c.Migrate(c.vms[0].id, "h2"); err != nil {
		t.Fatal(err)
	}
	if h, err := live.Reader("h2").Read(t.Context()); err != nil || len(h.VMs) != 1 || h.VMs[0].State != cluster.VMPaused || h.VMs[0].CPUSeconds.Value != 0 || h.VMs[0].Job.Operation != "migration-in" {
		t.Errorf("on its way it is %+v, %v", h.VMs, err)
	}
	live.Step(live.Now().Add(time.Hour))
	if _, err := live.Reader("h1").Read(t.Context()); err == nil || !strings.Contains(err.Error(), "h1") {
		t.Errorf("a host that is down answers: %v", err)
	}
	if h, err := live.Reader("h2").Read(t.Context()); err != nil || h.VMs[0].State != cluster.VMRunning || h.VMs[0].CPUSeconds.Value < 7100 || h.VMs[0].CPUSeconds.Value > 7200 || h.VMs[0].Arrival == nil {
		t.Errorf("after its move it is %+v, %v", h.VMs, err)
	}
}
