package machine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/procfs"
)

func TestCPULists(t *testing.T) {
	for list, want := range map[string]int{"": 0, "0": 1, "0-3": 4, "0-3,8,10-11": 7, "3-0": -1, "a": -1, "1-": -1, ",": -1, "0-99999": -1} {
		got, err := parseCPUList(list)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %d, want %d", list, got, want)
		}
	}
}

func TestNamesOfMountPoints(t *testing.T) {
	for name, want := range map[string]string{`/a\040b`: "/a b", `/a\134040`: `/a\040`, `/a\04`: `/a\04`, `/a\999`: `/a\999`, `\`: `\`, `/a\012`: "/a\n"} {
		if got := unescape(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("0-3,8,10-11")
	f.Add("Node 0 MemTotal:  13592792 kB\nNode 0 MemFree:  8972328 kB\n")
	f.Add(`/var/lib/my\040images`)
	f.Add("hugepages-2048kB")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := parseCPUList(text); err == nil && n < 0 {
			t.Errorf("%d CPUs", n)
		}
		if total, free, err := parseNodeMemory(text); err == nil && (total < 0 || free < 0) {
			t.Errorf("%d of %d bytes free", free, total)
		}
		if n, ok := numbered(text, "hugepages-", "kB"); ok && n < 0 {
			t.Errorf("huge pages of %d kB", n)
		}
		if name := unescape(text); len(name) > len(text) || (!strings.Contains(text, `\`) && name != text) {
			t.Errorf("%q became %q", text, name)
		}
	})
}

// FuzzFiles gives procfs's readers, and what we make of their answers, any text in place of a file.
func FuzzFiles(f *testing.F) {
	for _, text := range []string{
		"cpu  10000 200 3000 500000 700 80 90 10 4000 50\nbtime 1\nprocs_running 3\n", "MemTotal: 1 kB\n\nMemFree:", "h\nh\neth0: 1 2 3\n",
		"27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n", "some avg10=5.25 avg60=6.69 avg300=15.21 total=3275715790\n", "0.42 1.5 2.5\n", "Y\n",
	} {
		f.Add(text)
	}
	files := []string{"proc/stat", "proc/meminfo", "proc/loadavg", "proc/pressure/cpu", "proc/net/dev", "proc/1/mountinfo", "proc/interrupts",
		"sys/devices/system/node/node0/meminfo", "sys/devices/system/edac/mc/mc0/ce_count", "sys/class/net/bonding_masters",
		"sys/class/net/eth0/device/x", "sys/class/net/eth0/speed", "sys/module/kvm_amd/parameters/nested"}
	dir := f.TempDir()
	for _, name := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			f.Fatal(err)
		}
	}
	r := New(Options{Proc: dir + "/proc", Sys: dir + "/sys"})
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		m := r.Read(t.Context())
		if len(m.Readings) != len(r.all()) {
			t.Errorf("%d readings", len(m.Readings))
		}
		mounts, err := fromProc(r, "1/mountinfo", func(f procfs.FS) ([]*procfs.MountInfo, error) { return f.GetProcMounts(1) })
		if err == nil {
			realMounts(mounts)
		}
	})
}
