// Package deb installs the Debian packages for real: on a minimal Debian that booted
// with systemd, in namespaces and on an overlay in memory, so that nothing of this machine changes.
// It needs root and says so loudly.
package deb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	service = "evenkeel-exporter"
	config  = "/etc/default/evenkeel-exporter"
	// cache keeps the Debian that was downloaded for the next time.
	cache = "/var/tmp/evenkeel-deb"
	// maxExposure is what systemd-analyze may call the unit's exposure, of ten.
	maxExposure = 2.0
)

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "FAIL: these tests boot a Debian in namespaces and need root: run make deb-test, or go test -exec 'sudo -E'")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// run returns what a command says, and fails the test where the command fails.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := attempt(t, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

func attempt(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// built are the packages by name, each made once.
var built = map[string]func() (string, error){}

func init() {
	for _, name := range []string{service, server} {
		built[name] = sync.OnceValues(func() (string, error) { return build(name) })
	}
}

// build makes a package by make deb's own script and returns its path.
func build(name string) (string, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return "", err
	}
	out, err := exec.Command(filepath.Join(root, "packaging/debian/build"), name).Output()
	if err != nil {
		return "", fmt.Errorf("packaging/debian/build: %w: %s", err, out)
	}
	return filepath.Join(root, strings.TrimSpace(string(out))), nil
}

func deb(t *testing.T, name string) string {
	t.Helper()
	path, err := built[name]()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestVersionsSortAsTheyWereMade(t *testing.T) {
	described := []string{"04fe52e", "v1.2.3-rc.1", "v1.2.3-rc.1-4-g500c322", "v1.2.3", "v1.2.3-4-g500c322", "v1.2.3-10-g400c322-dirty", "v1.2.4"}
	before := "0.0.0"
	for _, d := range described {
		v := run(t, "../../packaging/debian/build", "version", d)
		if out, err := attempt(t, "dpkg", "--validate-version", v); err != nil {
			t.Errorf("%s became %s: %s", d, v, out)
		}
		if _, err := attempt(t, "dpkg", "--compare-versions", before, "lt", v); err != nil {
			t.Errorf("%s became %s, which does not sort after %s", d, v, before)
		}
		before = v
	}
}

func TestThePackages(t *testing.T) {
	for name, files := range map[string][]string{
		service: {`-rwxr-xr-x root/root .* \./usr/bin/evenkeel-exporter`},
		server: {`-rwxr-xr-x root/root .* \./usr/bin/evenkeel`, `drwxr-x--- root/root .* \./etc/evenkeel/`, `-rw-r----- root/root .* \./etc/evenkeel/evenkeel.yml`,
			`\./usr/share/man/man1/evenkeel.1.gz`, `\./usr/share/doc/evenkeel-server/configuration.md`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			isSound(t, name, files)
		})
	}
}

// One script makes both packages. The smaller one is made twice, which takes less time.
func TestAPackageIsMadeTheSameAgain(t *testing.T) {
	pkg := deb(t, service)
	first, err := os.ReadFile(pkg)
	if err != nil {
		t.Fatal(err)
	}
	if pkg, err = build(service); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(pkg); err != nil || !bytes.Equal(first, again) {
		t.Errorf("the same binary gave another package (%v)", err)
	}
}

