package promql_test

import (
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/google/go-cmp/cmp"
)

func TestWhatAVMsOwnerWroteAndWhatIsBeingDoneToIt(t *testing.T) {
	const at = `instance="h1:9177",vm=`
	o := options()
	o.RestartPriorities = map[string]string{"name-b": "low", "b": "disabled", "c": "highest"}
	s := snapshot(t, o, host("h1", 60, 1)+host("h2", 60, 1)+vm("a", "h1", "running", 0, 60, .5, 0)+vm("b", "h1", "running", 0, 60, .5, 0)+
		vm("c", "h1", "running", 0, 60, .5, 0)+vm("d", "h1", "running", 0, 60, .5, 0)+`
  evenkeel_vm_settings_info{`+at+`"a",automation="manual",restart_priority="high"} 1x60
  evenkeel_vm_tag_info{`+at+`"a",tag="web"} 1x60
  evenkeel_vm_tag_info{`+at+`"a",tag="db"} 1x60
  evenkeel_vm_dirty_bytes_per_second{`+at+`"a"} 5242880x60
  evenkeel_vm_hypervisor_up{`+at+`"a"} 1x60
  evenkeel_vm_hypervisor_up{`+at+`"b"} 0x60
  evenkeel_vm_job_info{`+at+`"c",operation="backup"} 1x60
  evenkeel_vm_settings_info{`+at+`"d",automation="someday",restart_priority=""} 1x60
  evenkeel_vm_immovable_info{`+at+`"d",reason="it has y"} 1x60
  evenkeel_vm_immovable_info{`+at+`"d",reason="it has x"} 1x60
  evenkeel_host_pressure_some_seconds_total{instance="h1:9177",host="h1",resource="cpu"} 0+1.5x60
  evenkeel_host_pressure_some_seconds_total{instance="h1:9177",host="h1",resource="io"} 0+9x60`, 14*time.Minute)
	level := func(l cluster.Level) *cluster.Level { return &l }
	for _, want := range []cluster.VM{
		{ID: "a", Movable: true, Automation: level(cluster.LevelManual), RestartPriority: "high", Tags: []string{"db", "web"}, DirtyBytesPerSecond: cluster.Known(5 << 20)},
		{ID: "b", RestartPriority: "disabled", ImmovableReason: "its process on the host does not answer"},
		{ID: "c", RestartPriority: "highest", ImmovableReason: "a job is under way: backup"},
		{ID: "d", Movable: true, Automation: level(cluster.LevelOff)},
	} {
		v, ok := s.VM(want.ID)
		got := cluster.VM{ID: v.ID, Movable: v.Movable, ImmovableReason: v.ImmovableReason, Automation: v.Automation, RestartPriority: v.RestartPriority, Tags: v.Tags, DirtyBytesPerSecond: v.DirtyBytesPerSecond}
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("VM %s: %s", want.ID, diff)
		}
	}
	h1, _ := s.Host("h1")
	near(t, "the pressure of h1", h1.CPUPressureRatio.Value, .1)
	if h, _ := s.Host("h2"); h.CPUPressureRatio.Known {
		t.Errorf("h2 tells no pressure and has %v", h.CPUPressureRatio)
	}
}

// A hypervisor of type 1 counts no host's CPU: what its own domain uses is the host's.
func TestAControlDomainIsTheHostsOwnUse(t *testing.T) {
	s := snapshot(t, options(), host("h1", 60, 1)+`
  evenkeel_host_info{instance="h2:9177",host="h2",cpu_compat="g1"} 1x60
  evenkeel_host_cpus{instance="h2:9177",host="h2"} 4x60
  evenkeel_host_memory_bytes{instance="h2:9177",host="h2"} 8589934592x60
  evenkeel_host_control_domain_cpu_seconds_total{instance="h2:9177",host="h2"} 100+3x60`+
		vm("x", "h2", "running", 0, 60, .5, 0), 14*time.Minute)
	h, ok := s.Host("h2")
	if !ok || h.State != cluster.HostUp {
		t.Fatalf("%+v", h)
	}
	near(t, "the reserve of h2", h.ReservedCPUCores, .2)
}
