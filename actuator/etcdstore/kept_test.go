package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/actuator/definitions"
	"github.com/evenkeel/evenkeel/actuator/definitions/definitionstest"
	"github.com/evenkeel/evenkeel/actuator/memory"
	"github.com/evenkeel/evenkeel/actuator/memory/memorytest"
	"github.com/evenkeel/evenkeel/internal/cluster"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestOneNodeKeepsDefinitionsAndMemories(t *testing.T)   { keptContracts(t, 1) }
func TestThreeNodesKeepDefinitionsAndMemories(t *testing.T) { keptContracts(t, 3) }

func keptContracts(t *testing.T, size int) {
	nodes := etcd(t, size)
	n := 0
	next := func(t *testing.T) (*Store, *Term) {
		n++
		s := connected(t, nodes, fmt.Sprintf("c%d", n), 600)
		return s, leading(t, s, "a")
	}
	t.Run("definitions", func(t *testing.T) {
		definitionstest.Run(t, func(t *testing.T) definitionstest.Opener {
			s, term := next(t)
			return func() definitions.Shelf { return s.DefinitionShelf(term) }
		})
	})
	t.Run("memories", func(t *testing.T) {
		memorytest.Run(t, func(t *testing.T) memorytest.Opener {
			s, term := next(t)
			return func() memory.Place { return s.Document(term, "memory") }
		})
	})
}

// deposed ends a term past its owner, as etcd does when it hears nothing.
func deposed(t *testing.T, s *Store, term *Term) {
	t.Helper()
	if _, err := s.client.Revoke(context.Background(), term.session.Lease()); err != nil {
		t.Fatal(err)
	}
}

func vm(n int) cluster.Definition {
	name := fmt.Sprintf("vm%05d", n)
	devices := strings.Repeat("<disk type='file' device='disk'><source file='/srv/vms/disk.qcow2'/></disk>\n", 100)
	return cluster.Definition{VM: "4f6c0000-0000-4000-8000-0000000" + name[2:], Name: name, Host: "h1", XML: "<domain><name>" + name + "</name>" + devices + "</domain>"}
}

func TestWhoDoesNotLeadWritesNeitherDefinitionsNorMemories(t *testing.T) {
	t.Parallel()
	s := connected(t, etcd(t, 1), "c", 600)
	term, key := leading(t, s, "a"), filepath.Join(t.TempDir(), "key")
	kept, err := s.Definitions(term, key, 3)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := kept.Put(vm(1)); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if err := s.Document(term, "memory").Write([]byte("one")); err != nil {
		t.Fatal(err)
	}
	deposed(t, s, term)
	reading, err := s.Definitions(nil, key, 3)
	if err != nil {
		t.Fatal(err)
	}
	for who, store := range map[string]*definitions.Store{"deposed": kept, "without a term": reading} {
		_, err := store.Put(vm(2))
		if forgot := store.Forget(vm(1).VM); !errors.Is(err, ErrDeposed) || !errors.Is(forgot, ErrDeposed) {
			t.Errorf("%s: put %v, forget %v", who, err, forgot)
		}
		if list, err := store.List(); err != nil || len(list) != 1 || !store.Kept(vm(1).VM) {
			t.Errorf("%s: it holds %v, %v", who, list, err)
		}
	}
	for who, term := range map[string]*Term{"deposed": term, "without a term": nil} {
		d := s.Document(term, "memory")
		if err := d.Write([]byte("two")); !errors.Is(err, ErrDeposed) {
			t.Errorf("%s: write %v", who, err)
		}
		if got, err := d.Read(); err != nil || string(got) != "one" {
			t.Errorf("%s: it holds %q, %v", who, got, err)
		}
	}
}

// What a writer left that was stopped before the pointer is neither read nor kept for long.
func TestPartsWithoutAPointerAreNotRead(t *testing.T) {
	t.Parallel()
	s := connected(t, etcd(t, 1), "c", 600)
	term := leading(t, s, "a")
	d := s.Document(term, "memory").(*document)
	if err := d.Write([]byte("whole")); err != nil {
		t.Fatal(err)
	}
	p, _, err := d.pointer()
	if err != nil {
		t.Fatal(err)
	}
	for _, generation := range []uint64{p.Generation + 1, p.Generation + 1<<40} {
		if err := term.write(clientv3.OpPut(d.generation(generation)+digits(0), "half of it")); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := d.Read(); err != nil || string(got) != "whole" {
		t.Errorf("it holds %q, %v", got, err)
	}
	if err := d.Write([]byte("next")); err != nil {
		t.Fatal(err)
	}
	got, err := s.client.Get(context.Background(), d.key(), clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil || got.Count != 2 {
		t.Errorf("%d keys are left, %v", got.Count, err)
	}
	if err := term.write(clientv3.OpPut(d.generation(p.Generation)+digits(0), "x"), clientv3.OpDelete(d.key()+"/", clientv3.WithPrefix())); err == nil {
		t.Error("etcd takes a key that is put and deleted at once")
	}
	if err := term.write(clientv3.OpDelete(d.key()+"/", clientv3.WithPrefix())); err != nil {
		t.Fatal(err)
	}
	if _, err := memory.On[int](d, "a number").Load(); err == nil || !strings.Contains(err.Error(), "is there in part") || !strings.Contains(err.Error(), d.key()) {
		t.Errorf("without its parts it gives %v", err)
	}
}

// TestManyVMs shows that what is more than one transaction takes fits as well.
func TestManyVMs(t *testing.T) {
	t.Parallel()
	const vms = 2000
	s := connected(t, etcd(t, 1), "c", 600)
	kept, err := s.Definitions(leading(t, s, "a"), filepath.Join(t.TempDir(), "key"), 3)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]cluster.Definition, vms)
	for n := range all {
		all[n] = vm(n)
	}
	for _, step := range []struct {
		what string
		do   func() (int, error)
		want int
	}{
		{"all new", func() (int, error) { return kept.Put(all...) }, vms},
		{"all unchanged", func() (int, error) { return kept.Put(all...) }, 0},
		{"a list", func() (int, error) { list, err := kept.List(); return len(list), err }, vms},
	} {
		n, err := step.do()
		if err != nil || n != step.want {
			t.Fatalf("%s: %d, %v", step.what, n, err)
		}
	}
}
