package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/actuator/definitions"
	"github.com/evenkeel/evenkeel/actuator/etcdstore"
	"github.com/evenkeel/evenkeel/actuator/journal"
	"github.com/evenkeel/evenkeel/actuator/memory"
)

// The files of a store in a directory.
const (
	journalFile     = "journal.db"
	definitionsFile = "definitions.db"
)

// memories are what rooms must not forget, by the name that it is kept under.
func memories() []string { return []string{"memory", "energy", "schedules", "advice", "slack"} }

func memoryFile(name string) string { return name + ".json" }

// unfinished is the directory in which a migration to files stands until it is whole.
const unfinished = ".migrating"

// takeOver is how long it may take to become the one that may write to etcd, beside the time that a server which has just ended may
// still be thought to lead.
const takeOver = 10 * time.Second

// migrator is what a migration is called where servers have their IDs.
const migrator = "evenkeel store"

// storePlace is a store that is open: in a directory, or in etcd.
type storePlace struct {
	name        string
	journal     *journal.Journal
	definitions definitions.Shelf // nil where none are kept
	memory      func(name string) memory.Place
	// done makes what was written to it count. It is nil where a place is only read.
	done   func() error
	closes []func() error // in reverse
}

// close lets go of it. A failure is none: what was written is safe already.
func (p *storePlace) close() {
	for i := len(p.closes) - 1; i >= 0; i-- {
		_ = p.closes[i]()
	}
}

// opened hands a place over, or closes it after an error.
func (p *storePlace) opened(err error) (*storePlace, error) {
	if err != nil {
		p.close()
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	return p, nil
}

// readDir opens the files in a directory to be read. It fails while a server has them, and no server gets them meanwhile.
func readDir(dir string) (*storePlace, error) {
	p := &storePlace{name: dir, memory: func(name string) memory.Place { return memory.File(filepath.Join(dir, memoryFile(name))) }}
	return p.opened(p.readFiles(dir))
}

func (p *storePlace) readFiles(dir string) (err error) {
	if _, err := os.Stat(filepath.Join(dir, unfinished)); err == nil {
		return fmt.Errorf("what was copied or restored to here did not come to its end: run that again, or take %s away", filepath.Join(dir, unfinished))
	}
	if p.journal, err = journal.OpenReadOnly(filepath.Join(dir, journalFile)); err != nil {
		return err
	}
	p.closes = append(p.closes, p.journal.Close)
	path := filepath.Join(dir, definitionsFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if p.definitions, err = definitions.OpenFileReadOnly(path); err != nil {
		return err
	}
	p.closes = append(p.closes, p.definitions.Close)
	return nil
}

// newDir makes files for a directory in which none are. They stand beside it until they are done.
func newDir(dir string) (*storePlace, error) {
	half := filepath.Join(dir, unfinished)
	p := &storePlace{name: dir, memory: func(name string) memory.Place { return memory.File(filepath.Join(half, memoryFile(name))) }}
	p.done = func() error { return moveUp(half, dir) }
	return p.opened(p.newFiles(dir, half, storeFiles()))
}

// newJournalDir makes a journal for a directory in which there is none. What else is there stays as it is.
func newJournalDir(dir string) (*storePlace, error) {
	half := filepath.Join(dir, unfinished)
	p := &storePlace{name: dir, done: func() error { return moveUp(half, dir) }}
	return p.opened(p.newFiles(dir, half, []string{journalFile}))
}

func (p *storePlace) newFiles(dir, half string, names []string) (err error) {
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return fmt.Errorf("there is a %s already: give an empty place, or move these away: %s", name, strings.Join(names, ", "))
		}
	}
	if err := errors.Join(os.RemoveAll(half), os.MkdirAll(half, 0o750)); err != nil { // what was cut off is of no use
		return err
	}
	p.closes = append(p.closes, func() error { return os.RemoveAll(half) }) // nothing is in it when it was done
	if p.journal, err = journal.Open(filepath.Join(half, journalFile)); err != nil {
		return err
	}
	p.closes = append(p.closes, p.journal.Close)
	if len(names) == 1 {
		return nil
	}
	if p.definitions, err = definitions.OpenFile(filepath.Join(half, definitionsFile)); err != nil {
		return err
	}
	p.closes = append(p.closes, p.definitions.Close)
	return nil
}

