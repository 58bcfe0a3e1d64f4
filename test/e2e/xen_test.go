package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/hypervisor"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Two real Xen hosts stand beside the lab: Xen, Debian's Domain-0 and libvirt's libxl driver.

func xenhost(args ...string) (string, error) {
	return xenhostWithin(6*time.Minute, args...)
}

func xenhostWithin(d time.Duration, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	out, err := exec.CommandContext(ctx, "nice", append([]string{"-n", "19", filepath.Join(root(), "test", "lab", "xenhost")}, args...)...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("xenhost %s: %w: %s", strings.Join(args, " "), err, tail(string(exit.Stderr), 5))
	}
	return strings.TrimSpace(string(out)), err
}

// xenURI is the libvirt URI of a Xen host.
func xenURI(t *testing.T, host int) string {
	t.Helper()
	uri, err := xenhost("uri", fmt.Sprint(host))
	if err != nil {
		t.Fatal(err)
	}
	return uri
}

func virsh(host int, args ...string) (string, error) {
	uri, err := xenhost("uri", fmt.Sprint(host))
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "virsh", append([]string{"-c", uri}, args...)...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("virsh %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), err
}

const xenHosts = 2

// xenPort is where the exporter of a Xen host listens.
func xenPort(host int) string { return fmt.Sprintf("127.0.0.1:%d", 19170+host) }

func xenPage(t *testing.T, host int) (page, time.Duration) {
	t.Helper()
	p, took, err := scrapePage("http://" + xenPort(host) + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	return p, took
}

// knows tells whether a page has a series of that name for a VM.
func (p page) knows(metric, uuid string) bool {
	for series := range p {
		if strings.HasPrefix(series, metric+"{") && strings.Contains(series, uuid) {
			return true
		}
	}
	return false
}

// documentedOn reads for each metric which hypervisors give it from the documentation.
func documentedOn(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(), "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	on := map[string]string{}
	for _, line := range strings.Split(string(text), "\n") {
		if cells := strings.Split(line, " | "); len(cells) == 7 && strings.HasPrefix(line, "| `evenkeel_") {
			on[strings.Trim(strings.TrimPrefix(cells[0], "| "), "`")] = cells[6]
		}
	}
	if len(on) < 100 {
		t.Fatalf("only %d metrics found in the documentation", len(on))
	}
	return on
}

// xenSoon has the Xen hosts booted beside the test that calls it and those after it, in a run in which their own will come. They take what CPU the
// lab leaves over, and some of it as long as they are up.
func xenSoon() {
	if flag.Lookup("test.run").Value.String() == "" {
		go bootXen()
	}
}

// bootXen boots the Xen hosts and a guest on each, once.
var bootXen = sync.OnceValue(func() error {
	_, first := xenhost("down") // what an earlier run left
	_, up := xenhostWithin(15*time.Minute, "up", "1", "2")
	if err := errors.Join(first, up); err != nil {
		return err
	}
	errs := make(chan error, xenHosts)
	for _, guest := range [][]string{{"guest", "1", "live4", "pvh"}, {"guest", "2", "para3", "pv"}} {
		go func() {
			_, err := xenhostWithin(15*time.Minute, guest...)
			errs <- err
		}()
	}
	return errors.Join(<-errs, <-errs)
})

func TestRealXen(t *testing.T) {
	t.Cleanup(func() {
		if _, err := xenhost("down"); err != nil {
			t.Error(err)
		}
	})
	if err := bootXen(); err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for vm, host := range map[string]int{"live4": 1, "para3": 2} {
		id, err := virsh(host, "domuuid", vm)
		if err != nil {
			t.Fatal(err)
		}
		ids[vm] = id
	}
	for host := 1; host <= xenHosts; host++ {
		start(t, binary(), "exporter", "--libvirt.uri="+xenURI(t, host), "--web.listen-address="+xenPort(host))
		eventually(t, 60*time.Second, "the exporter of a Xen host", func() error {
			p, _, err := scrapePage("http://" + xenPort(host) + "/metrics")
			if vm := map[int]string{1: ids["live4"], 2: ids["para3"]}[host]; err == nil && !p.knows("evenkeel_vm_network_receive_bytes_total", vm) {
				err = fmt.Errorf("nothing of %s", vm)
			}
			return err
		})
	}
	t.Run("a page", func(t *testing.T) { xenTells(t, ids) })
	t.Run("a migration", func(t *testing.T) { xenMigrates(t, ids["live4"]) })
	t.Run("a reboot", func(t *testing.T) { xenReboots(t, ids["para3"]) })
	t.Run("what a person asks for", xenActs)
}

// xenActs asks evenkeel for each kind of action that libvirt can do on Xen, and for those that it cannot, which is said before.
func xenActs(t *testing.T) {
	text := "cluster: xen\nhosts:\n"
	for host := 1; host <= xenHosts; host++ {
		text += fmt.Sprintf("  - {name: xen%d, uri: %q, migration_uri: %q, exporter: %q}\n", host, xenURI(t, host), fmt.Sprintf("xen+tcp://xen%d/system", host), xenPort(host))
	}
	text += "shared_storage: [vms]\nscrape: {interval: 3s, timeout: 3s}\nanalysis: {interval: 3s, window: 15s, max_data_age: 15s, migration_threshold: 1}\nmigration: {tls: off, timeout: 3m}\nautomation: {shutdown_timeout: 90s}\n"
	s := server(t, text)
	is := func(host int, vm, want string) {
		t.Helper()
		if got, err := virsh(host, "domstate", vm); err != nil || got != want {
			t.Errorf("%s on host %d is %q (%v), want %s", vm, host, got, err, want)
		}
	}
	s.knows("live4", cluster.VMRunning)
	s.knows("para3", cluster.VMRunning)
	for _, refused := range [][]string{
		{"libvirt cannot reset a domain on Xen", "vm", "reset", "live4"}, {"libvirt cannot copy the disks of a running domain on Xen", "migrate", "live4", "--storage", "default"},
		{"it is a paravirtual guest", "migrate", "para3", "--to", "xen1"},
	} {
		if out, err := s.cli(refused[1:]...); err == nil || !strings.Contains(out, refused[0]) {
			t.Errorf("%v: %v %s", refused[1:], err, out)
		}
	}
	mustCLI(t, s, "vm", "suspend", "live4")
	is(2, "live4", "paused")
	s.knows("live4", cluster.VMPaused)
	mustCLI(t, s, "vm", "resume", "live4")
	s.knows("live4", cluster.VMRunning)
	// The exporters here read from afar and cannot see the hosts' bridges, so that no host is known to have the guest's network. A guest that has
	// just been resumed may not answer yet, which is refused before.
	eventually(t, 60*time.Second, "the migration to be refused for its network", func() error {
		out, err := s.cli("migrate", "live4", "--to", "xen1")
		if err == nil {
			t.Fatal("it is migrated to where its network is not known to be: " + out)
		}
		if !strings.Contains(out, "xen1 does not reach network xenbr0") {
			return errors.New(out)
		}
		return nil
	})
	s.knows("live4", cluster.VMRunning)
	t.Log(mustCLI(t, s, "vm", "shutdown", "live4"))
	is(2, "live4", "shut off")
	s.knows("live4", cluster.VMShutoff)
	t.Log(mustCLI(t, s, "vm", "start", "live4"))
	is(2, "live4", "running")
}

// What Xen gives is there, what it cannot give is absent, and the documentation says which is which.
func xenTells(t *testing.T, ids map[string]string) {
	on := documentedOn(t)
	for host, vm := range map[int]string{1: ids["live4"], 2: ids["para3"]} {
		p, _ := xenPage(t, host)
		for series, v := range p {
			name, _, _ := strings.Cut(series, "{")
			if strings.HasPrefix(name, "evenkeel_") && name != "evenkeel_build_info" && !strings.Contains(on[name], "Xen") {
				t.Errorf("%s is there and documented as given on %q", series, on[name])
			}
			if strings.HasPrefix(series, "evenkeel_scrape_collector_success{") && v != 1 {
				t.Errorf("%s is %v", series, v)
			}
			if strings.Contains(series, "Domain-0") || strings.Contains(series, "00000000-0000-0000-0000-000000000000") {
				t.Errorf("Domain-0 passes for a VM: %s", series)
			}
		}
		for _, metric := range []string{"evenkeel_vm_info", "evenkeel_vm_cpu_seconds_total", "evenkeel_vm_vcpu_seconds_total", "evenkeel_vm_memory_bytes", "evenkeel_vm_memory_balloon_bytes",
			"evenkeel_vm_block_read_bytes_total", "evenkeel_vm_block_errors_total", "evenkeel_vm_network_receive_bytes_total", "evenkeel_vm_cpu_shares", "evenkeel_vm_movable",
			"evenkeel_vm_persistent", "evenkeel_vm_events_total", "evenkeel_vm_hypervisor_up"} {
			eventually(t, 20*time.Second, fmt.Sprintf("%s on host %d", metric, host), func() error { // a domain that is held up tells the rest later
				if p, _ := xenPage(t, host); !p.knows(metric, vm) {
					return errors.New("it is not there")
				}
				return nil
			})
		}
		name := fmt.Sprintf("xen%d", host)
		for series, least := range map[string]float64{
			`evenkeel_host_cpus{host="` + name + `"}`: 1, `evenkeel_host_memory_bytes{host="` + name + `"}`: 1 << 30, `evenkeel_host_memory_free_bytes{host="` + name + `"}`: 1 << 20,
			`evenkeel_host_control_domain_cpu_seconds_total{host="` + name + `"}`: .1, `evenkeel_host_control_domain_memory_bytes{host="` + name + `"}`: 1 << 28,
		} {
			if v, ok := p[series]; !ok || v < least {
				t.Errorf("%s is %v (%v)", series, v, ok)
			}
		}
	}
}

// The target lists a domain that comes in as one that is shut off, and the source goes on to list it
// for a while. It must be one VM all the time, its counters must not run backwards, and what waits for
// the migration must not hold up the scrapes.
func xenMigrates(t *testing.T, vm string) {
	var hosts []hypervisor.Host
	for host := 1; host <= xenHosts; host++ {
		hosts = append(hosts, hypervisor.Host{Name: fmt.Sprintf("xen%d", host), URI: xenURI(t, host), MigrationURI: fmt.Sprintf("xen+tcp://xen%d/system", host)})
	}
	driver := hypervisor.New(hosts, hypervisor.Options{TLS: hypervisor.TLSOff, Timeout: 4 * time.Minute})
	defer driver.Close()
	move := cluster.Action{Kind: cluster.Migrate, VM: vm, Name: "live4", From: "xen1", To: "xen2"}
	done := make(chan error, 1)
	var looked atomic.Int32
	go func() { done <- driver.Act(ctx(), move, func(cluster.Progress) { looked.Add(1) }) }()
	highest := map[string]float64{}
	for running := true; running; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		case <-time.After(time.Second):
		}
		places := 0
		for host := 1; host <= xenHosts; host++ {
			p, took := xenPage(t, host)
			if took > 7*time.Second {
				t.Errorf("a scrape of host %d took %s", host, took)
			}
			if p.knows("evenkeel_vm_info", vm) {
				places++
			}
			for series, v := range p {
				if strings.HasPrefix(series, "evenkeel_vm_") && strings.Contains(series, "_total{") {
					if key := fmt.Sprint(host, series); v < highest[key] {
						t.Errorf("host %d: %s ran backwards from %v to %v", host, series, highest[key], v)
					} else {
						highest[key] = v
					}
				}
			}
		}
		if places == 0 && running {
			t.Error("the VM is nowhere")
		}
		if places > 1 && !running {
			t.Error("the VM is on both hosts after its migration")
		}
	}
	if looked.Load() == 0 {
		t.Error("the driver told of no progress")
	}
	if seen := driver.Look(ctx(), move, []string{"xen1", "xen2"}); seen.RunsOn() != "xen2" || len(seen.Hosts) != 2 || seen.Hosts[1].Name != "live4" || seen.Hosts[1].Job {
		t.Errorf("the driver sees %+v", seen)
	}
	eventually(t, 20*time.Second, "the VM to be on its new host alone", func() error {
		source, _ := xenPage(t, 1)
		target, _ := xenPage(t, 2)
		if source.knows("evenkeel_vm_info", vm) || !target.knows("evenkeel_vm_info", vm) || !target.knows("evenkeel_vm_block_read_bytes_total", vm) {
			return fmt.Errorf("source %v, target %v", source.knows("evenkeel_vm_info", vm), target.knows("evenkeel_vm_info", vm))
		}
		return nil
	})
}

// A reboot is another domain under the same UUID; its events come in the wrong order.
func xenReboots(t *testing.T, vm string) {
	before, _ := xenPage(t, 2)
	if _, err := virsh(2, "reboot", "para3"); err != nil {
		t.Fatal(err)
	}
	started := fmt.Sprintf(`evenkeel_vm_events_total{event="started",vm=%q}`, vm)
	stopped := fmt.Sprintf(`evenkeel_vm_events_total{event="stopped",vm=%q}`, vm)
	eventually(t, 90*time.Second, "the guest to run again", func() error {
		p, _ := xenPage(t, 2)
		if p[started] < before[started]+1 || p[stopped] < before[stopped]+1 {
			return fmt.Errorf("started %v times, stopped %v times", p[started], p[stopped])
		}
		if p[fmt.Sprintf(`evenkeel_vm_state{state="running",vm=%q}`, vm)] != 1 {
			return errors.New("it does not run")
		}
		// The interface's device has another name in each life; its series has not.
		if _, ok := p[fmt.Sprintf(`evenkeel_vm_network_receive_bytes_total{interface="0",vm=%q}`, vm)]; !ok {
			return errors.New("its interface is not told of")
		}
		return nil
	})
}
