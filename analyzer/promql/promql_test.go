package promql_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/promql"
	"github.com/evenkeel/evenkeel/internal/cluster"
	engine "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
)

// prometheus serves instant queries over a series script, in the notation of Prometheus' own tests,
// with the real PromQL engine. The script starts at the Unix epoch.
func prometheus(t *testing.T, script string) string {
	t.Helper()
	store := promqltest.LoadedStorage(t, script)
	eng := promqltest.NewTestEngine(t, false, 5*time.Minute, 100000)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serveQuery(w, r, eng, store)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func serveQuery(w http.ResponseWriter, r *http.Request, eng *engine.Engine, store storage.Queryable) {
	seconds, err := strconv.ParseFloat(cmp.Or(r.FormValue("time"), r.FormValue("start")), 64)
	if err != nil {
		at, timeErr := time.Parse(time.RFC3339Nano, r.FormValue("time"))
		if timeErr != nil {
			http.Error(w, timeErr.Error(), http.StatusBadRequest)
			return
		}
		seconds = float64(at.UnixMilli()) / 1000
	}
	q, err := eng.NewInstantQuery(r.Context(), store, nil, r.FormValue("query"), time.UnixMilli(int64(seconds*1000)))
	if r.FormValue("step") != "" {
		q, err = rangeQuery(r, eng, store)
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"status":"error","errorType":"bad_data","error":%q}`, err)
		return
	}
	defer q.Close()
	res := q.Exec(r.Context())
	if res.Err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprintf(w, `{"status":"error","errorType":"execution","error":%q}`, res.Err)
		return
	}
	if matrix, ok := res.Value.(engine.Matrix); ok {
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": matrix}})
		return
	}
	vector, err := res.Vector()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	type sample struct {
		Metric map[string]string `json:"metric"`
		Value  [2]any            `json:"value"`
	}
	result := []sample{}
	for _, s := range vector {
		result = append(result, sample{s.Metric.Map(), [2]any{float64(s.T) / 1000, strconv.FormatFloat(s.F, 'g', -1, 64)}})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "vector", "result": result}})
}

func rangeQuery(r *http.Request, eng *engine.Engine, store storage.Queryable) (engine.Query, error) {
	var n [3]float64
	for i, name := range []string{"start", "end", "step"} {
		var err error
		if n[i], err = strconv.ParseFloat(r.FormValue(name), 64); err != nil {
			return nil, err
		}
	}
	ms := func(seconds float64) time.Time { return time.UnixMilli(int64(seconds * 1000)) }
	return eng.NewRangeQuery(r.Context(), store, nil, r.FormValue("query"), ms(n[0]), ms(n[1]), time.Duration(n[2]*float64(time.Second)))
}

// host and vm write the series of one host and of one VM on it, 15 s apart, from 0 on. n is the number
// of samples after the first; use is in cores.
func host(name string, n int, use float64) string {
	i := fmt.Sprintf(`instance="%s:9177",host="%s"`, name, name)
	return fmt.Sprintf(`
  evenkeel_host_info{%[1]s,cpu_compat="g1"} 1x%[2]d
  evenkeel_host_cpus{%[1]s} 4x%[2]d
  evenkeel_host_memory_bytes{%[1]s} 8589934592x%[2]d
  evenkeel_host_cpu_seconds_total{%[1]s,mode="user"} 1000+%[3]gx%[2]d
  evenkeel_host_cpu_seconds_total{%[1]s,mode="system"} 0x%[2]d
  evenkeel_host_cpu_seconds_total{%[1]s,mode="idle"} 1000+%[4]gx%[2]d
  evenkeel_storage_pool_info{%[1]s,pool="ds1",type="dir",shared="false"} 1x%[2]d
  evenkeel_storage_pool_info{%[1]s,pool="nfs",type="netfs",shared="true"} 1x%[2]d
  evenkeel_storage_pool_info{%[1]s,pool="local",type="dir",shared="false"} 1x%[2]d
  evenkeel_host_network_info{%[1]s,network="br0",shared="true"} 1x%[2]d`, i, n, use*15, (4-use)*15)
}

// shift puts "_" samples in front: the series starts later.
func vm(id, on, state string, first, n int, use, steal float64) string {
	l := fmt.Sprintf(`instance="%s:9177",vm="%s"`, on, id)
	gap := ""
	if first > 0 {
		gap = fmt.Sprintf("_x%d ", first-1)
		if first == 1 {
			gap = "_ "
		}
	}
	return fmt.Sprintf(`
  evenkeel_vm_info{%[1]s,name="name-%[2]s",host="%[3]s"} %[7]s1x%[5]d
  evenkeel_vm_state{%[1]s,state="%[4]s"} %[7]s1x%[5]d
  evenkeel_vm_vcpus{%[1]s} %[7]s2x%[5]d
  evenkeel_vm_memory_bytes{%[1]s} %[7]s2147483648x%[5]d
  evenkeel_vm_memory_balloon_bytes{%[1]s} %[7]s2147483648x%[5]d
  evenkeel_vm_memory_unused_bytes{%[1]s} %[7]s1073741824x%[5]d
  evenkeel_vm_cpu_seconds_total{%[1]s} %[7]s50+%[6]gx%[5]d
  evenkeel_vm_vcpu_steal_seconds_total{%[1]s,vcpu="0"} %[7]s5+%[8]gx%[5]d
  evenkeel_vm_cpu_info{%[1]s,compat=""} %[7]s1x%[5]d
  evenkeel_vm_movable{%[1]s} %[7]s1x%[5]d
  evenkeel_vm_disk_info{%[1]s,device="vda",type="file",pool="nfs",path="/nfs/x"} %[7]s1x%[5]d
  evenkeel_vm_network_info{%[1]s,interface="0",network="br0"} %[7]s1x%[5]d`, l, id, on, state, n, use*15, gap, steal*15)
}

func options() promql.Options {
	return promql.Options{Cluster: "c", Hosts: []string{"h1", "h2"}, Window: 5 * time.Minute, MaxDataAge: time.Minute, SharedStorage: []string{"ds1"}, Timeout: 10 * time.Second}
}

func snapshot(t *testing.T, o promql.Options, script string, at time.Duration) cluster.Snapshot {
	t.Helper()
	src, err := promql.New(prometheus(t, "load 15s\n"+strings.TrimLeft(script, "\n")), nil, o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := src.Snapshot(context.Background(), time.Unix(0, 0).Add(at))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if got < want*0.97-1e-9 || got > want*1.03+1e-9 {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func TestASnapshotOfTwoHosts(t *testing.T) {
	s := snapshot(t, options(), host("h1", 40, 1.8)+host("h2", 40, 0.1)+vm("a", "h1", "running", 0, 40, 0.6, 0.2)+vm("b", "h1", "running", 0, 40, 1, 0), 10*time.Minute)
	if len(s.Hosts) != 2 || len(s.VMs) != 2 || len(s.Gaps) != 0 {
		t.Fatalf("%+v", s)
	}
	h, a := s.Hosts[0], s.VMs[0]
	near(t, "overhead of h1", h.ReservedCPUCores, 0.2)
	near(t, "demand of a, waiting included", a.CPUDemandCores, 0.8)
	near(t, "steal of a, of two vCPUs", a.CPUStealRatio.Value, 0.1)
	near(t, "memory that a uses", float64(a.MemoryDemandBytes), 1<<30)
	if !a.Movable || a.Name != "name-a" || a.Host != "h1" || a.State != cluster.VMRunning || a.VCPUs != 2 {
		t.Errorf("a is %+v", a)
	}
	if strings.Join(h.Storage, ",") != "ds1,nfs" || strings.Join(h.Networks, ",") != "br0" {
		t.Errorf("h1 reaches %v and %v; local is not shared and ds1 is declared", h.Storage, h.Networks)
	}
	if s.Query("cpu_demand_cores") == "" {
		t.Error("the demand has no source")
	}
}

// A VM that moved in the middle of the window leaves half of its use on the series of its old host.
func TestUseIsWholeAcrossAMigration(t *testing.T) {
	s := snapshot(t, options(), host("h1", 40, 0.5)+host("h2", 40, 0.5)+
		vm("a", "h1", "running", 0, 30, 0.8, 0)+strings.ReplaceAll(vm("a", "h2", "running", 31, 9, 0.8, 0), "50+", "1+"), 10*time.Minute)
	// h1's series end at 7:30 and, not being marked as stale, would count for five minutes more.
	for _, v := range s.VMs {
		if v.CPUDemandCores < 0.7 || v.CPUDemandCores > 0.85 {
			t.Errorf("demand is %v cores, want about 0.8", v.CPUDemandCores)
		}
	}
}

func TestWhereSeveralHostsKnowAVM(t *testing.T) {
	for name, c := range map[string]struct {
		there, here      string
		host, to, gapHas string
	}{
		"a definition left behind": {"shutoff", "running", "h2", "", ""},
		"in flight":                {"running", "paused", "h1", "h2", "migration is under way"},
		"running twice":            {"running", "running", "h1", "", "running on h1 and on h2"},
		"runs nowhere":             {"shutoff", "crashed", "h1", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := snapshot(t, options(), host("h1", 40, 1)+host("h2", 40, 1)+vm("a", "h1", c.there, 0, 40, 0.5, 0)+vm("a", "h2", c.here, 0, 40, 0, 0), 10*time.Minute)
			if len(s.VMs) != 1 {
				t.Fatalf("%d VMs", len(s.VMs))
			}
			a, gap := s.VMs[0], s.GapOf("vm/a")
			if a.Host != c.host || a.MigratingTo != c.to || !strings.Contains(gap, c.gapHas) || (c.gapHas == "") != (gap == "") {
				t.Errorf("host %q, to %q, gap %q", a.Host, a.MigratingTo, gap)
			}
		})
	}
}

func TestASilentHostIsAGapAndItsVMsAreRemembered(t *testing.T) {
	script := host("h1", 40, 1) + strings.ReplaceAll(host("h2", 40, 1), "x40", "x20 stale") + vm("a", "h1", "running", 0, 40, 0.5, 0) +
		strings.ReplaceAll(vm("b", "h2", "running", 0, 20, 0.5, 0), "x20", "x20 stale") +
		strings.ReplaceAll(vm("gone", "h1", "running", 0, 20, 0.5, 0), "x20", "x20 stale")
	s := snapshot(t, options(), script, 10*time.Minute)
	h2, _ := s.Host("h2")
	if h2.State != cluster.HostUnknown || !strings.Contains(s.GapOf("host/h2"), "no present data") {
		t.Errorf("h2 is %+v, gap %q", h2, s.GapOf("host/h2"))
	}
	if b, ok := s.VM("b"); !ok || b.Host != "h2" || b.State != cluster.VMUnknown || b.Movable || s.GapOf("vm/b") == "" {
		t.Errorf("b is %+v", b)
	}
	if _, ok := s.VM("gone"); ok {
		t.Error("a VM that was undefined on a host that is seen is still there")
	}
}

func TestDataThatGetOldAreAGap(t *testing.T) {
	s := snapshot(t, options(), host("h1", 40, 1)+host("h2", 32, 1), 10*time.Minute) // h2's last sample is two minutes old
	if why := s.GapOf("host/h2"); !strings.Contains(why, "2m0s old, the limit is 1m0s") {
		t.Errorf("gap of h2: %q", why)
	}
	if s.GapOf("host/h1") != "" {
		t.Errorf("gap of h1: %q", s.GapOf("host/h1"))
	}
}

func TestAHostNeverSeenIsAGap(t *testing.T) {
	s := snapshot(t, options(), host("h1", 40, 1), 10*time.Minute)
	if h2, ok := s.Host("h2"); !ok || h2.State != cluster.HostUnknown || s.GapOf("host/h2") == "" {
		t.Errorf("h2 is %+v, gap %q", h2, s.GapOf("host/h2"))
	}
	o := options()
	o.Hosts = nil
	if s := snapshot(t, o, host("h1", 1, 1), 10*time.Hour); s.GapOf("cluster") == "" {
		t.Error("no host at all, and no word of it")
	}
}

func TestWhatTiesAVMDown(t *testing.T) {
	base := vm("a", "h1", "running", 0, 40, 0.5, 0)
	for name, c := range map[string]struct{ old, new, want string }{
		"local disk":      {`pool="nfs"`, `pool="local"`, "storage local, which is not declared as shared"},
		"disk in no pool": {`pool="nfs",path="/nfs/x"`, `pool="",path="/root/x.iso"`, "/root/x.iso) lies in no storage pool"},
		"not read yet":    {"evenkeel_vm_movable", "evenkeel_vm_other", "not been read yet"},
		"passthrough":     {`evenkeel_vm_movable{instance="h1:9177",vm="a"} 1x40`, `evenkeel_vm_movable{instance="h1:9177",vm="a"} 0x40` + "\n  " + `evenkeel_vm_immovable_info{instance="h1:9177",vm="a",reason="it has a passed-through device"} 1x40`, "passed-through"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(base, c.old, c.new, 1)
			if text == base {
				t.Fatal("the case does not apply")
			}
			a := snapshot(t, options(), host("h1", 40, 1)+host("h2", 40, 1)+text, 10*time.Minute).VMs[0]
			if a.Movable || !strings.Contains(a.ImmovableReason, c.want) {
				t.Errorf("movable %v, reason %q", a.Movable, a.ImmovableReason)
			}
			if local := strings.Contains(name, "disk"); local != strings.Contains(a.LocalDisk, c.want) || !local && a.LocalDisk != "" {
				t.Errorf("local disk %q", a.LocalDisk)
			}
		})
	}
	network := strings.Replace(base, `type="file",pool="nfs"`, `type="network",pool=""`, 1)
	if a := snapshot(t, options(), host("h1", 40, 1)+host("h2", 40, 1)+network, 10*time.Minute).VMs[0]; !a.Movable || len(a.Storage) != 0 {
		t.Errorf("a network disk is reached from everywhere: %+v", a)
	}
}

func TestALyingExporterLeavesAGap(t *testing.T) {
	for name, c := range map[string]struct{ old, new, subject string }{
		"no CPUs":         {`evenkeel_host_cpus{instance="h1:9177",host="h1"} 4x40`, `evenkeel_host_cpus{instance="h1:9177",host="h1"} 0x40`, "host/h1"},
		"negative memory": {`evenkeel_host_memory_bytes{instance="h1:9177",host="h1"} 8589934592x40`, `evenkeel_host_memory_bytes{instance="h1:9177",host="h1"} -1x40`, "host/h1"},
		"negative size":   {`evenkeel_vm_memory_bytes{instance="h1:9177",vm="a"} 2147483648x40`, `evenkeel_vm_memory_bytes{instance="h1:9177",vm="a"} -5x40`, "vm/a"},
		"no use":          {"evenkeel_vm_cpu_seconds_total", "evenkeel_vm_other", "vm/a"},
	} {
		t.Run(name, func(t *testing.T) {
			script := host("h1", 40, 1) + host("h2", 40, 1) + vm("a", "h1", "running", 0, 40, 0.5, 0)
			text := strings.Replace(script, c.old, c.new, 1)
			if text == script {
				t.Fatal("the case does not apply")
			}
			if s := snapshot(t, options(), text, 10*time.Minute); s.GapOf(c.subject) == "" {
				t.Errorf("no gap for %s: %+v", c.subject, s)
			}
		})
	}
}

func TestRulesMayNameVMsByName(t *testing.T) {
	o := options()
	o.Rules = []cluster.Rule{{Name: "apart", Kind: cluster.VMVMAntiAffinity, VMs: []string{"name-a", "b", "nobody"}}}
	s := snapshot(t, o, host("h1", 40, 1)+host("h2", 40, 1)+vm("a", "h1", "running", 0, 40, 0.5, 0)+vm("b", "h1", "running", 0, 40, 0.5, 0), 10*time.Minute)
	if r := cluster.NewPlacement(s).RuleStates()[0]; len(r.VMs) != 2 || r.Violations != 1 {
		t.Errorf("the rule is about %v and %d VMs break it", r.VMs, r.Violations)
	}
}

func TestPrometheusOutOfReachIsAnError(t *testing.T) {
	src, err := promql.New("http://127.0.0.1:1", nil, options())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.Snapshot(context.Background(), time.Now()); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error is %v", err)
	}
}
