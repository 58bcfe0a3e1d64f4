package promql_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

func replace(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		was := text
		if text = strings.ReplaceAll(text, pairs[i], pairs[i+1]); text == was {
			t.Fatalf("the case does not apply: %s", pairs[i])
		}
	}
	return text
}

// A rate over a window whose first half is empty is half of the truth.
func TestUseOverAHalfEmptyWindowIsAGap(t *testing.T) {
	both := host("h1", 80, 1) + host("h2", 80, 1)
	for name, c := range map[string]struct {
		use, rest string
		gap       bool
	}{
		"Prometheus was away in the window's first half":  {"50+15x44 _x24 1085+15x11", "$1x44 _x24 $1x11", true},
		"Prometheus was away in the middle of the window": {"50+15x64 _x7 1130+15x8", "$1x64 _x7 $1x8", false},
		"it was there all the time":                       {"50+15x80", "$1x80", false},
	} {
		script := strings.ReplaceAll(vm("a", "h1", "running", 0, 80, 1, 0), "50+15x80", c.use)
		script = regexp.MustCompile(`(\d+)x80`).ReplaceAllString(script, strings.ReplaceAll(c.rest, "$1", "${1}"))
		s := snapshot(t, options(), both+script, 20*time.Minute)
		if gap := s.GapOf("vm/a"); c.gap != strings.Contains(gap, "beginning of the window of 5m") || !c.gap && gap != "" {
			t.Errorf("%s: demand %v, gap %q", name, s.VMs[0].CPUDemandCores, gap)
		}
		if !c.gap {
			near(t, "demand when "+name, s.VMs[0].CPUDemandCores, 1)
		}
	}
}

func TestAShortWindowIsSeenFromItsBeginning(t *testing.T) {
	o := options()
	o.Window = 60 * time.Second // four scrapes
	script := host("h1", 40, 1) + host("h2", 40, 1) + vm("a", "h1", "running", 0, 40, 1, 0) + vm("new", "h1", "running", 39, 2, 1, 0)
	s := snapshot(t, o, script, 10*time.Minute)
	if s.GapOf("vm/a") != "" || s.GapOf("vm/new") == "" {
		t.Errorf("gaps are %+v", s.Gaps)
	}
}

// A definition left behind on h2 says nothing about the VM that runs on h1.
func TestADefinitionLeftBehindDoesNotSpeakForTheVM(t *testing.T) {
	left := replace(t, vm("a", "h2", "shutoff", 0, 40, 0, 0), `compat=""`, `compat="g2"`, `pool="nfs"`, `pool="local"`, `network="br0"`, `network="br1"`,
		"vm_vcpus{instance=\"h2:9177\",vm=\"a\"} 2x", "vm_vcpus{instance=\"h2:9177\",vm=\"a\"} 8x", "2147483648", "8589934592",
		"vm_movable{instance=\"h2:9177\",vm=\"a\"} 1x", "vm_movable{instance=\"h2:9177\",vm=\"a\"} 0x")
	here := replace(t, vm("a", "h1", "running", 0, 40, 0.5, 0), `compat=""`, `compat="g1"`)
	for _, script := range []string{here + left, left + here} {
		a := snapshot(t, options(), host("h1", 40, 1)+host("h2", 40, 1)+script, 10*time.Minute).VMs[0]
		if a.Host != "h1" || a.CPUCompat != "g1" || strings.Join(a.Storage, ",") != "nfs" || strings.Join(a.Networks, ",") != "br0" ||
			a.VCPUs != 2 || a.MemoryBytes != 2<<30 || a.MemoryDemandBytes != 1<<30 || !a.Movable {
			t.Errorf("a is %+v", a)
		}
	}
}

