package definitions

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

// filled makes a store of VMs u1 to u5 (web1 to web5) with two versions each and closes it.
func filled(t testing.TB, o Options) {
	t.Helper()
	s := opened(t, o)
	for i := 1; i <= 5; i++ {
		vm, name := fmt.Sprintf("u%d", i), fmt.Sprintf("web%d", i)
		put(t, s, cluster.Definition{VM: vm, Name: name, XML: domain(name, 1)}, cluster.Definition{VM: vm, Name: name, XML: domain(name, 2)})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedVersionIsNamedAndTheOthersRead(t *testing.T) {
	for name, damage := range map[string]func(b *bbolt.Bucket, k, v []byte) error{
		"a flipped byte of the XML": func(b *bbolt.Bucket, k, v []byte) error { v[len(v)-20] ^= 1; return b.Put(k, v) },
		"a flipped byte of the name": func(b *bbolt.Bucket, k, v []byte) error {
			v[bytes.Index(v, []byte(`"host"`))+1] ^= 1
			return b.Put(k, v)
		},
		"a flipped length":   func(b *bbolt.Bucket, k, v []byte) error { v[0] ^= 0x80; return b.Put(k, v) },
		"cut off":            func(b *bbolt.Bucket, k, v []byte) error { return b.Put(k, v[:len(v)/2]) },
		"cut to nothing":     func(b *bbolt.Bucket, k, _ []byte) error { return b.Put(k, []byte{1}) },
		"that of another VM": func(b *bbolt.Bucket, k, _ []byte) error { return b.Put(k, bytes.Clone(b.Get(key("u1", 2)))) },
		"an older one":       func(b *bbolt.Bucket, k, _ []byte) error { return b.Put(k, bytes.Clone(b.Get(key("u3", 1)))) },
		"by another key": func(b *bbolt.Bucket, k, _ []byte) error {
			aead, err := loadKey(filepath.Join(t.TempDir(), "other"), true)
			if err != nil {
				return err
			}
			r, err := (&Store{seal: aead}).sealed(cluster.Definition{VM: "u3", Name: "web3", Version: 2, XML: domain("web3", 2)})
			if err != nil {
				return err
			}
			return b.Put(k, r.Value)
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t.TempDir())
			filled(t, o)
			raw(t, o, func(b *bbolt.Bucket) error {
				k := key("u3", 2)
				return damage(b, k, bytes.Clone(b.Get(k)))
			})
			s := opened(t, o)
			if d, err := s.Get("u3"); err == nil || d.XML != "" || !strings.Contains(err.Error(), "version 2 of ") || !strings.Contains(err.Error(), "u3") {
				t.Errorf("%v, %v", d, err)
			}
			if all, err := s.Versions("u3"); err == nil || numbers(all) != "1" || all[0].XML != domain("web3", 1) {
				t.Errorf("%v, %v", all, err)
			}
			list, err := s.List()
			if len(list) != 4 || err == nil || strings.Count(err.Error(), "cannot be read") != 1 || !strings.Contains(err.Error(), "u3") {
				t.Errorf("%v, %v", list, err)
			}
			// What is seen again is kept behind the damaged one, and nothing is lost by that.
			if n := put(t, s, cluster.Definition{VM: "u3", Name: "web3", XML: domain("web3", 2)}); n != 1 {
				t.Errorf("%d new, want 1", n)
			}
			if d, err := s.Get("u3"); err != nil || d.Version != 3 {
				t.Errorf("%v, %v", d, err)
			}
		})
	}
}

func TestTheKey(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(t *testing.T, o Options)
		want   string
	}{
		{"missing", func(t *testing.T, o Options) { remove1(t, o.KeyFile) }, "is missing, and without it nothing in it can be read: bring it back from a backup"},
		{"another one", func(t *testing.T, o Options) {
			remove1(t, o.KeyFile)
			if _, err := makeKey(o.KeyFile); err != nil {
				t.Fatal(err)
			}
		}, "opens none of the 10 versions in it (version 1 of web1 (u1) cannot be read"},
		{"short", func(t *testing.T, o Options) { overwrite(t, o.KeyFile, "abcd") }, "does not hold 64 hexadecimal digits"},
		{"no key", func(t *testing.T, o Options) { overwrite(t, o.KeyFile, strings.Repeat("x", 64)) }, "does not hold 64 hexadecimal digits"},
		{"empty", func(t *testing.T, o Options) { overwrite(t, o.KeyFile, "") }, "is empty"},
		{"for everybody", func(t *testing.T, o Options) {
			if err := os.Chmod(o.KeyFile, 0o644); err != nil {
				t.Fatal(err)
			}
		}, "everybody on this machine may use it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options(t.TempDir())
			filled(t, o)
			c.change(t, o)
			before, _ := os.ReadFile(o.Path)
			if _, err := Open(o); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), o.Path) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if after, _ := os.ReadFile(o.Path); !bytes.Equal(before, after) {
				t.Error("the store was changed")
			}
			if _, err := os.Stat(o.KeyFile); c.name == "missing" && err == nil {
				t.Error("a key was made that opens nothing")
			}
		})
	}
}

