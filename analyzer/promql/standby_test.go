package promql_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/promql"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// A host that sleeps says nothing. What it had when it was told to shut down is what it would bring.
func TestWhatASleepingHostHadIsRemembered(t *testing.T) {
	s := snapshot(t, options(), host("h1", 40, 1)+host("h2", 19, 1)+`
  evenkeel_host_standby{instance="server",host="h2"} 1x20 2x20
  evenkeel_host_standby_timestamp_seconds{instance="server",host="h2"} 0x20 270x20`, 10*time.Minute)
	h1, _ := s.Host("h1")
	h2, _ := s.Host("h2")
	if h2.State != cluster.HostStandby || h2.CPUCores == 0 || h2.MemoryBytes == 0 || h2.CPUCores != h1.CPUCores || h2.CPUCompat != h1.CPUCompat || len(h2.Storage) != len(h1.Storage) {
		t.Errorf("h2: %+v, h1: %+v", h2, h1)
	}
}

// h1 is emptied to be put into standby, h2 sleeps, h3 sleeps by the server's word and is read all the same, h4 went off while
// Prometheus was down.
func TestAHostThatSleepsIsNoGap(t *testing.T) {
	o := options()
	o.Hosts = []string{"h1", "h2", "h3", "h4"}
	s := snapshot(t, o, host("h1", 40, 1)+host("h3", 40, 1)+host("h4", 30, 1)+`
  evenkeel_host_standby{instance="server",host="h4"} 2x40
  evenkeel_host_info{instance="h2:9177",host="h2"} 1x39 stale
  evenkeel_host_standby{instance="server",host="h1"} 1x40
  evenkeel_host_standby{instance="server",host="h2"} 2x40
  evenkeel_host_standby{instance="server",host="h3"} 2x40`, 10*time.Minute)
	want := map[string]cluster.HostState{"h1": cluster.HostMaintenance, "h2": cluster.HostStandby, "h3": cluster.HostMaintenance, "h4": cluster.HostStandby}
	for id, state := range want {
		h, known := s.Host(id)
		if !known || h.State != state || !h.Retiring || s.GapOf(cluster.HostSubject(id)) != "" {
			t.Errorf("%s: %+v, gap %q", id, h, s.GapOf(cluster.HostSubject(id)))
		}
	}
}

// a has been there all the time, with a peak twenty minutes ago; b came ten minutes ago.
func TestWhatAdviceAboutPowerRestsOn(t *testing.T) {
	o := options()
	o.Power = promql.Power{Busy: 5 * time.Minute, Calm: 40 * time.Minute}
	cpu := "0"
	for i, total := 0, 0.0; i < 240; i++ { // a sample each quarter of a minute
		use := 0.5
		if i > 140 && i <= 164 {
			use = 1.5
		}
		total += 15 * use
		cpu += fmt.Sprintf(" %g", total)
	}
	s := snapshot(t, o, host("h1", 240, 1)+host("h2", 240, 1)+strings.Replace(vm("a", "h1", "running", 0, 240, 0, 0), "evenkeel_vm_cpu_seconds_total", "unused", 1)+vm("b", "h1", "running", 200, 40, 0.25, 0)+
		vm("c", "h1", "running", 0, 240, 0.5, 0.25)+`
  evenkeel_vm_cpu_seconds_total{instance="h1:9177",vm="a"} `+cpu+`
  evenkeel_host_wake_last_success{instance="server",host="h1"} 1x240
  evenkeel_host_wake_last_timestamp_seconds{instance="server",host="h1"} 1234x240
  evenkeel_host_wake_last_duration_seconds{instance="server",host="h1"} 95x240
  evenkeel_host_waking_timestamp_seconds{instance="server",host="h2"} 3500x240
  evenkeel_host_wake_last_success{instance="server",host="h2"} 0x240`, time.Hour)
	a, _ := s.VM("a")
	b, _ := s.VM("b")
	c, _ := s.VM("c")
	near(t, "c, busy, with what it waits for", c.CPUBusyCores.Value, 0.75)
	near(t, "c, calm, with what it waits for", c.CPUCalmCores.Value, 0.75)
	near(t, "a, busy", a.CPUBusyCores.Value, 0.5)
	near(t, "a, calm", a.CPUCalmCores.Value, 1.5)
	near(t, "b, busy", b.CPUBusyCores.Value, 0.25)
	if b.CPUCalmCores.Known {
		t.Errorf("b has not been there for forty minutes: %+v", b.CPUCalmCores)
	}
	h1, h2 := s.Hosts[0].Woken, s.Hosts[1].Woken
	if h1 == nil || !h1.Woke || h1.Seconds != 95 || h1.At.Unix() != 1234 || h2 == nil || h2.Woke {
		t.Errorf("woken: %+v %+v", h1, h2)
	}
	if since := s.Hosts[1].WakingSince; since.Unix() != 3500 || !s.Hosts[0].WakingSince.IsZero() {
		t.Errorf("h2 is being woken since %s, h1 since %s", since, s.Hosts[0].WakingSince)
	}
	if len(s.CPUAheadCores) != 12 {
		t.Fatalf("ahead: %v", s.CPUAheadCores)
	}
	near(t, "ahead", s.CPUAheadCores[0], a.Cores()+b.Cores()+c.Cores()) // nothing is known of past days
	if plain := snapshot(t, options(), host("h1", 40, 1)+host("h2", 40, 1)+vm("a", "h1", "running", 0, 40, 0.5, 0), 10*time.Minute); plain.CPUAheadCores != nil || plain.VMs[0].CPUBusyCores.Known {
		t.Errorf("nobody wants advice: %+v", plain)
	}
}