func TestAHostWhoseCPUChangedIsWhatItIsNow(t *testing.T) {
	const old = `
  evenkeel_host_info{instance="h1:9177",host="h1",cpu_compat="before"} 1x20 stale`
	now := host("h1", 40, 1) + host("h2", 40, 1)
	for _, script := range []string{old + now, now + old} { // whichever of the two is answered last
		h, _ := snapshot(t, options(), script, 10*time.Minute).Host("h1")
		if h.CPUCompat != "g1" {
			t.Errorf("h1's group is %q, its present one is g1", h.CPUCompat)
		}
	}
}

// h1 fell silent with the VM on it; that h2 has a definition of it is no news of where it runs.
func TestADefinitionElsewhereDoesNotHideThatAHostIsSilent(t *testing.T) {
	silent := replace(t, host("h1", 20, 1)+vm("a", "h1", "running", 0, 20, 0.5, 0), "x20", "x20 stale")
	for state, want := range map[string]struct{ host, gap string }{
		"shutoff": {"h1", "h1 gives no data; what h2 has of it (shutoff)"},
		"running": {"h2", ""},
	} {
		s := snapshot(t, options(), silent+host("h2", 40, 1)+vm("a", "h2", state, 0, 40, 0.5, 0), 10*time.Minute)
		if len(s.VMs) != 1 {
			t.Fatalf("%d VMs", len(s.VMs))
		}
		a, gap := s.VMs[0], s.GapOf("vm/a")
		if a.Host != want.host || !strings.Contains(gap, want.gap) || (want.gap == "") != (gap == "") || a.Movable != (want.gap == "") {
			t.Errorf("%s on h2: a is on %q, gap %q", state, a.Host, gap)
		}
	}
}

// One exporter that reads both hosts tells the second place of a VM apart from the first.
func TestTwoPlacesFromOneExporterAreSeen(t *testing.T) {
	one := func(text string) string { return replace(t, text, `instance="h1:9177"`, `instance="all:9177"`) }
	both := one(host("h1", 40, 1)) + replace(t, host("h2", 40, 1), `instance="h2:9177"`, `instance="all:9177"`)
	for state, want := range map[string]struct{ to, gap string }{
		"paused":  {"h2", "migration is under way"},
		"running": {"", "running on h1 and on h2"},
	} {
		also := fmt.Sprintf(`
  evenkeel_vm_also_on_info{instance="all:9177",vm="a",name="name-a",host="h2",state=%q} 1x40`, state)
		s := snapshot(t, options(), both+one(vm("a", "h1", "running", 0, 40, 0.5, 0))+also, 10*time.Minute)
		if a := s.VMs[0]; a.Host != "h1" || a.MigratingTo != want.to || a.VCPUs != 2 || !strings.Contains(s.GapOf("vm/a"), want.gap) {
			t.Errorf("%s: a is %+v, gap %q", state, a, s.GapOf("vm/a"))
		}
	}
}

func TestHostsOfOtherClustersAreLeftOut(t *testing.T) {
	script := host("h1", 40, 1) + host("h2", 40, 1) + host("other", 40, 1) + vm("a", "h1", "running", 0, 40, 0.5, 0) + vm("b", "other", "running", 0, 40, 0.5, 0) +
		replace(t, vm("c", "other", "running", 0, 20, 0.5, 0), "x20", "x20 stale") + `
  evenkeel_storage_pool_info{instance="other:9177",host="other",pool="nfs",type="netfs",source="elsewhere:/x",shared="true"} 1x40`
	s := snapshot(t, options(), script, 10*time.Minute)
	if len(s.Hosts) != 2 || len(s.VMs) != 1 || s.VMs[0].ID != "a" || len(s.Gaps) != 0 || strings.Join(s.VMs[0].Storage, ",") != "nfs" {
		t.Errorf("hosts %+v, VMs %+v, gaps %+v", s.Hosts, s.VMs, s.Gaps)
	}
	o := options()
	o.Hosts = nil
	if s := snapshot(t, o, script, 10*time.Minute); len(s.Hosts) != 3 || len(s.VMs) != 2 {
		t.Errorf("without a list every host counts: %+v", s.Hosts)
	}
}

