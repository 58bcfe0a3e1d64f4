package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// recovering lets failures be dealt with by themselves, and nothing else.
const recovering = "automation: {level: manual, kinds: {restart: full, fence: full}}"

// swift are the settings for failures of these tests: everything at once.
const swift = "failures: {interval: 1s, confirm: 3s, max_heartbeat_age: 5s, grace: 0s, fence_after: 2s, back_off: 2s, definitions: 5s, take_autostart: true, quarantine: {failures: 0}}"

// becomes waits until the server says that of host3, and returns how long that took.
func (s *instance) becomes(verdict string, within time.Duration) time.Duration {
	s.t.Helper()
	begun := time.Now()
	eventually(s.t, within, "host3 to be "+verdict, func() error {
		list, err := s.client.Hosts(ctx())
		if err != nil || len(list) != hosts {
			return fmt.Errorf("%+v %v", list, err)
		}
		for _, h := range list {
			if h.Host != "host3" && h.Verdict != "alive" {
				s.t.Errorf("%s is %s: %s", h.Host, h.Verdict, h.Reason)
			}
			if h.Host == "host3" && h.Verdict != verdict {
				return fmt.Errorf("it is %+v", h)
			}
		}
		return nil
	})
	return time.Since(begun)
}

// each waits until the server says that of every host.
func (s *instance) each(t *testing.T, within time.Duration, what string, is func(cluster.HostWatch) bool) {
	t.Helper()
	eventually(t, within, "every host to be "+what, func() error {
		list, err := s.client.Hosts(ctx())
		if err != nil || len(list) != hosts {
			return fmt.Errorf("%+v %v", list, err)
		}
		for _, h := range list {
			if !is(h) {
				return fmt.Errorf("%+v is not", h)
			}
		}
		return nil
	})
}

// heard tells whether a host is alive by the word of both exporter and libvirt.
func heard(h cluster.HostWatch) bool {
	return h.Verdict == "alive" && h.Exporter == "yes" && h.Libvirt == "yes"
}

// shell has the agent of a guest run a line of shell, and does not wait for its end.
func shell(t *testing.T, vm, host, line string) {
	t.Helper()
	lab(t, "vir", host, "qemu-agent-command", "--timeout", "5", vm, fmt.Sprintf(`{"execute":"guest-exec","arguments":{"path":"/bin/sh","arg":["-c",%q]}}`, line))
}

// beat are the flags of an exporter with a heartbeat on the storage that the hosts share.
func beat(t *testing.T) []string {
	t.Helper()
	dir := filepath.Join(labDir(), "shared", "ds1", "heartbeat")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{"--heartbeat.dir=" + dir, "--heartbeat.interval=1s"}
}

// settled waits until these guests are on host3, and the server knows that and all that it takes to start them elsewhere.
func (s *instance) settled(t *testing.T, vms ...string) {
	t.Helper()
	for _, vm := range vms {
		if on := running(vm); len(on) == 1 && on[0] != "host3" {
			move(t, vm, on[0], "host3")
		}
	}
	s.becomes("alive", 20*time.Second)
	eventually(t, 20*time.Second, "the definitions", func() error {
		if n := s.metric("evenkeel_definitions_kept"); n != fmt.Sprint(len(guests())) {
			return fmt.Errorf("%s are kept", n)
		}
		return nil
	})
	eventually(t, 30*time.Second, "a snapshot with the guests", func() error {
		board, err := s.client.Board(ctx())
		for _, vm := range vms {
			if found := board.Snapshot.FindVMs(vm); len(found) != 1 || found[0].Host != "host3" || found[0].State != cluster.VMRunning || found[0].MemoryBytes == 0 {
				return fmt.Errorf("%v %v", found, err)
			}
		}
		return err
	})
}

// runs waits until the guests run, each on one of the hosts.
func runs(t *testing.T, within time.Duration, vms []string, on ...string) {
	t.Helper()
	for _, vm := range vms {
		eventually(t, within, vm, func() error {
			at := running(vm)
			if len(at) != 1 || !strings.Contains(strings.Join(on, " "), at[0]) {
				return fmt.Errorf("it runs on %v, want one of %v", at, on)
			}
			return nil
		})
	}
}

// alive waits until the guests run, each on one of the hosts, and answer.
func alive(t *testing.T, within time.Duration, vms []string, on ...string) {
	t.Helper()
	runs(t, within, vms, on...)
	for _, vm := range vms {
		if err := awaitAgent(vm, running(vm)[0]); err != nil {
			t.Error(err)
		}
	}
}

