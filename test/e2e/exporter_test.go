package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// page is what an exporter published: the value of each series by its text, labels sorted.
type page map[string]float64

func scrapePage(url string) (page, time.Duration, error) {
	start := time.Now()
	body, err := get(url)
	took := time.Since(start)
	if err != nil {
		return nil, took, err
	}
	p := page{}
	for _, line := range strings.Split(body, "\n") {
		if at := strings.LastIndex(line, " "); at > 0 && !strings.HasPrefix(line, "#") {
			v, err := strconv.ParseFloat(line[at+1:], 64)
			if err != nil {
				return nil, took, fmt.Errorf("%q: %w", line, err)
			}
			p[line[:at]] = v
		}
	}
	return p, took, nil
}

func exporterURL(host int) string { return "http://" + fmt.Sprintf(labAddr, host) + ":9177/metrics" }

func mustScrape(t *testing.T, host int) page {
	t.Helper()
	p, _, err := scrapePage(exporterURL(host))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// of is the value of a VM's series, whose labels beside the VM are given as they stand on the page.
func (p page) of(t *testing.T, metric, vm string, labels ...string) (float64, bool) {
	t.Helper()
	id := uuid(t, vm)
	for series, v := range p {
		if !strings.HasPrefix(series, metric+"{") || !strings.Contains(series, fmt.Sprintf("vm=%q", id)) {
			continue
		}
		all := true
		for _, l := range labels {
			all = all && strings.Contains(series, l)
		}
		if all {
			return v, true
		}
	}
	return 0, false
}

var uuids sync.Map

func uuid(t *testing.T, vm string) string {
	t.Helper()
	if id, ok := uuids.Load(vm); ok {
		return id.(string)
	}
	for i := 1; i <= hosts; i++ {
		if out, err := hostlab("vir", fmt.Sprintf("host%d", i), "domuuid", vm); err == nil {
			uuids.Store(vm, strings.TrimSpace(out))
			return strings.TrimSpace(out)
		}
	}
	t.Fatalf("no host knows %s", vm)
	return ""
}

// qemu is the process of a VM.
func qemu(t *testing.T, vm string) int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err == nil && strings.HasPrefix(filepath.Base(strings.Split(string(text), "\x00")[0]), "qemu-system") && strings.Contains(string(text), "guest="+vm+",") {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatalf("%s has no process", vm)
	return 0
}

func TestTheExporterTellsWhatPeersDoNot(t *testing.T) {
	home(t)
	exporter(t, 1, "--collector.vm_dirty_rate.every=2s")
	vm := "e2e-a" // it writes 2 MB/s to its memory
	for what, enough := range map[string]func(p page) bool{
		"the guest agent answers": func(p page) bool { v, ok := p.of(t, "evenkeel_vm_guest_agent_up", vm); return ok && v == 1 },
		"the guest tells its name": func(p page) bool {
			_, ok := p.of(t, "evenkeel_vm_guest_info", vm, `hostname="`+vm+`"`)
			_, unknown := p.of(t, "evenkeel_vm_guest_info", vm, `kernel=""`)
			return ok && !unknown
		},
		"a dirty rate was sampled":                 func(p page) bool { v, ok := p.of(t, "evenkeel_vm_dirty_bytes_per_second", vm); return ok && v > 0 },
		"the guest tells what memory it could use": func(p page) bool { v, ok := p.of(t, "evenkeel_vm_memory_usable_bytes", vm); return ok && v > 1<<20 },
		"steal is told": func(p page) bool {
			v, ok := p.of(t, "evenkeel_vm_vcpu_steal_seconds_total", vm, `vcpu="0"`)
			return ok && v > 0
		},
		"nothing is being done to it": func(p page) bool { v, ok := p.of(t, "evenkeel_vm_migrating", vm); return ok && v == 0 },
		"its disk stands on no other": func(p page) bool {
			v, ok := p.of(t, "evenkeel_vm_disk_backing_depth", vm, `device="vda"`)
			return ok && v == 0
		},
		"it is movable": func(p page) bool { v, ok := p.of(t, "evenkeel_vm_movable", vm); return ok && v == 1 },
		"the host's CPU pressure is told": func(p page) bool {
			v, ok := p[`evenkeel_host_pressure_some_seconds_total{host="host1",resource="cpu"}`]
			return ok && v > 0
		},
		"the host's pools are told": func(p page) bool { return p[`evenkeel_storage_pool_capacity_bytes{host="host1",pool="ds1"}`] > 1<<20 },
		"the file system is asked": func(p page) bool {
			for series, v := range p {
				if strings.HasPrefix(series, "evenkeel_host_filesystem_size_bytes{") && v > 1<<20 {
					return true
				}
			}
			return false
		},
	} {
		eventually(t, 60*time.Second, what, func() error {
			if p := mustScrape(t, 1); !enough(p) {
				return fmt.Errorf("not yet")
			}
			return nil
		})
	}
	for series, v := range mustScrape(t, 1) {
		if strings.HasPrefix(series, "evenkeel_scrape_collector_success{") && v != 1 {
			t.Errorf("%s is %v", series, v)
		}
	}
}

// What a real host publishes must be as tidy as the page in the unit tests.
func TestARealPageIsTidy(t *testing.T) {
	home(t)
	exporter(t, 1)
	body, err := get(exporterURL(1))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(body)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool: %v: %s", err, out)
	}
	on := documentedOn(t)
	for series := range mustScrape(t, 1) {
		name, _, _ := strings.Cut(series, "{")
		if strings.HasPrefix(name, "evenkeel_") && name != "evenkeel_build_info" && on[name] == "" {
			t.Errorf("%s is not documented", name)
		}
	}
}

