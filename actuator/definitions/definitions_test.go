package definitions

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

const vncPassword = "vnc-s3cr3t"

// domain is a VM's definition as libvirt writes it, inactive and with its secrets.
func domain(name string, memory int) string {
	return fmt.Sprintf(`<domain type='kvm'>
  <name>%s</name>
  <memory unit='MiB'>%d</memory>
  <devices>
    <graphics type='vnc' port='-1' autoport='yes' passwd='%s'/>
  </devices>
</domain>
`, name, memory, vncPassword)
}

func at(minute int) time.Time { return time.Date(2026, 11, 24, 10, minute, 0, 0, time.UTC) }

func options(dir string) Options {
	return Options{Path: filepath.Join(dir, "definitions.db"), KeyFile: filepath.Join(dir, "definitions.key"), Keep: 3}
}

func opened(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// put keeps definitions that must be good and returns how many were new.
func put(t testing.TB, s *Store, d ...cluster.Definition) int {
	t.Helper()
	n, err := s.Put(d...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func numbers(ds []cluster.Definition) string {
	var list []string
	for _, d := range ds {
		list = append(list, fmt.Sprint(d.Version))
	}
	return strings.Join(list, " ")
}

func TestAVersionIsKeptWhenTheXMLChanged(t *testing.T) {
	s := opened(t, options(t.TempDir()))
	d := cluster.Definition{VM: "u1", Name: "web1", Host: "h1", At: at(0), XML: domain("web1", 1)}
	if n := put(t, s, d); n != 1 {
		t.Errorf("%d new, want 1", n)
	}
	again := d
	again.At = at(1)
	if n := put(t, s, again); n != 0 {
		t.Errorf("%d new, want 0", n)
	}
	moved := again
	moved.Host = "h2"
	if n := put(t, s, moved); n != 0 {
		t.Errorf("%d new, want 0", n)
	}
	got, err := s.Get("u1")
	if want := (cluster.Definition{VM: "u1", Name: "web1", Host: "h2", At: at(0), Version: 1, XML: d.XML}); err != nil || got != want {
		t.Errorf("%#v, %v, want %#v", got, err, want)
	}
	for i := 2; i <= 5; i++ {
		d.XML, d.At = domain("web1", i), at(i)
		if n := put(t, s, d); n != 1 {
			t.Errorf("%d new, want 1", n)
		}
	}
	all, err := s.Versions("u1")
	if err != nil || numbers(all) != "5 4 3" || all[0].XML != domain("web1", 5) || all[2].XML != domain("web1", 3) || !all[2].At.Equal(at(3)) {
		t.Errorf("%v, %v", all, err)
	}
	d.XML = domain("web1", 4) // back to what it was is a change as well
	if put(t, s, d); numbers(versions(t, s, "u1")) != "6 5 4" {
		t.Errorf("%s", numbers(versions(t, s, "u1")))
	}
}

func versions(t testing.TB, s *Store, vm string) []cluster.Definition {
	t.Helper()
	all, err := s.Versions(vm)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestWhatLibvirtMakesUpIsNoChange(t *testing.T) {
	s := opened(t, options(t.TempDir()))
	inactive := `<domain type='kvm'><name>a</name><devices><disk><source file='/a'/><alias name='ua-mine'/></disk></devices><seclabel type='static' model='dac'><label>1</label></seclabel></domain>`
	put(t, s, cluster.Definition{VM: "u", Name: "a", XML: inactive})
	for name, c := range map[string]struct {
		xml string
		new int
	}{
		"an ID":                 {strings.Replace(inactive, "type='kvm'>", "type='kvm' id='7'>", 1), 0},
		"blanks":                {strings.ReplaceAll(inactive, "><", ">\n  <"), 0},
		"an alias":              {strings.Replace(inactive, "</devices>", "<serial><alias name='serial0'/></serial></devices>", 1), 1},
		"an alias alone":        {strings.Replace(inactive, "</devices>", "<alias name='x'><deep/></alias></devices>", 1), 0},
		"a label of this start": {strings.Replace(inactive, "</domain>", "<seclabel type='dynamic'><label>c1,c2</label></seclabel></domain>", 1), 0},
		"a label that was set":  {strings.Replace(inactive, "<label>1", "<label>2", 1), 1},
		"a user's alias":        {strings.Replace(inactive, "ua-mine", "ua-other", 1), 1},
		"a disk's ID":           {strings.Replace(inactive, "<disk>", "<disk id='7'>", 1), 1},
		"a value":               {strings.Replace(inactive, "/a", "/b", 1), 1},
		"an element":            {strings.Replace(inactive, "<devices>", "<devices><rng/>", 1), 1},
	} {
		put(t, s, cluster.Definition{VM: "u", Name: "a", XML: inactive})
		if n := put(t, s, cluster.Definition{VM: "u", Name: "a", XML: c.xml}); n != c.new {
			t.Errorf("%s: %d new, want %d", name, n, c.new)
		}
	}
}

func TestWhatCannotBeKeptDoesNotHoldUpTheOthers(t *testing.T) {
	s := opened(t, options(t.TempDir()))
	n, err := s.Put(
		cluster.Definition{VM: "bad1", Name: "cut", XML: domain("cut", 1)[:60]},
		cluster.Definition{VM: "bad2", Name: "pool", XML: "<pool/>"},
		cluster.Definition{VM: "", Name: "nobody", XML: domain("nobody", 1)},
		cluster.Definition{VM: "bad3", Name: "empty"},
		cluster.Definition{VM: "good", Name: "web1", XML: domain("web1", 1)})
	for _, want := range []string{"cut (bad1) is no domain's XML", "it is a <pool>", `"nobody" has no UUID`, "empty (bad3)"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if strings.Contains(fmt.Sprint(err), vncPassword) {
		t.Errorf("the error tells a secret: %v", err)
	}
	if list, err := s.List(); n != 1 || err != nil || len(list) != 1 || list[0].VM != "good" {
		t.Errorf("%d new, %v, %v", n, list, err)
	}
}

func TestOneVMTwiceInACall(t *testing.T) {
	s := opened(t, options(t.TempDir()))
	d := cluster.Definition{VM: "u", Name: "a", Host: "h1", XML: domain("a", 1)}
	e, f := d, d
	e.XML, f.XML, f.Host = domain("a", 2), domain("a", 2), "h2"
	if n := put(t, s, d, e, f); n != 2 {
		t.Errorf("%d new, want 2", n)
	}
	if all := versions(t, s, "u"); numbers(all) != "2 1" || all[0].Host != "h2" || all[1].Host != "h1" {
		t.Errorf("%v", all)
	}
}

func TestForgetIsForOneVMAndForGood(t *testing.T) {
	s := opened(t, options(t.TempDir()))
	for _, vm := range []string{"u", "u1", "u2"} { // one is the beginning of the others
		put(t, s, cluster.Definition{VM: vm, Name: vm, XML: domain(vm, 1)}, cluster.Definition{VM: vm, Name: vm, XML: domain(vm, 2)})
	}
	if err := s.Forget("u1"); err != nil {
		t.Error(err)
	}
	for name, f := range map[string]func() error{
		"get":      func() error { _, err := s.Get("u1"); return err },
		"versions": func() error { _, err := s.Versions("u1"); return err },
		"forget":   func() error { return s.Forget("u1") },
	} {
		if err := f(); !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), "u1") {
			t.Errorf("%s: %v", name, err)
		}
	}
	list, err := s.List()
	if err != nil || len(list) != 2 || list[0].VM != "u" || list[1].VM != "u2" || list[0].XML != "" || numbers(versions(t, s, "u")) != "2 1" {
		t.Errorf("%v, %v", list, err)
	}
}

func TestADefinitionIsNeverPrintedWhole(t *testing.T) {
	d := cluster.Definition{VM: "u", Name: "a", XML: domain("a", 1)}
	text, err := json.Marshal(d)
	for _, said := range []string{string(text), fmt.Sprintf("%v %+v %#v %s", d, d, &d, []cluster.Definition{d})} {
		if err != nil || strings.Contains(said, vncPassword) {
			t.Errorf("%s, %v", said, err)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	s := opened(t, options(t.TempDir()))
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 10 {
				vm := fmt.Sprintf("u%d", (w+i)%4)
				if _, err := s.Put(cluster.Definition{VM: vm, Name: vm, XML: domain(vm, w*100+i)}); err != nil {
					t.Error(err)
				}
				if _, err := s.Get(vm); err != nil {
					t.Error(err)
				}
				if _, err := s.List(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i := range 4 {
		if all := versions(t, s, fmt.Sprintf("u%d", i)); len(all) != 3 || all[0].Version != all[2].Version+2 {
			t.Errorf("%s", numbers(all))
		}
	}
}

// The store holds what a list in memory holds, also when it is closed and opened again in between.
func TestTheStoreIsAList(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		o := options(dir)
		s, err := Open(o)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		want := map[string][]int{}
		number := map[string]int{}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			vm := rapid.SampledFrom([]string{"a", "ab", "b"}).Draw(rt, "vm")
			switch rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0:
				if err := s.Forget(vm); (err == nil) != (len(want[vm]) > 0) {
					rt.Fatalf("forget %s: %v", vm, err)
				}
				delete(want, vm)
				delete(number, vm)
			case 1:
				if err := s.Close(); err != nil {
					rt.Fatal(err)
				}
				if s, err = Open(o); err != nil {
					rt.Fatal(err)
				}
			default:
				memory := rapid.IntRange(1, 3).Draw(rt, "memory")
				if _, err := s.Put(cluster.Definition{VM: vm, Name: vm, XML: domain(vm, memory)}); err != nil {
					rt.Fatal(err)
				}
				if list := want[vm]; len(list) == 0 || list[0] != memory {
					want[vm] = append([]int{memory}, list[:min(len(list), o.Keep-1)]...)
					number[vm]++
				}
			}
			for vm, list := range want {
				got, err := s.Versions(vm)
				if err != nil || len(got) != len(list) || got[0].Version != uint64(number[vm]) {
					rt.Fatalf("%s: %s, %v; want %v from %d", vm, numbers(got), err, list, number[vm])
				}
				for i, memory := range list {
					if got[i].XML != domain(vm, memory) {
						rt.Fatalf("%s: version %d is %s, want %d", vm, got[i].Version, got[i].XML, memory)
					}
				}
			}
		}
	})
}

func TestNothingSecretIsInTheFile(t *testing.T) {
	o := options(t.TempDir())
	s := opened(t, o)
	put(t, s, cluster.Definition{VM: "u", Name: "web1", XML: domain("web1", 1)})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(o.Path)
	if err != nil || !bytes.Contains(b, []byte("web1")) || bytes.Contains(b, []byte(vncPassword)) || bytes.Contains(b, []byte("<domain")) {
		t.Errorf("%v", err)
	}
	for file, want := range map[string]os.FileMode{o.Path: 0o600, o.KeyFile: 0o600} {
		if info, err := os.Stat(file); err != nil || info.Mode() != want {
			t.Errorf("%v, %v", info, err)
		}
	}
}

// raw changes the file's records past the store.
func raw(t *testing.T, o Options, f func(*bbolt.Bucket) error) {
	t.Helper()
	db, err := bbolt.Open(o.Path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(func(tx *bbolt.Tx) error { return f(tx.Bucket(versionsBucket())) }), db.Close()); err != nil {
		t.Fatal(err)
	}
}