// What befalls hosts and guests, one after the other, and what is done about it. All the while somebody watches the disks.
func TestFailures(outer *testing.T) {
	t := outer // what the steps start stays for those after them
	home(t)
	flags := beat(t)
	first, second, third := exporter(t, 1, flags...), exporter(t, 2, flags...), exporter(t, 3, flags...)
	lab(t, "vir", "host1", "autostart", "e2e-a")
	s := server(t, fencedAll(t, config(quiet, recovering, swift)))
	watchDisks(t)
	eventually(t, 30*time.Second, "host1 not to start e2e-a by itself any more", func() error {
		if out := lab(t, "vir", "host1", "dominfo", "e2e-a"); !strings.Contains(strings.Join(strings.Fields(out), " "), "Autostart: disable") {
			return errors.New(out)
		}
		return nil
	})
	both, one := []string{"e2e-a", "e2e-b"}, []string{"e2e-a"}
	// back brings host3 back and wants nothing to be left there.
	back := func(t *testing.T, vms []string) {
		t.Helper()
		lab(t, "revive", "host3")
		exporter(outer, 3, flags...)
		for _, vm := range vms {
			eventually(t, 60*time.Second, "the old definition of "+vm+" to go", func() error {
				if out, err := hostlab("vir", "host3", "domstate", vm); err == nil {
					return fmt.Errorf("host3 still knows it: %s", out)
				}
				return nil
			})
		}
		alive(t, 10*time.Second, vms, "host1", "host2")
	}
	steps := []struct {
		name string
		vms  []string // on host3
		does func(t *testing.T, since time.Time)
	}{
		{"the exporter dies, and comes back", one, func(t *testing.T, since time.Time) {
			third.end(syscall.SIGTERM)
			s.becomes("exporter-lost", 20*time.Second)
			third = exporter(outer, 3, flags...)
			s.becomes("alive", 20*time.Second)
			s.nothing(t, since)
		}},
		{"all exporters die at once, and come back", one, func(t *testing.T, since time.Time) {
			for _, p := range []*process{first, second, third} {
				p.end(syscall.SIGKILL)
			}
			s.each(t, 20*time.Second, "exporter-lost", func(h cluster.HostWatch) bool {
				return h.Verdict == "exporter-lost" && h.Exporter == "no" && h.Libvirt == "yes"
			})
			time.Sleep(3 * time.Second)
			s.each(t, time.Second, "exporter-lost", func(h cluster.HostWatch) bool { return h.Verdict == "exporter-lost" })
			for i := range hosts {
				exporter(outer, i+1, flags...)
			}
			s.each(t, 20*time.Second, "alive", heard)
			s.nothing(t, since)
		}},
		{"the storage takes a host's heartbeat no longer: it lives by all other signs", one, func(t *testing.T, since time.Time) {
			dir := filepath.Join(labDir(), "shared", "ds1", "heartbeat")
			lab(t, "sh", "host3", "/bin/sh", "-c", "mount --bind "+dir+" "+dir+" && mount -o remount,bind,ro "+dir)
			mend := sync.OnceFunc(func() { lab(t, "sh", "host3", "umount", "-l", dir) })
			defer mend()
			beats := func(third string) {
				t.Helper()
				s.each(t, 20*time.Second, "alive, and the heartbeat of host3 "+third, func(h cluster.HostWatch) bool {
					return heard(h) && (h.Heartbeat == "yes" && h.Host != "host3" || h.Heartbeat == third && h.Host == "host3")
				})
			}
			beats("no")
			time.Sleep(3 * time.Second)
			beats("no")
			mend()
			beats("yes")
			s.nothing(t, since)
			alive(t, 10*time.Second, one, "host3")
		}},
		{"libvirtd dies, its guests live on", one, func(t *testing.T, since time.Time) {
			lab(t, "kill-agent", "host3")
			s.becomes("libvirt-lost", 20*time.Second)
			time.Sleep(5 * time.Second)
			lab(t, "start-agent", "host3")
			s.becomes("alive", 30*time.Second)
			time.Sleep(3 * time.Second)
			s.nothing(t, since)
			alive(t, 10*time.Second, one, "host3")
		}},
		{"the management network is cut: its guests live, so nothing is turned off or started", one, func(t *testing.T, since time.Time) {
			lab(t, "cut", "host3", "mgmt")
			defer lab(t, "heal", "host3", "mgmt")
			s.becomes("isolated", 30*time.Second)
			time.Sleep(7 * time.Second)
			s.nothing(t, since)
			if out := mustCLI(t, s, "failures"); !strings.Contains(out, "mend its network") || !strings.Contains(out, "NEEDS YOU") {
				t.Errorf("evenkeel failures says\n%s", out)
			}
			lab(t, "heal", "host3", "mgmt")
			s.becomes("alive", 30*time.Second)
			alive(t, 10*time.Second, one, "host3")
		}},
		{"a process is killed and starts again where it was; what a person shut down stays down", both, func(t *testing.T, since time.Time) {
			lab(t, "kill-vm", "host3", "e2e-a")
			alive(t, 60*time.Second, one, "host3")
			lab(t, "vir", "host3", "shutdown", "e2e-b", "--mode", "agent")
			defer lab(t, "vir", "host3", "start", "e2e-b")
			eventually(t, 60*time.Second, "e2e-b to be off", func() error {
				if on := running("e2e-b"); len(on) > 0 {
					return fmt.Errorf("it runs on %v", on)
				}
				return nil
			})
			time.Sleep(6 * time.Second)
			if on := running("e2e-b"); len(on) > 0 {
				t.Errorf("what a person shut down was started on %v", on)
			}
			if n := len(s.since(t, since)); n != 1 {
				t.Errorf("%d actions: %s", n, mustCLI(t, s, "history"))
			}
		}},
		{"a disk has no room: its guest is resumed until there is some", one, func(t *testing.T, since time.Time) {
			const dir, disk = "/run/small", "/run/small/disk.qcow2"
			xml := filepath.Join(t.TempDir(), "disk.xml")
			writeFile(t, xml, "<disk type='file' device='disk'><driver name='qemu' type='qcow2' error_policy='stop'/><source file='"+disk+"'/><target dev='vdb' bus='virtio'/></disk>")
			lab(t, "sh", "host3", "/bin/sh", "-c", "mkdir -p "+dir+" && mount -t tmpfs -o size=2m small "+dir+" && qemu-img create -q -f qcow2 "+disk+" 16M")
			defer lab(t, "sh", "host3", "umount", "-l", dir)
			lab(t, "vir", "host3", "attach-device", "e2e-a", xml, "--live")
			defer lab(t, "vir", "host3", "detach-disk", "e2e-a", "vdb", "--live")
			shell(t, "e2e-a", "host3", "until [ -e /dev/vdb ]; do sleep 1; done; dd if=/dev/urandom of=/dev/vdb bs=64k count=128 && sync")
			eventually(t, 20*time.Second, "two tries in vain", func() error {
				state, told := must(hostlab("vir", "host3", "domstate", "--reason", "e2e-a")), mustCLI(t, s, "failures")
				if state != "paused (I/O error)" || !strings.Contains(told, "it was resumed 2 times and its storage is not back") {
					return fmt.Errorf("it is %s, and what waits is\n%s", state, told)
				}
				return nil
			})
			lab(t, "sh", "host3", "mount", "-o", "remount,size=32m", dir)
			alive(t, 30*time.Second, one, "host3")
			eventually(t, 20*time.Second, "all that the guest writes to be on the disk", func() error {
				var kib int
				if _, err := fmt.Sscan(lab(t, "sh", "host3", "du", "-k", disk), &kib); err != nil || kib < 8<<10 {
					return fmt.Errorf("%d KiB are %v", kib, err)
				}
				return nil
			})
			s.inOrder(t, since, "resume e2e-a on host3")
			for _, c := range s.since(t, since) {
				if c.Recommendation.Action.String() != "resume e2e-a on host3" {
					t.Errorf("%s is %s", c.Recommendation.Action, c.State)
				}
			}
		}},
		{"guests panic, whose processes end and are kept: they start where they were", both, func(t *testing.T, since time.Time) {
			causes := map[string]string{"destroy": "vm_crashed", "preserve": "vm_panicked"}
			then := map[string]string{"e2e-a": "preserve", "e2e-b": "destroy"}
			for _, vm := range both {
				lab(t, "vir", "host3", "set-lifecycle-action", vm, "crash", then[vm], "--live", "--config")
				defer lab(t, "vir", "host3", "set-lifecycle-action", vm, "crash", "restart", "--live", "--config")
			}
			for _, vm := range both {
				shell(t, vm, "host3", "sleep 1; echo c > /proc/sysrq-trigger") // the agent has its second to answer
			}
			var done []cluster.Case
			eventually(t, 30*time.Second, "both to be started", func() error {
				if done = s.since(t, since); len(done) < len(both) {
					return fmt.Errorf("%d actions", len(done))
				}
				return nil
			})
			runs(t, 10*time.Second, both, "host3")
			for _, c := range done {
				vm := c.Recommendation.Action.Name
				s.inOrder(t, since, "start "+vm+" on host3")
				if because := c.Recommendation.Because[0].Detector; because != causes[then[vm]] {
					t.Errorf("%s was started because of %s, and libvirt's on_crash is %s", vm, because, then[vm])
				}
			}
			if n := len(s.since(t, since)); n != len(both) {
				t.Errorf("%d actions: %s", n, mustCLI(t, s, "history"))
			}
		}},
		{"the power is cut while it is disarmed: nothing is done before it is armed", both, func(t *testing.T, since time.Time) {
			mustCLI(t, s, "disarm", "--reason", "work on the network")
			if out := mustCLI(t, s, "status"); !strings.Contains(out, "DISARMED") {
				t.Errorf("status says\n%s", out)
			}
			lab(t, "kill", "host3", "power")
			t.Logf("a power cut is certain after %.1f s", s.becomes("dead", 30*time.Second).Seconds())
			time.Sleep(4 * time.Second)
			s.nothing(t, since)
			for _, metric := range []string{"evenkeel_vm_down_seconds{", "evenkeel_recovery_stuck{"} {
				if body, err := get(s.url + "/metrics"); err != nil || strings.Count(body, "\n"+metric) != len(both) {
					t.Errorf("the metrics do not tell of %d VMs (%s): %v", len(both), metric, err)
				}
			}
			mustCLI(t, s, "arm")
			alive(t, 60*time.Second, both, "host1", "host2")
			back(t, both)
		}},
		{"the kernel crashes: the host is turned off first", both, func(t *testing.T, since time.Time) {
			lab(t, "kill", "host3")
			alive(t, 90*time.Second, both, "host1", "host2")
			if err := hostIs("off", "down"); err != nil {
				t.Error(err)
			}
			s.inOrder(t, since, "turn host3 off", "start e2e-a on host")
			back(t, both)
		}},
		{"the host hangs: it is turned off, so that nothing thaws", one, func(t *testing.T, since time.Time) {
			lab(t, "freeze", "host3")
			alive(t, 90*time.Second, one, "host1", "host2")
			_, _ = hostlab("thaw", "host3") // what was turned off has nothing left to thaw
			back(t, one)
			s.inOrder(t, since, "turn host3 off", "start e2e-a on host", "take the definition of e2e-a away from host3")
		}},
		{"the BMC is dark as well: it takes a person's word", one, func(t *testing.T, since time.Time) {
			defer lab(t, "heal", "host3", "bmc")
			lab(t, "cut", "host3", "bmc")
			lab(t, "kill", "host3", "power")
			s.becomes("unproven", 40*time.Second)
			time.Sleep(7 * time.Second)
			for _, c := range s.since(t, since) {
				if c.Recommendation.Action.Kind != cluster.Fence || c.State == cluster.CaseDone {
					t.Errorf("%s is %s", c.Recommendation.Action, c.State)
				}
			}
			if out, err := command("fence", "confirm", "host3", "--server="+s.url); err == nil || !strings.Contains(out, "--yes") {
				t.Errorf("%v %s", err, out)
			}
			mustCLI(t, s, "fence", "confirm", "host3", "--yes", "--reason", "I pulled the plug")
			alive(t, 60*time.Second, one, "host1", "host2")
			eventually(t, 60*time.Second, "the end of what began while the BMC was dark", func() error {
				cases, err := s.client.Recommendations(ctx(), "running")
				if err == nil && len(cases) > 0 {
					err = fmt.Errorf("%s is under way: it would turn the host off when that is back", cases[0].Recommendation.Action)
				}
				return err
			})
			lab(t, "heal", "host3", "bmc")
			back(t, one)
		}},
		{"Prometheus dies: nothing can be decided, and what fell meanwhile starts when it is back", one, func(t *testing.T, _ time.Time) {
			dir := outer.TempDir()
			file := filepath.Join(dir, "prometheus.yml")
			writeFile(t, file, "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs: [{job_name: evenkeel-exporter, static_configs: [{targets: ['10.77.0.11:9177', '10.77.0.12:9177', '10.77.0.13:9177']}]}]\n")
			prometheus := func() *process {
				return start(outer, "prometheus", "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "tsdb"), "--web.listen-address=127.0.0.1:19092")
			}
			p := prometheus()
			s.end(syscall.SIGTERM)
			s.args = append(s.args, "--prometheus.url=http://127.0.0.1:19092")
			s.start()
			s.each(t, 20*time.Second, "alive", heard)
			s.settled(t, one...)
			since := time.Now()
			p.end(syscall.SIGKILL)
			cutOff := func(h cluster.HostWatch) bool {
				return h.Verdict == "alive" && h.Exporter == "unknown" && h.Libvirt == "yes"
			}
			s.each(t, 20*time.Second, "alive by libvirt alone", cutOff)
			lab(t, "kill-vm", "host3", "e2e-a")
			eventually(t, 10*time.Second, "e2e-a to be missed", func() error {
				body, err := get(s.url + "/metrics")
				if err == nil && !strings.Contains(body, "\nevenkeel_vm_down_seconds{") {
					err = errors.New("no VM is down")
				}
				return err
			})
			time.Sleep(3 * time.Second)
			s.each(t, time.Second, "alive by libvirt alone", cutOff)
			s.nothing(t, since)
			if on := running("e2e-a"); len(on) > 0 {
				t.Errorf("it was started on %v", on)
			}
			if out := mustCLI(t, s, "failures"); !strings.Contains(out, "is Prometheus reachable?") || !strings.Contains(out, "NEEDS YOU") {
				t.Errorf("evenkeel failures says\n%s", out)
			}
			prometheus()
			// Where host3 is scraped after the others there is no number of it yet, and another host is as good.
			starts := func() (done int) {
				for _, c := range s.since(t, since) {
					if c.Recommendation.Action.Kind == cluster.Start && c.State == cluster.CaseDone {
						done++
					}
				}
				return done
			}
			eventually(t, 60*time.Second, "e2e-a to be started", func() error {
				if starts() == 0 {
					return errors.New("it is not")
				}
				return nil
			})
			runs(t, 10*time.Second, one, "host1", "host2", "host3")
			for _, c := range s.since(t, since) {
				if kind := c.Recommendation.Action.Kind; kind != cluster.Start && kind != cluster.Forget {
					t.Errorf("%s is %s", c.Recommendation.Action, c.State)
				}
			}
			if n := starts(); n != 1 {
				t.Errorf("%d starts: %s", n, mustCLI(t, s, "history"))
			}
		}},
		{"two hosts at once: the guest of the lower class starts when the agent of the higher one's answers", both, func(t *testing.T, since time.Time) {
			s.reload(t, strings.Replace(s.text, "back_off: 2s,", "back_off: 2s, await_agent: 60s, priorities: {e2e-a: high, e2e-b: low},", 1))
			defer lab(t, "revive", "host2")
			defer lab(t, "revive", "host3")
			lab(t, "kill", "host2", "power")
			lab(t, "kill", "host3", "power")
			alive(t, 90*time.Second, one, "host1")
			if err := awaitAgent("e2e-a", "host1"); err != nil {
				t.Fatal(err)
			}
			answered := time.Now()
			alive(t, 90*time.Second, both, "host1")
			for _, c := range s.since(t, since) {
				begun := c.Outcome.Started
				if c.Recommendation.Action.Kind == cluster.Start && c.Recommendation.Action.Name == "e2e-b" && (begun.Before(answered.Add(-2*time.Second)) || begun.After(answered.Add(30*time.Second))) {
					t.Errorf("e2e-b was started at %s, the agent of e2e-a answered at %s", begun, answered)
				}
				t.Logf("%s began %s after the agent of e2e-a answered", c.Recommendation.Action, begun.Sub(answered))
			}
		}},
	}
	for _, step := range steps {
		if !t.Run(step.name, func(t *testing.T) {
			s.settled(t, step.vms...)
			step.does(t, time.Now())
		}) {
			t.Log(mustCLI(t, s, "history"))
			_, _ = hostlab("revive", "host3")
			return
		}
	}
}

// since lists what was done, or tried, since then.
func (s *instance) since(t *testing.T, since time.Time) []cluster.Case {
	t.Helper()
	cases, err := s.client.History(ctx(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(cases, func(c cluster.Case) bool { return c.Outcome == nil || c.Outcome.Started.Before(since) })
}

func (s *instance) nothing(t *testing.T, since time.Time) {
	t.Helper()
	for _, c := range s.since(t, since) {
		t.Errorf("%s is %s", c.Recommendation.Action, c.State)
	}
}

// inOrder wants actions that begin like these to have been done, each begun after the one before it.
func (s *instance) inOrder(t *testing.T, since time.Time, want ...string) {
	t.Helper()
	var last time.Time
	for _, w := range want {
		found := false
		for _, c := range s.since(t, since) {
			if strings.HasPrefix(c.Recommendation.Action.String(), w) && c.State == cluster.CaseDone {
				if found = true; c.Outcome.Started.Before(last) {
					t.Errorf("%s began before what should have come first: %s", w, mustCLI(t, s, "history"))
				}
				last = c.Outcome.Started
			}
		}
		if !found {
			t.Errorf("%s was not done: %s", w, mustCLI(t, s, "history"))
		}
	}
}