// The package runs the exporter as a user who may only look.
func TestWithoutTheRightToWriteItLooksAlone(t *testing.T) {
	home(t)
	addr := fmt.Sprintf(labAddr, 1) + ":9188"
	lab(t, "sh", "host1", "chmod", "0700", "/run/libvirt/libvirt-sock")
	defer lab(t, "sh", "host1", "chmod", "0777", "/run/libvirt/libvirt-sock")
	start(t, filepath.Join(root(), "test", "lab", "hostlab"), "sh", "host1", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
		binary(), "exporter", "--web.listen-address="+addr)
	url := "http://" + addr + "/metrics"
	eventually(t, 20*time.Second, "the exporter", func() error {
		p, _, err := scrapePage(url)
		if err != nil {
			return err
		}
		if p[`evenkeel_exporter_libvirt_up{uri="qemu:///system"}`] != 1 || p[`evenkeel_exporter_libvirt_read_only{uri="qemu:///system"}`] != 1 {
			return fmt.Errorf("up %v, read only %v", p[`evenkeel_exporter_libvirt_up{uri="qemu:///system"}`], p[`evenkeel_exporter_libvirt_read_only{uri="qemu:///system"}`])
		}
		for _, metric := range []string{"evenkeel_vm_memory_rss_bytes", "evenkeel_vm_cpu_info", "evenkeel_vm_migrating", "evenkeel_vm_events_total"} {
			if _, ok := p.of(t, metric, "e2e-a"); !ok {
				return fmt.Errorf("no %s", metric)
			}
		}
		for series := range p {
			if strings.HasPrefix(series, "evenkeel_vm_guest_agent_up") || strings.HasPrefix(series, "evenkeel_vm_dirty_bytes_per_second") {
				return fmt.Errorf("%s takes the right to write", series)
			}
		}
		return nil
	})
}

