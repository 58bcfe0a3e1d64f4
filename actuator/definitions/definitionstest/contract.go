// Package definitionstest holds what a store of definitions must do wherever they stand. Each shelf's own test runs it.
package definitionstest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/definitions"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Opener opens a shelf again and again: the same one each time, as the last left it.
type Opener func() definitions.Shelf

const password = "vnc-s3cr3t"

// keep is how many versions are kept of a VM.
const keep = 3

// Run runs the contract. Each part gets a new shelf.
func Run(t *testing.T, begin func(t *testing.T) Opener) {
	for name, part := range map[string]func(*testing.T, Opener){
		"the last versions are kept":      versions,
		"what is forgotten is one VM's":   forget,
		"many VMs are kept at once":       many,
		"names are any":                   names,
		"many ask at once":                atOnce,
		"nothing secret stands there":     secret,
		"another key is refused":          anotherKey,
		"who may not write makes no key":  noKey,
		"what is read is what was put":    raw,
		"a definition that is too large":  large,
		"a damaged version is named":      damaged,
		"all is verified and told":        verified,
		"an empty one is empty":           empty,
		"who copies over another is told": func(t *testing.T, open Opener) { overwritten(t, open) },
	} {
		t.Run(name, func(t *testing.T) { part(t, begin(t)) })
	}
	t.Run("it is copied to a file and back", func(t *testing.T) { copied(t, begin(t), begin(t)) })
}

// xml is a VM's definition with so many kilobytes of devices.
func xml(name string, memory, kilobytes int) string {
	return fmt.Sprintf("<domain type='kvm'><name>%s</name><memory unit='MiB'>%d</memory><devices>%s<graphics passwd='%s'/></devices></domain>",
		name, memory, strings.Repeat("<disk><source file='/srv/vms/one-of-many-disks.qcow2'/></disk>", kilobytes*16), password)
}

func definition(vm string, memory int) cluster.Definition {
	return cluster.Definition{VM: vm, Name: "web-" + vm, Host: "h1", At: time.Date(2026, 11, 24, 10, memory, 0, 0, time.UTC), XML: xml(vm, memory, 0)}
}

// opened opens the store on a shelf with the key that stands in a directory.
func opened(t *testing.T, open Opener, dir string) *definitions.Store {
	t.Helper()
	s, err := definitions.On(open(), "the shelf", filepath.Join(dir, "definitions.key"), keep, true)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s *definitions.Store, want int, all ...cluster.Definition) {
	t.Helper()
	if n, err := s.Put(all...); err != nil || n != want {
		t.Fatalf("%d are new, want %d; %v", n, want, err)
	}
}