// isSound looks at a package from outside.
func isSound(t *testing.T, name string, files []string) {
	t.Helper()
	pkg := deb(t, name)
	if out, err := attempt(t, "lintian", "--allow-root", "--fail-on", "error", "--tag-display-limit", "0", pkg); err != nil {
		t.Errorf("lintian finds errors:\n%s", out)
	}
	info, contents := run(t, "dpkg-deb", "--info", pkg), run(t, "dpkg-deb", "--contents", pkg)
	for _, want := range []string{"Package: " + name, "Architecture: amd64", "libvirt0 (>= 6.0)", "conffiles"} {
		if !strings.Contains(info, want) {
			t.Errorf("the package's control data lack %q:\n%s", want, info)
		}
	}
	for _, want := range append(files,
		`-rw-r--r-- root/root .* \./lib/systemd/system/`+name+`.service`, `-rw-r--r-- root/root .* \./etc/default/`+name, `\./usr/share/doc/`+name+`/copyright`,
		`\./usr/share/doc/`+name+`/licences-of-modules.gz`, `\./usr/share/doc/`+name+`/README.Debian`) {
		if !regexp.MustCompile(`(?m)^.*` + want + `$`).MatchString(contents) {
			t.Errorf("the package has no %s:\n%s", want, contents)
		}
	}
}

// debian returns a root directory with what is essential, systemd, and what the package depends on, no
// more: that it is enough is a part of what is tested. What a test itself needs there comes besides. It is downloaded once.
func debian(t *testing.T, pkg string, besides ...string) string {
	t.Helper()
	depends := besides
	for dep := range strings.SplitSeq(run(t, "dpkg-deb", "--field", pkg, "Depends"), ",") {
		depends = append(depends, strings.Fields(dep)[0])
	}
	slices.Sort(depends)
	include := strings.Join(append(depends, "systemd-sysv"), ",")
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		t.Fatal(err)
	}
	suite := regexp.MustCompile(`(?m)^VERSION_CODENAME=(\w+)$`).FindSubmatch(release)
	if suite == nil {
		t.Fatal("/etc/os-release names no release of Debian")
	}
	dir := filepath.Join(cache, fmt.Sprintf("%s-%x", suite[1], sha256.Sum256([]byte(include)))[:len(suite[1])+9])
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	fresh, err := os.MkdirTemp(cache, ".new-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(fresh) }) // it is gone already when all went well
	run(t, "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--format=directory", "--include="+include, string(suite[1]), fresh)
	if err := os.Rename(fresh, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// machine is a Debian that booted.
type machine struct {
	t   *testing.T
	pid string
}

// start boots a Debian with the package's file at /tmp/p.deb, and with these other packages of Debian.
func start(t *testing.T, pkg string, besides ...string) machine {
	t.Helper()
	var said bytes.Buffer
	root := debian(t, pkg, besides...)
	disk, err := os.MkdirTemp(cache, "disk-") // not in /tmp, which may be in memory
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(disk) })
	cmd := exec.Command("./boot", root, disk)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	self := strconv.Itoa(cmd.Process.Pid)
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // systemd, its child, is killed with it
		_ = cmd.Wait()         // it says that it was killed
		removeCgroups(t, "evenkeel-deb-"+self)
	})
	m := machine{t: t}
	m.eventually("systemd to come up", func() error {
		children, err := os.ReadFile(filepath.Join("/proc", self, "task", self, "children"))
		if m.pid = strings.TrimSpace(string(children)); err != nil || m.pid == "" {
			return fmt.Errorf("there is no first process: %w: %s", err, &said)
		}
		if comm, err := os.ReadFile(filepath.Join("/proc", m.pid, "comm")); err != nil || string(comm) != "systemd\n" {
			return fmt.Errorf("the first process is %s: %w: %s", comm, err, &said)
		}
		out, err := m.attempt("systemctl", "show", "--value", "--property=ActiveState", "multi-user.target")
		if out != "active" {
			return fmt.Errorf("%s: %w", out, err)
		}
		return nil
	})
	m.put(pkg, "/tmp/p.deb")
	return m
}

// put copies a file of this machine there.
func (m machine) put(file, to string) {
	m.t.Helper()
	in, err := os.Open(file)
	if err != nil {
		m.t.Fatal(err)
	}
	defer in.Close()
	cmd := exec.Command("nsenter", "--target", m.pid, "--all", "--", "dd", "of="+to, "status=none")
	cmd.Stdin = in
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("put %s there: %v: %s", to, err, out)
	}
}