// One process that is stopped must not cost the others a single number, nor the scrape much time.
func TestAStoppedProcessHoldsUpNobody(t *testing.T) {
	home(t)
	exporter(t, 1)
	const stuck = "e2e-b"
	eventually(t, 20*time.Second, "a whole page", func() error {
		if v, ok := mustScrape(t, 1).of(t, "evenkeel_vm_hypervisor_up", stuck); !ok || v != 1 {
			return fmt.Errorf("%s does not answer: %v %v", stuck, v, ok)
		}
		return nil
	})
	pid := qemu(t, stuck)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }()
	for i := range 8 {
		p, took, err := scrapePage(exporterURL(1))
		if err != nil {
			t.Fatal(err)
		}
		if limit := 4 * time.Second; took > limit {
			t.Errorf("scrape %d took %s, the limit is %s", i, took, limit)
		}
		for _, other := range []string{"e2e-a", "e2e-c"} {
			for _, metric := range []string{"evenkeel_vm_memory_rss_bytes", "evenkeel_vm_block_read_bytes_total", "evenkeel_vm_vcpu_seconds_total", "evenkeel_vm_cpu_seconds_total"} {
				if _, ok := p.of(t, metric, other); !ok {
					t.Errorf("scrape %d has no %s of %s", i, metric, other)
				}
			}
		}
		if v, ok := p.of(t, "evenkeel_vm_hypervisor_up", stuck); !ok || v != 0 {
			t.Errorf("scrape %d: %s answers: %v %v", i, stuck, v, ok)
		}
		if v, ok := p.of(t, "evenkeel_vm_state", stuck, `state="running"`); !ok || v != 1 {
			t.Errorf("scrape %d: %s is not told to run", i, stuck)
		}
		time.Sleep(300 * time.Millisecond)
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "the process to answer again", func() error {
		p := mustScrape(t, 1)
		if v, ok := p.of(t, "evenkeel_vm_hypervisor_up", stuck); !ok || v != 1 {
			return fmt.Errorf("it does not: %v %v", v, ok)
		}
		if v := p[`evenkeel_exporter_libvirt_calls_hanging{uri="qemu:///system"}`]; v != 0 {
			return fmt.Errorf("%v calls hang", v)
		}
		return nil
	})
}

// Domains that are just being made or have just gone are no reason for a scrape to fail or to miss
// the others, and leave nothing behind.
func TestDomainsThatComeAndGoDisturbNobody(t *testing.T) {
	home(t)
	exporter(t, 1)
	stop := make(chan struct{})
	var made atomic.Int32
	var wg sync.WaitGroup
	for n := range 2 {
		wg.Go(func() {
			name := fmt.Sprintf("e2e-brief%d", n)
			file := filepath.Join(t.TempDir(), name+".xml")
			xml := fmt.Sprintf("<domain type='qemu'><name>%s</name><memory unit='MiB'>16</memory><vcpu>1</vcpu><os><type arch='x86_64'>hvm</type></os></domain>", name)
			if err := os.WriteFile(file, []byte(xml), 0o600); err != nil {
				t.Error(err)
				return
			}
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := hostlab("vir", "host1", "create", file); err == nil {
					made.Add(1)
					_, _ = hostlab("vir", "host1", "destroy", name)
				}
			}
		})
	}
	scrapes, bare := 0, 0
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); scrapes++ {
		p, took, err := scrapePage(exporterURL(1))
		if err != nil {
			t.Fatal(err)
		}
		if took > 4*time.Second {
			t.Errorf("a scrape took %s", took)
		}
		if p[`evenkeel_exporter_libvirt_up{uri="qemu:///system"}`] != 1 {
			t.Error("libvirt is told to be down")
		}
		whole := true
		for vm := range guests() {
			if _, ok := p.of(t, "evenkeel_vm_cpu_seconds_total", vm); !ok {
				t.Errorf("%s has no numbers", vm)
			}
			_, ok := p.of(t, "evenkeel_vm_memory_rss_bytes", vm)
			whole = whole && ok
		}
		if !whole {
			bare++
		}
	}
	if bare > scrapes/10 {
		t.Errorf("%d of %d scrapes had not all numbers", bare, scrapes)
	}
	close(stop)
	wg.Wait()
	t.Logf("%d scrapes, %d domains came and went", scrapes, made.Load())
	if made.Load() < 5 {
		t.Errorf("only %d domains came and went", made.Load())
	}
	for series := range mustScrape(t, 1) {
		if strings.Contains(series, "e2e-brief") {
			t.Errorf("%s is left", series)
		}
	}
}

