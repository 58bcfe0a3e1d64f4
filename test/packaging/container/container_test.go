// Package container makes the images with Debian's buildah and runs what is in them as a container would: as the image's user, with
// a root that is read only, without capabilities, in namespaces of its own. No registry is asked: the base is made by mmdebstrap.
// It needs root and says so loudly.
package container

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	root = "../../.."
	// cache keeps the Debian that was downloaded for the next time, and the images while the test runs: they are large for /tmp.
	cache = "/var/tmp/evenkeel-container"
)

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "FAIL: these tests make images and run them in namespaces, and need root: run make packaging-test, or go test -exec 'sudo -E'")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func attempt(t *testing.T, env []string, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, out, said.String())
	}
	return strings.TrimSpace(string(out)), err
}

func run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	out, err := attempt(t, env, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// builder is a buildah with a store of its own.
type builder struct {
	t     *testing.T
	flags []string
}

func (b builder) run(args ...string) string {
	b.t.Helper()
	return run(b.t, nil, "buildah", append(b.flags, args...)...)
}

// newBuilder returns one that has a Debian under the name that the Containerfile begins with.
func newBuilder(t *testing.T) builder {
	t.Helper()
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	debian := filepath.Join(cache, "debian-12.tar")
	if _, err := os.Stat(debian); err != nil {
		run(t, nil, "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "bookworm", debian+".new.tar")
		if err := os.Rename(debian+".new.tar", debian); err != nil {
			t.Fatal(err)
		}
	}
	store, err := os.MkdirTemp(cache, "store-")
	if err != nil {
		t.Fatal(err)
	}
	b := builder{t, []string{"--root", store + "/root", "--runroot", store + "/run", "--storage-driver", driver(t, store)}}
	t.Cleanup(func() {
		b.run("rm", "--all")
		b.run("rmi", "--all", "--force")
		_, _ = attempt(t, nil, "umount", store+"/root/overlay") // buildah mounts it onto itself
		if err := os.RemoveAll(store); err != nil {
			t.Error(err)
		}
	})
	b.run("from", "--name", "base", "scratch")
	b.run("add", "base", debian, "/")
	b.run("commit", "--rm", "base", "docker.io/library/debian:12")
	return b
}

// driver is overlay where the kernel has it for this directory; vfs, which copies every layer, works anywhere.
func driver(t *testing.T, dir string) string {
	t.Helper()
	for _, d := range []string{"l", "u", "w", "m"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	at := filepath.Join(dir, "m")
	if _, err := attempt(t, nil, "mount", "-t", "overlay", "overlay", "-o", fmt.Sprintf("lowerdir=%[1]s/l,upperdir=%[1]s/u,workdir=%[1]s/w", dir), at); err != nil {
		return "vfs"
	}
	run(t, nil, "umount", at)
	return "overlay"
}

// image is what an image says of itself.
type image struct {
	Docker struct {
		Architecture string
		Config       struct {
			User, WorkingDir     string
			Env, Entrypoint, Cmd []string
			Labels               map[string]string
			Volumes              map[string]struct{}
			Healthcheck          *struct{ Test []string }
		} `json:"config"`
	}
}

// contained runs a command as a container does. What it listens on is its own; wait before it is what to do in its namespaces first.
const contained = `set -eu
m=$1 etc=$2 user=$3; shift 3
mount --make-rprivate /
mount --bind "$m" "$m"
mount -o remount,bind,ro "$m"
mount -t proc proc "$m/proc"
mount --rbind /dev "$m/dev"
mount -t tmpfs tmpfs "$m/tmp"
mount -t tmpfs -o "uid=${user%:*},gid=${user#*:},mode=750" tmpfs "$m/var/lib/evenkeel"
mount --bind "$etc" "$m/etc/evenkeel"
ip link set lo up
exec chroot "$m" setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
`

// container is one that runs.
type container struct {
	t    *testing.T
	pid  string // of its first process
	user string
	env  []string
	root string
	log  string
}

func start(t *testing.T, b builder, name, etc string, args ...string) (container, image) {
	t.Helper()
	var is image
	if err := json.Unmarshal([]byte(b.run("inspect", "--type", "image", name)), &is); err != nil {
		t.Fatal(err)
	}
	at := b.run("mount", b.run("from", "--pull-never", name))
	c := is.Docker.Config
	if len(args) == 0 {
		args = c.Cmd
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	line := append([]string{"--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", "sh", "-c", contained, "sh", at, etc, c.User}, append(append([]string{"env", "-i"}, c.Env...), append(c.Entrypoint, args...)...)...)
	cmd := exec.Command("unshare", line...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	self := strconv.Itoa(cmd.Process.Pid)
	k := container{t: t, user: c.User, env: c.Env, root: at, log: log.Name()}
	t.Cleanup(func() {
		if pid, err := strconv.Atoi(k.pid); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL) // with all in its namespace; --kill-child ends with the change of the user
		} else {
			_ = cmd.Process.Kill()
		}
		_ = cmd.Wait() // it says that it was killed
		_ = log.Close()
	})
	k.eventually("the container to run its program", func() error {
		children, err := os.ReadFile(filepath.Join("/proc", self, "task", self, "children"))
		if err != nil {
			return err
		}
		k.pid = strings.TrimSpace(string(children))
		if comm, err := os.ReadFile(filepath.Join("/proc", k.pid, "comm")); err != nil || string(comm) != "tini\n" {
			return fmt.Errorf("the first process is %q: %w", comm, err)
		}
		return nil
	})
	return k, is
}

// attempt runs a command in the container as its user, as `podman exec` does.
func (k container) attempt(args ...string) (string, error) {
	k.t.Helper()
	uid, gid, _ := strings.Cut(k.user, ":")
	return attempt(k.t, nil, "nsenter", append(append([]string{"--target", k.pid, "--mount", "--pid", "--net", "--ipc", "--uts", "--root", "--", "setpriv", "--reuid", uid, "--regid", gid, "--clear-groups", "--no-new-privs", "--bounding-set=-all", "env", "-i"}, k.env...), args...)...)
}

func (k container) eventually(what string, try func() error) {
	k.t.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	said, _ := os.ReadFile(k.log)
	k.t.Fatalf("waited for %s in vain: %v\n%s", what, err, said)
}

// get asks with this machine's curl inside the container's network.
func (k container) get(url string) (string, error) {
	return attempt(k.t, nil, "nsenter", "--target", k.pid, "--net", "--", "curl", "-sSf", "--max-time", "10", url)
}

func TestTheImagesRun(t *testing.T) {
	said := strings.Fields(run(t, nil, root+"/bin/evenkeel", "--version"))
	version := strings.TrimPrefix(said[len(said)-1], "v")
	run(t, nil, root+"/packaging/release", version)
	b := newBuilder(t)
	names := strings.Fields(run(t, []string{"BUILDER_FLAGS=" + strings.Join(b.flags, " "), "BUILD_FLAGS=--isolation=chroot --network=host --pull=never"}, root+"/packaging/container/build", version))
	if want := []string{"localhost/evenkeel-server:" + version, "localhost/evenkeel-exporter:" + version}; strings.Join(names, " ") != strings.Join(want, " ") {
		t.Fatalf("packaging/container/build made %q, want %q", names, want)
	}

	etc := t.TempDir()
	if err := os.Chmod(etc, 0o755); err != nil {
		t.Fatal(err)
	}
	config := "hosts: [{name: host1, uri: 'qemu+tcp://192.0.2.1/system', exporter: '192.0.2.1:9177'}]\nmigration: {tls: 'off'}\n"
	if err := os.WriteFile(filepath.Join(etc, "evenkeel.yml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Run("server", func(t *testing.T) {
		k, is := start(t, b, names[0], etc)
		sound(t, k, is, version, "evenkeel")
		k.eventually("the server to answer", func() error { _, err := k.get("http://127.0.0.1:9178/-/healthy"); return err })
		k.eventually("its first pass", func() error { _, err := k.get("http://127.0.0.1:9178/-/ready"); return err })
		healthy(t, k, is)
		if out, err := k.attempt("evenkeel", "pause", "--reason", "to see whether the token is found"); err != nil {
			t.Errorf("the command line: %v %s", err, out)
		}
		if _, ok := is.Docker.Config.Volumes["/var/lib/evenkeel"]; !ok {
			t.Errorf("the volumes are %v", is.Docker.Config.Volumes)
		}
		for _, tool := range [][]string{{"fence_ipmilan", "--version"}, {"fence_redfish", "--version"}, {"ipmitool", "-V"}, {"ssh", "-G", "host1"}, {"test", "-s", "/etc/ssl/certs/ca-certificates.crt"}} {
			if out, err := k.attempt(tool...); err != nil {
				t.Errorf("%v %s", err, out)
			}
		}
	})
	t.Run("exporter", func(t *testing.T) {
		k, is := start(t, b, names[1], etc, "--libvirt.uri=test:///default")
		sound(t, k, is, version, "evenkeel-exporter")
		k.eventually("the exporter to answer", func() error {
			out, err := k.get("http://127.0.0.1:9177/metrics")
			if err == nil && !strings.Contains(out, "evenkeel_vm_state{") {
				err = fmt.Errorf("there is no VM in %.500s", out)
			}
			return err
		})
		healthy(t, k, is)
	})
}

// sound looks at what all images have in common.
func sound(t *testing.T, k container, is image, version, program string) {
	t.Helper()
	c := is.Docker.Config
	if uid, _, _ := strings.Cut(c.User, ":"); uid == "" || uid == "0" || uid == "root" {
		t.Errorf("the image's user is %q", c.User)
	}
	if c.Labels["org.opencontainers.image.version"] != version || len(c.Labels["org.opencontainers.image.revision"]) != 40 || c.Labels["org.opencontainers.image.title"] == "" {
		t.Errorf("the labels are %q", c.Labels)
	}
	if _, err := time.Parse(time.RFC3339, c.Labels["org.opencontainers.image.created"]); err != nil {
		t.Error(err)
	}
	want := run(t, nil, "sha256sum", root+"/bin/"+program)
	if got := run(t, nil, "sha256sum", filepath.Join(k.root, "usr/bin", program)); strings.Fields(got)[0] != strings.Fields(want)[0] {
		t.Errorf("%s in the image is another than the release's", program)
	}
	if out, err := k.attempt(program, "--version"); err != nil || !strings.HasSuffix(out, version) {
		t.Errorf("%s says %q: %v", program, out, err)
	}
	if out, err := k.attempt("touch", "/written"); err == nil {
		t.Errorf("the root can be written: the test tells nothing of one that cannot: %s", out)
	}
}

// healthy runs the image's health check, which must also be able to fail.
func healthy(t *testing.T, k container, is image) {
	t.Helper()
	check := is.Docker.Config.Healthcheck
	if check == nil || len(check.Test) < 2 || check.Test[0] != "CMD" {
		t.Fatalf("the health check is %+v", check)
	}
	if out, err := k.attempt(check.Test[1:]...); err != nil {
		t.Errorf("the health check fails: %v %s", err, out)
	}
	var other []string
	for _, word := range check.Test[1:] {
		other = append(other, strings.NewReplacer("/9178", "/9", "/9177", "/9").Replace(word))
	}
	if _, err := k.attempt(other...); err == nil {
		t.Error("the health check is content where nothing listens")
	}
}
