package packaging

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The programs for arm64 run, on an emulated processor with Debian's own C library for it.
func TestTheProgramsForArm64Run(t *testing.T) {
	said := strings.Fields(run(t, root, "bin/evenkeel", "--version"))
	version := said[len(said)-1]
	emulated := func(program string, args ...string) string {
		t.Helper()
		return run(t, root, "qemu-aarch64-static", append([]string{"-L", "/usr/aarch64-linux-gnu", program}, args...)...)
	}
	into := t.TempDir()
	run(t, root, "tar", "--extract", "--strip-components=1", "--file", run(t, root, "packaging/release", version, "arm64"), "--directory", into)
	for _, program := range []string{"evenkeel", "evenkeel-exporter"} {
		if got := emulated(filepath.Join(into, program), "--version"); !strings.HasSuffix(got, " "+version) {
			t.Errorf("%s says %q, want version %s", program, got, version)
		}
		if got := run(t, root, "file", "--brief", filepath.Join(into, program)); !strings.Contains(got, "aarch64") {
			t.Errorf("%s is %s", program, got)
		}
	}
	config := filepath.Join(into, "evenkeel.yml")
	for text, want := range map[string]string{
		"hosts: [{name: h, uri: 'qemu+tls://h/system', exporter: 'h:9177'}]\n":    "0",
		"hosts: [{name: h, uri: 'qemu+tls://h/system', exporters: ['h:9177']}]\n": "1",
	} {
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := run(t, root, "sh", "-c", "qemu-aarch64-static -L /usr/aarch64-linux-gnu "+into+"/evenkeel check-config "+config+" >/dev/null 2>&1; echo $?"); got != want {
			t.Errorf("check-config of %q ends with %s, want %s", text, got, want)
		}
	}

	for pkg, program := range map[string]string{"evenkeel-server": "evenkeel", "evenkeel-exporter": "evenkeel-exporter"} {
		other := filepath.Join(root, "bin", pkg+"_0.0.0+other_amd64.deb") // as make release has made it before
		if err := os.WriteFile(other, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		deb := run(t, root, "packaging/debian/build", pkg, version, "arm64")
		if err := os.Remove(other); err != nil {
			t.Errorf("the package for amd64 did not stay: %v", err)
		}
		if got := run(t, root, "dpkg-deb", "--field", deb, "Architecture"); got != "arm64" {
			t.Errorf("%s is for %s", deb, got)
		}
		unpacked := t.TempDir()
		run(t, root, "dpkg-deb", "--extract", deb, unpacked)
		if got := emulated(filepath.Join(unpacked, "usr/bin", program), "--version"); !strings.HasSuffix(got, " "+version) {
			t.Errorf("%s of %s says %q, want version %s", program, deb, got, version)
		}
	}
}

func TestTheAnsibleRoleHasNoLint(t *testing.T) {
	dir := filepath.Join(root, "packaging/ansible")
	run(t, dir, "ansible-playbook", "--syntax-check", "--inventory", "localhost,", "example.yml")
	run(t, dir, "ansible-lint", "--offline", "--strict", "--nocolor", "example.yml", "roles/evenkeel")
}