func TestLibvirtdRestartsUnderTheExporter(t *testing.T) {
	home(t)
	exporter(t, 1)
	before := mustScrape(t, 1)
	lab(t, "kill-agent", "host1")
	if p := mustScrape(t, 1); p[`evenkeel_exporter_libvirt_up{uri="qemu:///system"}`] != 0 {
		t.Error("libvirtd is dead and told to be up")
	} else if _, ok := p[`evenkeel_host_load1{host="host1"}`]; !ok {
		t.Error("while libvirtd is dead, nothing is told of its host")
	}
	lab(t, "start-agent", "host1")
	bad := 0
	eventually(t, 20*time.Second, "libvirt to be up", func() error {
		if p := mustScrape(t, 1); p[`evenkeel_exporter_libvirt_up{uri="qemu:///system"}`] != 1 {
			bad++
			return fmt.Errorf("it is down")
		}
		return nil
	})
	if bad > 1 {
		t.Errorf("%d scrapes were bad after libvirtd was back", bad)
	}
	after := mustScrape(t, 1)
	for vm := range guests() {
		for _, metric := range []string{"evenkeel_vm_cpu_seconds_total", "evenkeel_vm_events_total", "evenkeel_vm_network_receive_bytes_total"} {
			was, _ := before.of(t, metric, vm)
			if is, ok := after.of(t, metric, vm); !ok || is < was {
				t.Errorf("%s of %s was %v and is %v", metric, vm, was, is)
			}
		}
	}
}

// A migration is told of while it goes on, disturbs no scrape and leaves nothing behind.
func TestAMigrationAsTheExportersSeeIt(t *testing.T) {
	home(t)
	exporter(t, 1, "--collector.vm_dirty_rate.every=1s")
	exporter(t, 2)
	const vm = "e2e-a"
	eventually(t, 60*time.Second, "a dirty rate", func() error {
		if _, ok := mustScrape(t, 1).of(t, "evenkeel_vm_dirty_bytes_per_second", vm); !ok {
			return fmt.Errorf("none yet")
		}
		return nil
	})
	if _, ok := mustScrape(t, 1).of(t, "evenkeel_vm_info", vm); !ok {
		t.Fatalf("%s is not on host1", vm)
	}
	done := make(chan error, 1)
	go func() {
		_, err := hostlab("vir", "host1", "migrate", "--live", "--unsafe", "--p2p", "--persistent", "--undefinesource", "--bandwidth", "8", vm, "qemu+tls://host2/system")
		done <- err
	}()
	var told, remaining bool
	var since float64
	highest := map[string]float64{}
	for running := true; running; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		default:
		}
		places := 0
		for host := 1; host <= 2; host++ {
			p, took, err := scrapePage(exporterURL(host))
			if err != nil || took > 4*time.Second {
				t.Fatalf("host%d: %v after %s", host, err, took)
			}
			if _, ok := p.of(t, "evenkeel_vm_info", vm); ok {
				places++
			}
			if v, ok := p.of(t, "evenkeel_vm_migrating", vm); ok && v == 1 {
				if now := float64(time.Now().Unix()); !told {
					told, since = true, now
				}
				// A sample may just have begun.
				if at, ok := p.of(t, "evenkeel_vm_dirty_rate_timestamp_seconds", vm); ok && at > since+3 {
					t.Errorf("a dirty rate was sampled %.0f s after the migration was told of", at-since)
				}
			}
			if v, ok := p.of(t, "evenkeel_vm_job_remaining_bytes", vm); ok && v > 0 {
				remaining = true
			}
			for series, v := range p {
				if !strings.HasPrefix(series, "evenkeel_vm_") || !strings.Contains(series, "_total{") {
					continue
				}
				key := fmt.Sprint(host, series)
				if v < highest[key] {
					t.Errorf("host%d: %s ran backwards from %v to %v", host, series, highest[key], v)
				}
				highest[key] = v
			}
		}
		if places > 1 {
			// Between the start at the target and the end at the source both hold it, for a moment.
			eventually(t, 3*time.Second, "the VM to leave host1", func() error {
				if _, still := mustScrape(t, 1).of(t, "evenkeel_vm_info", vm); still {
					return fmt.Errorf("%s is on %d hosts at once", vm, places)
				}
				return nil
			})
		}
	}
	if !told || !remaining {
		t.Errorf("the migration was told of: %v, what remained: %v", told, remaining)
	}
	for series := range mustScrape(t, 1) {
		if strings.Contains(series, uuid(t, vm)) {
			t.Errorf("host1 still has %s", series)
		}
	}
	eventually(t, 30*time.Second, "host2 to tell what the migration cost", func() error {
		p := mustScrape(t, 2)
		if v, ok := p.of(t, "evenkeel_vm_last_migration_downtime_seconds", vm); !ok || v <= 0 || v > 30 {
			return fmt.Errorf("downtime %v %v", v, ok)
		}
		if v, ok := p.of(t, "evenkeel_vm_last_migration_transferred_bytes", vm); !ok || v < 1<<20 {
			return fmt.Errorf("transferred %v %v", v, ok)
		}
		if v, ok := p.of(t, "evenkeel_vm_events_total", vm, `event="migrated-in"`); !ok || v != 1 {
			return fmt.Errorf("migrated in %v times (%v)", v, ok)
		}
		return nil
	})
}