// removeCgroups waits until the processes are gone, for a cgroup goes no sooner.
func removeCgroups(t *testing.T, name string) {
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Error(err)
		return
	}
	at := regexp.MustCompile(`(?m)^\S+ (\S+) cgroup2 `).FindSubmatch(mounts)
	if at == nil {
		return
	}
	top := filepath.Join(string(at[1]), name)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		out, _ := exec.Command("find", top, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";").CombinedOutput()
		if _, err := os.Stat(top); err != nil {
			return
		}
		if time.Now().After(end) {
			t.Errorf("cgroup %s stays: %s", top, out)
			return
		}
	}
}

func (m machine) attempt(args ...string) (string, error) {
	m.t.Helper()
	return attempt(m.t, "nsenter", append([]string{"--target", m.pid, "--all", "--", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}, args...)...)
}

func (m machine) run(args ...string) string {
	m.t.Helper()
	out, err := m.attempt(args...)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// shell runs a line of shell.
func (m machine) shell(line string) string {
	m.t.Helper()
	return m.run("sh", "-c", line)
}

func (m machine) want(want string, args ...string) {
	m.t.Helper()
	if got, _ := m.attempt(args...); got != want {
		m.t.Errorf("%s says %q, want %q\n%s", strings.Join(args, " "), got, want, m.journal())
	}
}

func (m machine) journal() string {
	out, _ := m.attempt("journalctl", "--no-pager", "--lines=30", "--unit", "evenkeel-*")
	return out
}

func (m machine) eventually(what string, try func() error) {
	m.t.Helper()
	var err error
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	m.t.Fatalf("waited for %s in vain: %v", what, err)
}

// scrape reads the metrics with this machine's curl, inside the other's network.
func (m machine) scrape() (string, error) {
	return attempt(m.t, "nsenter", "--target", m.pid, "--net", "--", "curl", "-sSf", "--max-time", "10", "http://127.0.0.1:9177/metrics")
}

func TestTheServiceRunsWhereItIsInstalled(t *testing.T) {
	m := start(t, deb(t, service))
	m.run("dpkg", "--install", "/tmp/p.deb")
	m.want("enabled", "systemctl", "is-enabled", service)
	m.want("active", "systemctl", "is-active", service)
	m.want("evenkeel-exporter", "sh", "-c", "stat -c %U /proc/$(systemctl show --value -p MainPID "+service+")")

	// What the administrator sets is what the service does, and an upgrade leaves it alone.
	m.shell(`printf 'ARGS="--libvirt.uri=test:///default --log.level=debug"\n' > ` + config)
	was := m.run("systemctl", "show", "--value", "--property=MainPID", service)
	m.run("dpkg", "--install", "/tmp/p.deb")
	if is := m.run("systemctl", "show", "--value", "--property=MainPID", service); is == was || is == "0" {
		t.Errorf("the upgrade did not restart the service: its process was %s and is %s", was, is)
	}
	var page string
	m.eventually("the metrics of the host and its libvirt", func() (err error) {
		if page, err = m.scrape(); err == nil && !strings.Contains(page, "evenkeel_host_filesystem_size_bytes{") {
			err = fmt.Errorf("no file system is measured yet")
		}
		if err != nil {
			return fmt.Errorf("%w: %s\n%s", err, page, m.journal())
		}
		return nil
	})
	check(t, page, m.run("sh", "-c", "[ -e /dev/kvm ] && echo 1 || echo 0"))

	// A service that dies comes back.
	m.run("systemctl", "kill", "--signal=KILL", service)
	m.eventually("the service to come back", func() error { _, err := m.scrape(); return err })

	// The group that the drop-in of the documentation gives opens what is libvirt's.
	dropIn := "/etc/systemd/system/" + service + ".service.d"
	m.shell("addgroup --quiet --system libvirt; echo > /run/secret; chgrp libvirt /run/secret; chmod 640 /run/secret; mkdir " + dropIn)
	for group, want := range map[string]string{"": "inactive", "SupplementaryGroups=libvirt": "active"} {
		m.shell(fmt.Sprintf("printf '[Service]\\nRestart=no\\nExecStartPre=/usr/bin/test -r /run/secret\\n%s\\n' > %s/group.conf; systemctl daemon-reload; systemctl restart %s || systemctl reset-failed %s", group, dropIn, service, service))
		m.want(want, "systemctl", "is-active", service)
	}
	m.shell("rm -r " + dropIn)

	exposure(t, m, service)
	purge(t, m)
}

// check looks for what the sandbox might have taken away.
func check(t *testing.T, page, kvm string) {
	t.Helper()
	for _, want := range []string{
		`evenkeel_exporter_libvirt_up{uri="test:///default"} 1`, `evenkeel_vm_info{`, `evenkeel_host_cpu_seconds_total{`,
		`evenkeel_host_memory_`, `evenkeel_host_pressure_`, `evenkeel_host_clock_synchronised`, `evenkeel_host_filesystem_size_bytes{`,
	} {
		if !strings.Contains(page, "\n"+want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if got := regexp.MustCompile(`(?m)^evenkeel_host_kvm_device\S* (\d)$`).FindStringSubmatch(page); got == nil || got[1] != kvm {
		t.Errorf("host_kvm_device is %v, want %s", got, kvm)
	}
	for _, line := range regexp.MustCompile(`(?m)^evenkeel_scrape_collector_success\{.*0$`).FindAllString(page, -1) {
		t.Errorf("a collector fails: %s", line)
	}
	for _, line := range regexp.MustCompile(`(?m)^evenkeel_host_filesystem_readonly\{.*1$`).FindAllString(page, -1) {
		t.Errorf("the sandbox is taken for the host: %s", line)
	}
}

// exposure asks systemd what it thinks of a unit.
func exposure(t *testing.T, m machine, service string) {
	t.Helper()
	if out, err := m.attempt("systemd-analyze", "verify", service+".service"); err != nil || out != "" {
		t.Errorf("systemd finds fault with the unit: %v: %s", err, out)
	}
	out := m.run("systemd-analyze", "security", "--no-pager", "--offline=true", service+".service")
	level := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(out)
	if level == nil {
		t.Fatalf("systemd-analyze tells no exposure:\n%s", out)
	}
	if n, err := strconv.ParseFloat(level[1], 64); err != nil || n >= maxExposure {
		t.Errorf("the unit's exposure is %s, want less than %.1f:\n%s", level[1], maxExposure, out)
	}
	t.Logf("the exposure of %s is %s", service, level[1])
}

func purge(t *testing.T, m machine) {
	t.Helper()
	m.run("dpkg", "--remove", service)
	if out, err := m.scrape(); err == nil {
		t.Errorf("it listens after it was removed: %s", out)
	}
	m.run("test", "-e", config) // the administrator's, until a purge
	m.run("dpkg", "--purge", service)
	m.want("", "sh", "-c", "find / -xdev -name '*evenkeel*' -not -path '/proc/*' -not -path '/var/log/*'; dpkg-query -W 2>/dev/null | grep "+service)
	m.want("", "sh", "-c", "getent passwd evenkeel-exporter; getent group evenkeel-exporter")
	m.want("inactive", "systemctl", "is-active", service)
}

func TestPolicyDecidesWhatStarts(t *testing.T) {
	m := start(t, deb(t, service))
	m.shell(`printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d`)
	m.run("dpkg", "--install", "/tmp/p.deb")
	m.want("enabled", "systemctl", "is-enabled", service)
	m.want("inactive", "systemctl", "is-active", service)
	m.shell("rm /usr/sbin/policy-rc.d; systemctl disable --quiet " + service)
	m.run("dpkg", "--install", "/tmp/p.deb")
	m.want("disabled", "systemctl", "is-enabled", service)
}
