// Package e2e runs the whole loop on real libvirt hosts: the lab's three, with real QEMU guests. It
// needs root and everything that test/install demo installs, and says so loudly where it is missing.
package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

const (
	hosts    = 3
	labAddr  = "10.77.0.1%d"
	guestMiB = "128"
)

// guests are all the guests of the lab with their load. They stand on host1 unless a test moves them.
func guests() map[string]string {
	return map[string]string{
		"e2e-a": "cpu=40,dirty=2,ws=48", "e2e-b": "cpu=30", "e2e-c": "cpu=20",
	}
}

func root() string {
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		panic(err)
	}
	return dir
}

func binary() string { return filepath.Join(root(), "bin", "evenkeel") }

func labDir() string {
	if dir := os.Getenv("HOSTLAB_DIR"); dir != "" {
		return dir
	}
	return "/var/tmp/hl"
}

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "FAIL: these tests make network namespaces and need root: run make e2e, or go test -exec 'sudo -E'")
		return 1
	}
	if _, err := os.Stat(binary()); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL: there is no binary: run make e2e, or make build first:", err)
		return 1
	}
	defer func() { fmt.Fprintln(os.Stderr, must(hostlab("down"))) }()
	if out, err := hostlab("up", fmt.Sprint(hosts)); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL: the lab does not come up:", err, out)
		return 1
	}
	if err := startGuests(); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		return 1
	}
	defer func() { _, _ = xenhost("down") }() // also when their test never came
	return m.Run()
}

func startGuests() error {
	must(hostlab("cpu", "host1", "max"))
	errs := make(chan error, len(guests()))
	for name, load := range guests() {
		go func() {
			_, err := hostlab("guest", name, "host1", guestMiB, "1", load)
			if err == nil {
				err = awaitAgent(name, "host1")
			}
			errs <- err
		}()
	}
	var all error
	for range guests() {
		all = errors.Join(all, <-errs)
	}
	must(hostlab("cpu", "host1", "100"))
	return all
}