func TestWhatTwoReplicasScrapedCountsOnce(t *testing.T) {
	script := host("h1", 40, 1.5) + host("h2", 40, 0) + vm("a", "h1", "running", 0, 40, 1, 0.2)
	s := snapshot(t, options(), replace(t, script, "{instance", `{replica="a",instance`)+replace(t, script, "{instance", `{replica="b",instance`), 10*time.Minute)
	if len(s.Hosts) != 2 || len(s.VMs) != 1 || len(s.Gaps) != 0 {
		t.Fatalf("%+v", s)
	}
	near(t, "demand", s.VMs[0].CPUDemandCores, 1.2)
	near(t, "steal", s.VMs[0].CPUStealRatio.Value, 0.1)
	near(t, "overhead of h1", s.Hosts[0].ReservedCPUCores, 0.5)
}

func TestANetworkInsideAHostTiesAVMDown(t *testing.T) {
	base := host("h1", 40, 1) + host("h2", 40, 1) + replace(t, host("h1", 40, 1)[strings.LastIndex(host("h1", 40, 1), "\n"):], "br0", "default", `shared="true"`, `shared="false"`)
	for network, why := range map[string]string{
		"default": "network default, which h1 shares with no other host",
		"br0":     "",
		"":        "", // a user-mode network
	} {
		s := snapshot(t, options(), base+strings.ReplaceAll(vm("a", "h1", "running", 0, 40, 0.5, 0), `network="br0"`, fmt.Sprintf("network=%q", network)), 10*time.Minute)
		if a := s.VMs[0]; a.Movable != (why == "") || !strings.Contains(a.ImmovableReason, why) || len(a.Networks) > 0 && network == "" {
			t.Errorf("on %q: movable %v, %q, networks %q", network, a.Movable, a.ImmovableReason, a.Networks)
		}
		if got := strings.Join(s.Hosts[0].Networks, ","); got != "br0" {
			t.Errorf("h1 reaches %s", got)
		}
	}
}

func TestAPoolIsTheSameStorageOnlyWhereTheHostsAgree(t *testing.T) {
	for name, c := range map[string]struct{ old, new, h1, h2 string }{
		"they agree":      {`pool="ds1",type="dir"`, `pool="ds1",type="dir",path="/srv/ds1"`, "ds1", "ds1"},
		"another path":    {`host="h2",pool="ds1",type="dir"`, `host="h2",pool="ds1",type="dir",path="/mnt/ds1"`, "ds1@dir", "ds1@dir:/mnt/ds1"},
		"another source":  {`host="h2",pool="nfs",type="netfs"`, `host="h2",pool="nfs",type="netfs",source="b:/x"`, "nfs@netfs", "nfs@netfs:b:/x"},
		"another kind":    {`host="h2",pool="ds1",type="dir"`, `host="h2",pool="ds1",type="fs"`, "ds1@dir", "ds1@fs"},
		"one is declared": {`host="h2",pool="nfs",type="netfs",shared="true"`, `host="h2",pool="nfs",type="dir",shared="false"`, "nfs", ""},
	} {
		s := snapshot(t, options(), replace(t, host("h1", 40, 1)+host("h2", 40, 1), c.old, c.new)+vm("a", "h1", "running", 0, 40, 0.5, 0), 10*time.Minute)
		has := func(h cluster.Host, id string) bool {
			return id == "" && !strings.Contains(strings.Join(h.Storage, ","), "nfs") || strings.Contains(","+strings.Join(h.Storage, ",")+",", ","+id+",")
		}
		if !has(s.Hosts[0], c.h1) || !has(s.Hosts[1], c.h2) {
			t.Errorf("%s: h1 reaches %v, h2 %v", name, s.Hosts[0].Storage, s.Hosts[1].Storage)
		}
		if strings.HasPrefix(c.h1, "nfs") && strings.Join(s.VMs[0].Storage, ",") != c.h1 {
			t.Errorf("%s: a needs %v, want %s", name, s.VMs[0].Storage, c.h1)
		}
	}
}
