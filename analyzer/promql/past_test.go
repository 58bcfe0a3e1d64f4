package promql_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/promql"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// A peak of a minute in five is what nine minutes in ten are under, and the mean hides.
func TestDemandIsAPercentileOfTheWindow(t *testing.T) {
	script := host("h1", 80, 1) + host("h2", 80, 1) + vm("a", "h1", "running", 0, 80, 0.2, 0)
	// From 17:00 to 19:00 of 20 minutes it uses a whole core.
	busy := strings.Replace(script, `evenkeel_vm_cpu_seconds_total{instance="h1:9177",vm="a"} 50+3x80`,
		`evenkeel_vm_cpu_seconds_total{instance="h1:9177",vm="a"} 50+3x68 270+15x7 380+3x4`, 1)
	if busy == script {
		t.Fatal("the fixture does not apply")
	}
	o := options()
	mean := snapshot(t, o, busy, 20*time.Minute).VMs[0].CPUDemandCores
	o.Percentile, o.ScrapeInterval = 0.9, 15*time.Second
	high := snapshot(t, o, busy, 20*time.Minute).VMs[0].CPUDemandCores
	o.Percentile = 0.25
	low := snapshot(t, o, busy, 20*time.Minute).VMs[0].CPUDemandCores
	if !(low < 0.3 && mean > 0.3 && mean < 0.7 && high > 0.9) {
		t.Errorf("a quarter of the time at most %v, on average %v, nine tenths of it at most %v cores", low, mean, high)
	}
}

func TestWhatAVMWentThroughIsKnown(t *testing.T) {
	script := host("h1", 40, 1) + host("h2", 40, 1) + strings.ReplaceAll(vm("a", "h1", "running", 0, 20, 0.5, 0), "x20", "x20 stale") + vm("a", "h2", "running", 21, 19, 0.5, 0) + `
  evenkeel_vm_arrived_timestamp_seconds{instance="h2:9177",vm="a"} _x20 315x19
  evenkeel_vm_last_migration_seconds{instance="h2:9177",vm="a"} _x20 2.5x19
  evenkeel_vm_last_migration_downtime_seconds{instance="h2:9177",vm="a"} _x20 0.1x19
  evenkeel_vm_last_migration_transferred_bytes{instance="h2:9177",vm="a"} _x20 1073741824x19
  evenkeel_vm_memory_swap_in_bytes_total{instance="h2:9177",vm="a"} _x20 0+15000x19
  evenkeel_vm_memory_swap_out_bytes_total{instance="h2:9177",vm="a"} _x20 0+30000x19
  evenkeel_actions_total{instance="server",kind="migrate",result="done"} 0x10 1x29`
	s := snapshot(t, options(), script, 10*time.Minute)
	a := s.VMs[0]
	if a.Host != "h2" || !a.MovedAt.Equal(time.Unix(315, 0)) || a.MovesLastDay != 1 || strings.Join(a.RecentHosts, ",") != "h1" {
		t.Errorf("it is on %s since %v, moved %d times, was on %v", a.Host, a.MovedAt, a.MovesLastDay, a.RecentHosts)
	}
	if m := a.LastMigration; m == nil || m.Seconds != 2.5 || m.DowntimeSeconds != 0.1 || m.TransferredBytes != 1<<30 {
		t.Errorf("its last migration was %+v", m)
	}
	near(t, "swapping", a.SwapBytesPerSecond.Value, 3000)
	near(t, "own moves", s.OwnMovesLastDay.Value, 1)
}

func TestWhatIsWrongWithAHostIsKnown(t *testing.T) {
	script := host("h1", 40, 1) + host("h2", 40, 1) + `
  evenkeel_host_bond_slaves{instance="h1:9177",host="h1",bond="bond0"} 2x40
  evenkeel_host_bond_slaves_up{instance="h1:9177",host="h1",bond="bond0"} 1x40
  evenkeel_host_multipath_paths_failed{instance="h1:9177",host="h1",map="mpatha"} 0x40
  evenkeel_host_pressure_some_seconds_total{instance="h1:9177",host="h1",resource="memory"} 0+1.5x40
  evenkeel_host_cpu_model_info{instance="h1:9177",host="h1",model="EPYC"} 1x40
  evenkeel_host_maintenance{instance="server",host="h2"} 1x40
  evenkeel_host_maintenance{instance="server",host="h1"} 0x40`
	o := options()
	o.Places = map[string]promql.Place{"h1": {FailureDomain: "rackA", Tags: []string{"fast"}, PowerCurve: cluster.PowerCurve{100, 300}}}
	s := snapshot(t, o, script, 10*time.Minute)
	h1, h2 := s.Hosts[0], s.Hosts[1]
	if len(h1.Faults) != 1 || h1.Faults[0].Kind != cluster.FaultBondSlave || h1.Faults[0].Detail != "bond0" || h1.Faults[0].Value != 1 || h1.Faults[0].Query == "" {
		t.Errorf("faults of h1: %+v", h1.Faults)
	}
	near(t, "memory pressure", h1.MemoryPressureRatio.Value, 0.1)
	if strings.Join(h1.CPUModels, ",") != "EPYC" || h1.FailureDomain != "rackA" || h1.PeakWatts.Value != 300 || h1.State != cluster.HostUp {
		t.Errorf("h1 is %+v", h1)
	}
	if h2.State != cluster.HostMaintenance || s.GapOf("host/h2") != "" {
		t.Errorf("h2 is %v", h2.State)
	}
}

// Five days on which a VM uses a core in every even hour and nothing in the odd ones. The script has a
// sample each quarter of an hour, so numbers of present use are not looked at.
func TestTheSameHourOfPastDaysIsLearntFrom(t *testing.T) {
	var cpu strings.Builder
	total := 0
	for range 5 * 12 {
		for range 4 {
			total += 900
			fmt.Fprintf(&cpu, " %d", total)
		}
		fmt.Fprintf(&cpu, " %dx3", total)
	}
	script := "load 15m\n  evenkeel_vm_info{instance=\"h1:9177\",vm=\"a\",name=\"a\",host=\"h1\"} 1x483\n  evenkeel_vm_cpu_seconds_total{instance=\"h1:9177\",vm=\"a\"} 0" + cpu.String() + fmt.Sprintf(" %dx2\n", total)
	o := options()
	o.Hosts = []string{"h1"}
	src, err := promql.New(prometheus(t, script), nil, o)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(0, 0).Add(5 * 24 * time.Hour)
	s, err := src.Snapshot(context.Background(), at)
	if err != nil {
		t.Fatal(err)
	}
	a := s.VMs[0]
	if !a.CPUPredictedCores.Known || a.CPUPredictedCores.Value < 0.7 || a.CPUPredictedErrorCores.Value >= a.CPUPersistenceErrorCores.Value {
		t.Errorf("the coming hour is expected to be %+v (error %+v, of no change %+v)", a.CPUPredictedCores, a.CPUPredictedErrorCores, a.CPUPersistenceErrorCores)
	}
	if s.Query("cpu_predicted_cores") == "" {
		t.Error("the forecast has no source")
	}
	again, err := src.Snapshot(context.Background(), at.Add(30*time.Minute))
	if err != nil || again.VMs[0].CPUPredictedCores != a.CPUPredictedCores {
		t.Errorf("within the hour it changed to %+v, %v", again.VMs[0].CPUPredictedCores, err)
	}
}