func hostlab(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(root(), "test", "lab", "hostlab"), args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("hostlab %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

func must(out string, err error) string {
	if err != nil {
		return err.Error()
	}
	return out
}

func lab(t *testing.T, args ...string) string {
	t.Helper()
	out, err := hostlab(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func awaitAgent(vm, host string) error {
	deadline := time.Now().Add(2 * time.Minute)
	for {
		_, err := hostlab("vir", host, "qemu-agent-command", "--timeout", "5", vm, `{"execute":"guest-ping"}`)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the agent of %s on %s does not answer: %w", vm, host, err)
		}
		time.Sleep(300 * time.Millisecond)
	}
}

// running lists where a VM runs by the word of every host that answers.
func running(vm string) []string {
	var on []string
	for i := 1; i <= hosts; i++ {
		host := fmt.Sprintf("host%d", i)
		if out, err := hostlab("vir", host, "domstate", vm); err == nil && strings.HasPrefix(out, "running") {
			on = append(on, host)
		}
	}
	return on
}

func wantOn(t *testing.T, vm, host string) {
	t.Helper()
	if on := running(vm); len(on) != 1 || on[0] != host {
		t.Errorf("%s runs on %v, want %s alone", vm, on, host)
	}
	if err := awaitAgent(vm, host); err != nil {
		t.Error(err)
		inquest(t, vm)
	}
}

// inquest logs what each host and its exporter say of a VM with which something is wrong, and how busy this machine is.
func inquest(t *testing.T, vm string) {
	t.Helper()
	for i := 1; i <= hosts; i++ {
		host := fmt.Sprintf("host%d", i)
		for _, ask := range [][]string{{"domstate", "--reason", vm}, {"domjobinfo", vm}, {"domstats", "--vcpu", "--state", vm}, {"qemu-monitor-command", vm, "--hmp", "info status"}, {"qemu-monitor-command", vm, "--hmp", "info registers"}} {
			if out, err := hostlab(append([]string{"vir", host}, ask...)...); err == nil {
				t.Logf("%s, %s: %s", host, ask[0], tail(out, 40))
			}
		}
		if page, err := get("http://" + fmt.Sprintf(labAddr, i) + ":9177/metrics"); err == nil {
			for line := range strings.Lines(page) {
				if strings.HasPrefix(line, "evenkeel_vm_state{") || strings.HasPrefix(line, "evenkeel_vm_info{") {
					t.Logf("the exporter of %s: %s", host, line)
				}
			}
		}
		if console, err := os.ReadFile(filepath.Join(labDir(), host, "log", "qemu", vm+".console")); err == nil {
			t.Logf("%s, console: %s", host, tail(string(console), 10))
		}
	}
	for _, file := range []string{"/proc/loadavg", "/proc/pressure/cpu"} {
		if text, err := os.ReadFile(file); err == nil {
			t.Logf("%s: %s", file, text)
		}
	}
}

// move moves a VM by hand, as an operator would, past evenkeel.
func move(t *testing.T, vm, from, to string) {
	t.Helper()
	lab(t, "vir", from, "migrate", "--live", "--unsafe", "--p2p", "--persistent", "--undefinesource", vm, "qemu+tls://"+to+"/system")
}

// home brings every guest back to host1.
func home(t *testing.T) {
	t.Helper()
	for vm := range guests() {
		on := running(vm)
		if len(on) != 1 {
			t.Fatalf("%s runs on %v before the test", vm, on)
		}
		if on[0] != "host1" {
			move(t, vm, on[0], "host1")
		}
		revived(t, vm)
	}
}

// revived starts a guest anew that does not answer: what a test before did to it, or the emulator, is told there and is no matter of this one.
func revived(t *testing.T, vm string) {
	t.Helper()
	if _, err := hostlab("vir", "host1", "qemu-agent-command", "--timeout", "20", vm, `{"execute":"guest-ping"}`); err == nil {
		return
	}
	if err := awaitAgent(vm, "host1"); err == nil {
		return
	}
	t.Logf("%s DOES NOT ANSWER before the test, and is started anew", vm)
	inquest(t, vm)
	lab(t, "vir", "host1", "destroy", vm)
	lab(t, "vir", "host1", "start", vm)
	if err := awaitAgent(vm, "host1"); err != nil {
		t.Fatal(err)
	}
}

// process is a program that a test started. It ends with the test.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(name, args...), log: log, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = f, f
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the lab's shell is between us and an exporter
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		_ = f.Close()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.end(syscall.SIGTERM)
		if t.Failed() {
			text, _ := os.ReadFile(log)
			t.Logf("log of %s %s:\n%s", filepath.Base(name), strings.Join(args, " "), tail(string(text), 60))
		}
	})
	return p
}

func (p *process) end(sig syscall.Signal) {
	_ = syscall.Kill(-p.cmd.Process.Pid, sig)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
	}
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// exporter starts the exporter of a host, inside it, and waits until it tells of its VMs.
func exporter(t *testing.T, host int, more ...string) *process {
	t.Helper()
	addr := fmt.Sprintf(labAddr, host) + ":9177"
	p := start(t, filepath.Join(root(), "test", "lab", "hostlab"), append([]string{"sh", fmt.Sprintf("host%d", host), binary(), "exporter", "--web.listen-address=" + addr}, more...)...)
	eventually(t, 20*time.Second, "the exporter of host"+fmt.Sprint(host), func() error {
		body, err := get("http://" + addr + "/metrics")
		if err == nil && !strings.Contains(body, `evenkeel_exporter_libvirt_up{uri="qemu:///system"} 1`) {
			err = errors.New("libvirt is not up")
		}
		return err
	})
	return p
}

func exporters(t *testing.T) []*process {
	t.Helper()
	var list []*process
	for i := range hosts {
		list = append(list, exporter(t, i+1))
	}
	return list
}

func get(url string) (string, error) {
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, b)
	}
	return string(b), err
}