func closed(t *testing.T, s *definitions.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func empty(t *testing.T, open Opener) {
	s := opened(t, open, t.TempDir())
	if list, err := s.List(); err != nil || len(list) != 0 || s.Kept("u") {
		t.Errorf("it holds %v, %v", list, err)
	}
	if n, err := s.Verify(context.Background()); err != nil || n != (definitions.Tally{}) {
		t.Errorf("verified %+v, %v", n, err)
	}
	if err := s.Forget("u"); err == nil {
		t.Error("what was never there is forgotten")
	}
}

func versions(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := opened(t, open, dir)
	for n := 1; n <= 5; n++ {
		put(t, s, 1, definition("u", n))
		put(t, s, 0, definition("u", n))
	}
	moved := definition("u", 5)
	moved.Host = "h2"
	put(t, s, 0, moved)
	closed(t, s)
	s = opened(t, open, dir)
	all, err := s.Versions("u")
	if err != nil || len(all) != keep {
		t.Fatalf("it holds %v, %v", all, err)
	}
	for i, d := range all {
		want := definition("u", 5-i)
		if want.Version = uint64(5 - i); i == 0 {
			want.Host = "h2"
		}
		if d != want {
			t.Errorf("version %d is %#v, want %#v", i, d, want)
		}
	}
	if d, err := s.Get("u"); err != nil || d != all[0] {
		t.Errorf("the newest is %v, %v", d, err)
	}
	put(t, s, 5, definition("u", 6), definition("u", 7), definition("u", 8), definition("u", 9), definition("u", 10))
	if all, err := s.Versions("u"); err != nil || len(all) != keep || all[0].Version != 10 || all[2].Version != 8 {
		t.Errorf("after many in one call it holds %v, %v", all, err)
	}
}

func forget(t *testing.T, open Opener) {
	s := opened(t, open, t.TempDir())
	for _, vm := range []string{"u", "u1", "u2"} { // one is the beginning of the others
		put(t, s, 2, definition(vm, 1), definition(vm, 2))
	}
	if err := s.Forget("u1"); err != nil {
		t.Error(err)
	}
	if err := s.Forget("u1"); err == nil || s.Kept("u1") {
		t.Errorf("it is forgotten twice: %v", err)
	}
	list, err := s.List()
	if err != nil || len(list) != 2 || list[0].VM != "u" || list[1].VM != "u2" || list[0].XML != "" || list[0].Version != 2 {
		t.Errorf("left are %v, %v", list, err)
	}
}

func many(t *testing.T, open Opener) {
	const vms = 1203 // more than any batch
	dir := t.TempDir()
	s := opened(t, open, dir)
	var all []cluster.Definition
	for i := range vms {
		d := definition(fmt.Sprintf("4f6c0000-0000-4000-8000-%012d", i), 1)
		d.XML = xml(d.VM, 1, 8)
		all = append(all, d)
	}
	put(t, s, vms, all...)
	put(t, s, 0, all...)
	closed(t, s)
	s = opened(t, open, dir)
	list, err := s.List()
	if err != nil || len(list) != vms {
		t.Fatalf("it holds %d, %v", len(list), err)
	}
	for i, d := range list {
		if d.VM != all[i].VM || d.Name != all[i].Name || !s.Kept(d.VM) {
			t.Fatalf("the %dth is %v", i, d)
		}
	}
}

func names(t *testing.T, open Opener) {
	s := opened(t, open, t.TempDir())
	odd := []string{"a/b", "a", "a b", "a%2Fb", "ä", "..", "a/", "/", "A"}
	for _, vm := range odd {
		put(t, s, 1, definition(vm, 1))
	}
	for _, vm := range odd {
		if d, err := s.Get(vm); err != nil || d.Name != "web-"+vm {
			t.Errorf("%q is %v, %v", vm, d, err)
		}
	}
	list, err := s.List()
	if err != nil || len(list) != len(odd) {
		t.Errorf("it holds %v, %v", list, err)
	}
}

func atOnce(t *testing.T, open Opener) {
	s := opened(t, open, t.TempDir())
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 10 {
				vm := fmt.Sprintf("u%d", (w+i)%4)
				if _, err := s.Put(definition(vm, w*100+i)); err != nil {
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
		all, err := s.Versions(fmt.Sprintf("u%d", i))
		if err != nil || len(all) != keep || all[0].Version != all[2].Version+2 {
			t.Errorf("it holds %v, %v", all, err)
		}
	}
}

func secret(t *testing.T, open Opener) {
	s := opened(t, open, t.TempDir())
	put(t, s, 1, definition("u", 1))
	closed(t, s)
	shelf := open()
	values, err := shelf.Read(definitions.ID{VM: "u", Version: 1})
	if err != nil || !bytes.Contains(values[0], []byte("web-u")) || bytes.Contains(values[0], []byte(password)) || bytes.Contains(values[0], []byte("<domain")) {
		t.Errorf("there stands %q, %v", values, err)
	}
	if mark, err := shelf.Mark(); err != nil || len(mark) == 0 {
		t.Errorf("the mark is %q, %v", mark, err)
	}
}

func anotherKey(t *testing.T, open Opener) {
	first, second := t.TempDir(), t.TempDir()
	closed(t, opened(t, open, first)) // nothing is kept yet, but by which key it will be is settled
	otherKey := filepath.Join(second, "definitions.key")
	refused := func(says string) {
		t.Helper()
		for _, mayWrite := range []bool{true, false} {
			shelf := open()
			if _, err := definitions.On(shelf, "the shelf", otherKey, keep, mayWrite); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "from the other server") {
				t.Errorf("it gives %v", err)
			}
			if err := shelf.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	refused(otherKey + " is missing")
	if _, err := os.Stat(otherKey); err == nil {
		t.Error("a second key was made")
	}
	if err := os.WriteFile(otherKey, []byte(fmt.Sprintf("%064x\n", 7)), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("another key than that in " + otherKey)
	s := opened(t, open, first)
	put(t, s, 1, definition("u", 1))
	closed(t, s)
	refused("opens none of the 1 versions")
	text, err := os.ReadFile(filepath.Join(first, "definitions.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(otherKey, text, 0o600); err != nil { // as the messages say
		t.Fatal(err)
	}
	if d, err := opened(t, open, second).Get("u"); err != nil || d.XML != definition("u", 1).XML {
		t.Errorf("with the first one's key: %v, %v", d, err)
	}
}

func noKey(t *testing.T, open Opener) {
	file := filepath.Join(t.TempDir(), "definitions.key")
	if _, err := definitions.On(open(), "the shelf", file, keep, false); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("it gives %v", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a key was made")
	}
}

func raw(t *testing.T, open Opener) {
	shelf := open()
	id := func(vm string, n uint64) definitions.ID { return definitions.ID{VM: vm, Version: n} }
	value := make([]byte, 1000)
	rand.Read(value) // it never fails
	if err := shelf.Write([]definitions.Record{{ID: id("v", 2), Value: value}, {ID: id("v", 10), Value: []byte("b")}, {ID: id("w", 1), Value: []byte("c")}}, nil); err != nil {
		t.Fatal(err)
	}
	if ids, err := shelf.IDs(); err != nil || !slices.Equal(ids, []definitions.ID{id("v", 2), id("v", 10), id("w", 1)}) {
		t.Errorf("there are %v, %v", ids, err)
	}
	if ids, err := shelf.IDs("w", "x", "v"); err != nil || !slices.Equal(ids, []definitions.ID{id("w", 1), id("v", 2), id("v", 10)}) {
		t.Errorf("of some there are %v, %v", ids, err)
	}
	values, err := shelf.Read(id("w", 1), id("v", 3), id("v", 2))
	if err != nil || string(values[0]) != "c" || values[1] != nil || !bytes.Equal(values[2], value) {
		t.Errorf("there stand %q, %v", values, err)
	}
	if err := shelf.Write([]definitions.Record{{ID: id("v", 11), Value: []byte("d")}}, []definitions.ID{id("v", 2), id("v", 3), id("w", 1)}); err != nil {
		t.Fatal(err)
	}
	if ids, err := shelf.IDs(); err != nil || !slices.Equal(ids, []definitions.ID{id("v", 10), id("v", 11)}) {
		t.Errorf("left are %v, %v", ids, err)
	}
}

func large(t *testing.T, open Opener) {
	s := opened(t, open, t.TempDir())
	almost, over := definition("almost", 1), definition("over", 1)
	almost.XML, over.XML = xml("almost", 1, 1000), xml("over", 1, 1200)
	n, err := s.Put(over, almost, definition("small", 1))
	if n != 2 || err == nil || !strings.Contains(err.Error(), "web-over") || !strings.Contains(err.Error(), "are not kept") || strings.Contains(err.Error(), password) {
		t.Errorf("%d are new, %v", n, err)
	}
	if d, err := s.Get("almost"); err != nil || d.XML != almost.XML || !s.Kept("small") || s.Kept("over") {
		t.Errorf("%v, %v", d, err)
	}
}

func damaged(t *testing.T, open Opener) {
	dir := t.TempDir()
	s := opened(t, open, dir)
	put(t, s, 4, definition("u", 1), definition("u", 2), definition("v", 1), definition("v", 2))
	closed(t, s)
	shelf := open()
	id := definitions.ID{VM: "u", Version: 2}
	values, err := shelf.Read(id)
	if err != nil {
		t.Fatal(err)
	}
	values[0][len(values[0])-1] ^= 1
	if err := shelf.Write([]definitions.Record{{ID: id, Value: values[0]}}, nil); err != nil {
		t.Fatal(err)
	}
	if err := shelf.Close(); err != nil {
		t.Fatal(err)
	}
	s = opened(t, open, dir)
	if n, err := s.Verify(context.Background()); err == nil || !strings.Contains(err.Error(), "version 2 of u cannot be read") && !strings.Contains(err.Error(), "(u) cannot be read") || n.Versions != 4 {
		t.Errorf("verified %+v, %v", n, err)
	}
	if list, err := s.List(); err == nil || len(list) != 1 || list[0].VM != "v" {
		t.Errorf("it holds %v, %v", list, err)
	}
	put(t, s, 1, definition("u", 2))
	if d, err := s.Get("u"); err != nil || d.Version != 3 {
		t.Errorf("what is seen again is %v, %v", d, err)
	}
}

func verified(t *testing.T, open Opener) {
	s := opened(t, open, t.TempDir())
	put(t, s, 3, definition("u", 1), definition("u", 2), definition("v", 1))
	if n, err := s.Verify(context.Background()); err != nil || n.VMs != 2 || n.Versions != 3 || n.Bytes == 0 {
		t.Errorf("verified %+v, %v", n, err)
	}
}

// inFile makes a shelf in a new file.
func inFile(t *testing.T) definitions.Shelf {
	t.Helper()
	shelf, err := definitions.OpenFile(filepath.Join(t.TempDir(), "definitions.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = shelf.Close() })
	return shelf
}

func overwritten(t *testing.T, open Opener) {
	closed(t, opened(t, open, t.TempDir())) // it has a mark and nothing else
	if _, err := definitions.Copy(context.Background(), inFile(t), open()); err == nil || !strings.Contains(err.Error(), "there are definitions already") {
		t.Errorf("it gives %v", err)
	}
}

func copied(t *testing.T, open, again Opener) {
	dir := t.TempDir()
	s := opened(t, open, dir)
	for i := range 150 {
		put(t, s, 2, definition(fmt.Sprintf("u%03d", i), 1), definition(fmt.Sprintf("u%03d", i), 2))
	}
	closed(t, s)
	file := inFile(t)
	for _, step := range []struct{ from, to func() definitions.Shelf }{{open, func() definitions.Shelf { return file }}, {func() definitions.Shelf { return file }, again}} {
		from, to := step.from(), step.to()
		if n, err := definitions.Copy(context.Background(), from, to); err != nil || n.VMs != 150 || n.Versions != 300 {
			t.Fatalf("copied %+v, %v", n, err)
		}
		if _, err := definitions.Copy(context.Background(), from, to); err == nil {
			t.Error("it is copied over what is there")
		}
		for _, shelf := range []definitions.Shelf{from, to} {
			if shelf != file {
				if err := shelf.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	back := opened(t, again, dir)
	if d, err := back.Get("u149"); err != nil || d.XML != definition("u149", 2).XML || d.Version != 2 {
		t.Errorf("after the way back it is %v, %v", d, err)
	}
}