// proxy passes a unix socket on to another until it is told to cut every connection.
type proxy struct {
	listener net.Listener
	mu       sync.Mutex
	open     []net.Conn
}

func newProxy(t *testing.T, to string) (*proxy, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l}
	t.Cleanup(func() { _ = l.Close(); p.cut() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("unix", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			p.mu.Lock()
			p.open = append(p.open, in, out)
			p.mu.Unlock()
			go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
			go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
		}
	}()
	return p, path
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		_ = c.Close()
	}
	p.open = nil
}

// A thousand lost connections must leave nothing behind: no goroutine, no descriptor, no memory.
func TestAThousandLostConnectionsLeaveNothingBehind(t *testing.T) {
	cut, socket := newProxy(t, filepath.Join(labDir(), "host3", "run", "libvirt", "libvirt-sock"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	start(t, binary(), "exporter", "--libvirt.uri=qemu+unix:///system?socket="+socket, "--web.listen-address="+addr, "--log.level=error")
	url := "http://" + addr + "/metrics"
	var p page
	eventually(t, 20*time.Second, "the exporter", func() error {
		var err error
		p, _, err = scrapePage(url)
		if err == nil && len(p) < 100 {
			err = fmt.Errorf("only %d series", len(p))
		}
		return err
	})
	const rounds, warm = 1000, 200
	var settled page
	bad := 0
	for i := range rounds {
		cut.cut()
		q, _, err := scrapePage(url)
		if err != nil {
			t.Fatal(err)
		}
		for series, v := range q {
			if strings.HasPrefix(series, "evenkeel_exporter_libvirt_up{") && v != 1 {
				bad++
			}
		}
		if i == warm {
			settled = q
		}
		p = q
	}
	time.Sleep(2 * time.Second)
	if p, _, err = scrapePage(url); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bad scrapes of %d; goroutines %v, then %v; descriptors %v, then %v; memory %v MiB, then %v MiB", bad, rounds, settled["go_goroutines"], p["go_goroutines"],
		settled["process_open_fds"], p["process_open_fds"], settled["process_resident_memory_bytes"]/(1<<20), p["process_resident_memory_bytes"]/(1<<20))
	for metric, slack := range map[string]float64{"go_goroutines": 20, "process_open_fds": 20, "process_resident_memory_bytes": 12 << 20} {
		if p[metric] > settled[metric]+slack {
			t.Errorf("%s was %v after %d rounds and is %v after %d", metric, settled[metric], warm, p[metric], rounds)
		}
	}
	if bad > rounds/100 {
		t.Errorf("%d scrapes were bad", bad)
	}
}