func eventually(t *testing.T, within time.Duration, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, within, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// instance is a server with its own data, which a test can kill and start again.
type instance struct {
	*process
	t        *testing.T
	dir, url string
	// text is its configuration as it was begun with.
	text     string
	args     []string
	client   *api.Client
	stranger *api.Client
}

// config is a configuration for the lab. Lines replace or add top-level keys.
func config(lines ...string) string {
	text := "cluster: lab\nhosts:\n"
	for i := 1; i <= hosts; i++ {
		addr := fmt.Sprintf(labAddr, i)
		text += fmt.Sprintf("  - {name: host%d, uri: %q, migration_uri: %q, exporter: %q}\n", i,
			"qemu+tls://"+addr+"/system?pkipath="+labDir()+"/pki/client", fmt.Sprintf("qemu+tls://host%d/system", i), addr+":9177")
	}
	keys := []string{
		"shared_storage: [ds1, ds2]",
		"scrape: {interval: 1s, timeout: 1s}",
		"analysis: {interval: 1s, window: 8s, max_data_age: 4s}",
		"migration: {tls: require, bandwidth: 64MiB, timeout: 1m, allow_unsafe: true}",
	}
	for _, line := range lines {
		key, _, _ := strings.Cut(line, ":")
		replaced := false
		for i, k := range keys {
			if strings.HasPrefix(k, key+":") {
				keys[i], replaced = line, true
			}
		}
		if !replaced {
			keys = append(keys, line)
		}
	}
	return text + strings.Join(keys, "\n") + "\n"
}

func server(t *testing.T, text string, more ...string) *instance {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "evenkeel.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &instance{t: t, dir: dir, text: text, url: "http://" + addr, args: append([]string{"server", "--config.file=" + file,
		"--storage.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + addr}, more...)}
	s.start()
	return s
}

func (s *instance) start() {
	s.t.Helper()
	s.process = start(s.t, binary(), s.args...)
	eventually(s.t, 30*time.Second, "the server", func() error {
		_, err := get(s.url + "/-/ready")
		return err
	})
	token, err := os.ReadFile(filepath.Join(s.dir, "data", "token"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.client, s.stranger = api.NewClient(s.url, strings.TrimSpace(string(token)), nil), api.NewClient(s.url, "guess", nil)
}

func ctx() context.Context { return context.Background() }

// open waits for open recommendations and returns them.
func (s *instance) open() []cluster.Case {
	s.t.Helper()
	var cases []cluster.Case
	eventually(s.t, 60*time.Second, "a recommendation", func() error {
		var err error
		if cases, err = s.client.Recommendations(ctx(), "open"); err != nil {
			return err
		}
		if len(cases) == 0 {
			board, err := s.client.Board(ctx())
			return fmt.Errorf("none yet: %s %v %v", board.Plan.StoppedBecause, board.Snapshot.Gaps, err)
		}
		return nil
	})
	return cases
}

func (s *instance) approve(id string) error {
	_, err := s.client.Approve(ctx(), id, "test")
	return err
}

// ended waits for the case to end and returns it.
func (s *instance) ended(id string, within time.Duration) cluster.Case {
	s.t.Helper()
	var c cluster.Case
	eventually(s.t, within, "the end of "+id, func() error {
		var err error
		if c, err = s.client.Recommendation(ctx(), id); err == nil && c.State.Pending() {
			err = fmt.Errorf("it is %s", c.State)
		}
		return err
	})
	return c
}

// await waits for the state.
func (s *instance) await(id string, want cluster.CaseState, within time.Duration) cluster.Case {
	s.t.Helper()
	var c cluster.Case
	eventually(s.t, within, "state "+want.String()+" of "+id, func() error {
		var err error
		if c, err = s.client.Recommendation(ctx(), id); err == nil && c.State != want {
			err = fmt.Errorf("it is %s", c.State)
		}
		return err
	})
	return c
}

// metric returns the value of one series of the server's own metrics.
func (s *instance) metric(series string) string {
	s.t.Helper()
	body, err := get(s.url + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, line := range strings.Split(body, "\n") {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return value
		}
	}
	return "absent"
}

// cli runs the binary against the server and returns what it prints.
func (s *instance) cli(args ...string) (string, error) {
	cmd := exec.Command(binary(), args...)
	cmd.Env = append(os.Environ(), "EVENKEEL_SERVER="+s.url, "EVENKEEL_TOKEN_FILE="+filepath.Join(s.dir, "data", "token"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// command runs the binary without a server.
func command(args ...string) (string, error) {
	out, err := exec.Command(binary(), args...).CombinedOutput()
	return string(out), err
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}
