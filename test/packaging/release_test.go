// Package packaging looks at what is handed to people besides Debian packages.
package packaging

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const root = "../.."

// run returns what a command says, and fails the test where the command fails.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestAReleaseIsTheSameWhoeverPacksIt(t *testing.T) {
	said := strings.Fields(run(t, root, "bin/evenkeel", "--version"))
	version := said[len(said)-1]
	at := run(t, root, "git", "log", "-1", "--format=%ct")
	tarball, err := filepath.Abs(filepath.Join(root, run(t, root, "packaging/release", version)))
	if err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(tarball)
	if err != nil {
		t.Fatal(err)
	}
	// A copy of the sources without git, another time zone, another umask, programs with other times.
	other := filepath.Join(t.TempDir(), "elsewhere")
	run(t, root, "cp", "-a", "--parents", "packaging", "bin/evenkeel", "bin/evenkeel-exporter", "LICENSE", "README.md", "docs", mkdir(t, other))
	run(t, other, "sh", "-c", "touch bin/*; umask 077; TZ=Asia/Tokyo SOURCE_DATE_EPOCH="+at+" packaging/release "+version)
	second, err := os.ReadFile(filepath.Join(other, "bin", filepath.Base(tarball)))
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("the same programs gave another tarball (%v)", err)
	}

	run(t, filepath.Join(root, "bin"), "sha256sum", "--check", "--strict", "SHA256SUMS")
	into := t.TempDir()
	run(t, root, "tar", "--extract", "--file", tarball, "--directory", into)
	dir := filepath.Join(into, strings.TrimSuffix(filepath.Base(tarball), ".tar.gz"))
	for _, program := range []string{"evenkeel", "evenkeel-exporter"} {
		if got := run(t, dir, "./"+program, "--version"); !strings.HasSuffix(got, " "+version) {
			t.Errorf("%s of the tarball says %q, want version %s", program, got, version)
		}
	}
	if got := run(t, dir, "cat", "VERSION"); got != strings.TrimPrefix(version, "v") {
		t.Errorf("VERSION is %q, want %q", got, version)
	}
	for _, file := range []string{"LICENSE", "README.md", "upgrading.md", "systemd/evenkeel-server.service", "systemd/evenkeel-exporter.service", "etc/evenkeel.yml"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Error(err)
		}
	}
}

func TestAReleaseIsOfItsVersion(t *testing.T) {
	out, err := exec.Command(filepath.Join(root, "packaging/release"), "v0.0.0-another").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "run make build") {
		t.Errorf("programs of another version were packed: %v: %s", err, out)
	}
}

func mkdir(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