func remove1(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAKeyThatIsThereIsUsedForAnEmptyStore(t *testing.T) {
	o := options(t.TempDir())
	overwrite(t, o.KeyFile, strings.Repeat("ab", keyLen)+"\n")
	filled(t, o)
	if b, _ := os.ReadFile(o.KeyFile); string(b) != strings.Repeat("ab", keyLen)+"\n" {
		t.Errorf("%s", b)
	}
	if list, err := opened(t, o).List(); err != nil || len(list) != 5 {
		t.Errorf("%v, %v", list, err)
	}
}

func TestWhatCannotBeOpened(t *testing.T) {
	o := options(t.TempDir())
	filled(t, o)
	s := opened(t, o)
	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "another process has it") {
		t.Errorf("%v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(o.Path, 5*4096); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "bring it back from a backup") {
		t.Errorf("%v", err)
	}
	o.Keep = 0
	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "give 1 or more") {
		t.Errorf("%v", err)
	}
}

// Bytes flipped anywhere in the file never end the program and never give a definition that was not kept.
func TestFlippedBytesAreErrors(t *testing.T) {
	o := options(t.TempDir())
	filled(t, o)
	good, err := os.ReadFile(o.Path)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		bad := bytes.Clone(good)
		for range rapid.IntRange(1, 3).Draw(rt, "flips") {
			bad[rapid.IntRange(0, len(bad)-1).Draw(rt, "at")] ^= byte(1 << rapid.IntRange(0, 7).Draw(rt, "bit"))
		}
		damaged := Options{Path: filepath.Join(dir, "definitions.db"), KeyFile: o.KeyFile, Keep: o.Keep}
		if err := os.WriteFile(damaged.Path, bad, 0o600); err != nil {
			rt.Fatal(err)
		}
		s, err := Open(damaged)
		if err != nil {
			return
		}
		for i := 1; i <= 5; i++ {
			vm, name := fmt.Sprintf("u%d", i), fmt.Sprintf("web%d", i)
			all, _ := s.Versions(vm)
			for _, d := range all {
				if d.XML != domain(name, int(d.Version)) || d.Name != name {
					rt.Fatalf("version %d of %s is %s", d.Version, vm, d.XML)
				}
			}
			_, _ = s.Put(cluster.Definition{VM: vm, Name: name, XML: domain(name, 9)})
		}
		_, _ = s.List()
		_ = guarded(s.Close)
	})
}

// A process that is killed while it writes leaves whole versions only: all that Put returned from.
func TestKilledWhileItWrites(t *testing.T) {
	if dir := os.Getenv("DEFINITIONS_CRASH"); dir != "" {
		s, err := Open(options(dir))
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; ; i++ {
			if _, err := s.Put(cluster.Definition{VM: "u", Name: "web", XML: domain("web", i)}); err != nil {
				t.Fatal(err)
			}
			fmt.Printf("kept %d\n", i)
		}
	}
	dir := t.TempDir()
	for range 3 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWhileItWrites$")
		cmd.Env = append(os.Environ(), "DEFINITIONS_CRASH="+dir)
		var out bytes.Buffer
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(400 * time.Millisecond)
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
		var last int
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if _, err := fmt.Sscanf(lines[len(lines)-1], "kept %d", &last); err != nil {
			t.Fatalf("%v: %q", err, out.String())
		}
		s := opened(t, options(dir))
		all := versions(t, s, "u")
		if d := all[0].XML; len(all) != 3 || d != domain("web", last) && d != domain("web", last+1) {
			t.Errorf("%d versions, the newest %s; %d was kept", len(all), d, last)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