// storeFiles are the files of a store. The journal comes first: with it alone a server goes on, and reads the rest from the hosts.
func storeFiles() []string {
	list := []string{journalFile, definitionsFile}
	for _, name := range memories() {
		list = append(list, memoryFile(name))
	}
	return list
}

// moveUp puts whole files where a server looks for them.
func moveUp(half, dir string) error {
	for _, name := range storeFiles() {
		if err := os.Rename(filepath.Join(half, name), filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close(), os.RemoveAll(half))
}

// readEtcd opens what is kept in etcd to be read, also while a server leads. Archives of the journal are looked for in dir.
func readEtcd(ctx context.Context, o etcdstore.Options, dir string) (*storePlace, error) {
	p := &storePlace{name: "etcd"}
	s, err := p.connect(ctx, o)
	if err == nil {
		p.journal, err = s.Journal(ctx, nil, dir)
	}
	return p.opened(err)
}

// holdEtcd does the same and sees that no server leads meanwhile.
func holdEtcd(ctx context.Context, o etcdstore.Options, dir string) (*storePlace, error) {
	p := &storePlace{name: "etcd"}
	s, err := p.connect(ctx, o)
	if err == nil {
		_, err = p.lead(ctx, s, o)
	}
	if err == nil {
		p.journal, err = s.Journal(ctx, nil, dir)
	}
	return p.opened(err)
}

// newEtcd begins to fill a cluster's keys in etcd.
func newEtcd(ctx context.Context, o etcdstore.Options, dir string) (*storePlace, error) {
	p := &storePlace{name: "etcd"}
	s, err := p.connect(ctx, o)
	if err != nil {
		return p.opened(err)
	}
	term, err := p.lead(ctx, s, o)
	if err != nil {
		return p.opened(err)
	}
	target, err := s.Migrate(term)
	if err != nil {
		return p.opened(err)
	}
	done := false
	p.closes = append(p.closes, func() error {
		if done {
			return nil
		}
		return target.Drop()
	})
	p.done = func() error {
		err := target.Done()
		done = err == nil
		return err
	}
	p.definitions = s.DefinitionShelf(term)
	p.memory = func(name string) memory.Place { return s.Document(term, name) }
	p.journal, err = target.Journal(ctx, dir)
	return p.opened(err)
}

// connect reaches etcd, to read.
func (p *storePlace) connect(ctx context.Context, o etcdstore.Options) (*etcdstore.Store, error) {
	s, err := etcdstore.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	p.closes = append(p.closes, s.Close)
	p.definitions = s.DefinitionShelf(nil)
	p.memory = func(name string) memory.Place { return s.Document(nil, name) }
	return s, nil
}

// lead becomes the one that may write, and fails where a server is.
func (p *storePlace) lead(ctx context.Context, s *etcdstore.Store, o etcdstore.Options) (*etcdstore.Term, error) {
	servers, err := s.Servers(ctx)
	if err != nil {
		return nil, err
	}
	if len(servers) > 0 {
		return nil, fmt.Errorf("%s leads: stop every server of the cluster first; one that was killed is forgotten after %d seconds", servers[0].ID, o.TTL)
	}
	ctx, cancel := context.WithTimeout(ctx, takeOver+time.Duration(o.TTL)*time.Second)
	defer cancel()
	term, err := s.Campaign(ctx, etcdstore.Server{ID: migrator})
	if err != nil {
		return nil, err
	}
	p.closes = append(p.closes, func() error { return term.Resign(context.WithoutCancel(ctx)) })
	return term, nil
}
