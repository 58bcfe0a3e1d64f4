// Package memorytest holds what a place of memory must do wherever it is. Each place's own test runs it.
package memorytest

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/evenkeel/evenkeel/actuator/memory"
)

// Opener opens a place again and again: the same one each time, as the last left it.
type Opener func() memory.Place

// Run runs the contract. Each part gets a new place.
func Run(t *testing.T, begin func(t *testing.T) Opener) {
	for name, part := range map[string]func(*testing.T, Opener){
		"where nothing was written is nothing": nothing,
		"what was written last is read":        last,
		"it may be large":                      large,
		"nobody reads half of it":              half,
		"what is kept is what a room gave":     typed,
	} {
		t.Run(name, func(t *testing.T) { part(t, begin(t)) })
	}
}

func nothing(t *testing.T, open Opener) {
	if got, err := open().Read(); err != nil || got != nil {
		t.Errorf("there is %q, %v", got, err)
	}
	if open().String() == "" {
		t.Error("it has no name")
	}
}

func last(t *testing.T, open Opener) {
	p := open()
	for n := range 5 {
		want := fmt.Sprintf(`{"n":%d}`, n)
		if err := p.Write([]byte(want)); err != nil {
			t.Fatal(err)
		}
		for _, p := range []memory.Place{p, open()} {
			if got, err := p.Read(); err != nil || string(got) != want {
				t.Errorf("there is %q, %v, want %s", got, err, want)
			}
		}
	}
}

// large writes what cannot be packed, shorter each time.
func large(t *testing.T, open Opener) {
	p := open()
	for _, size := range []int{5 << 20, 1 << 20, 512 << 10, 1, 0} {
		want := make([]byte, size)
		rand.Read(want) // it never fails
		if err := p.Write(want); err != nil {
			t.Fatal(err)
		}
		if got, err := open().Read(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("of %d bytes there are %d, %v", size, len(got), err)
		}
	}
}

func half(t *testing.T, open Opener) {
	writer, reader := open(), open()
	page := func(n byte) []byte { // each is of one byte, again and again, and a different length
		b := make([]byte, 2<<20+int(n))
		rand.Read(b[:1<<20]) // so that it is in several parts when it is packed
		b[0], b[len(b)-1] = n, n
		return b
	}
	if err := writer.Write(page(0)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		for n := byte(1); n <= 20; n++ {
			if err := writer.Write(page(n)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for reads := 0; ; reads++ {
		got, err := reader.Read()
		if err != nil || len(got) != 2<<20+int(got[0]) || got[0] != got[len(got)-1] {
			t.Fatalf("read %d bytes, %v", len(got), err)
		}
		select {
		case err := <-done:
			if err != nil || reads == 0 {
				t.Errorf("read %d times, %v", reads, err)
			}
			return
		default:
		}
	}
}

func typed(t *testing.T, open Opener) {
	type book struct{ Pages map[string]int }
	m := memory.On[book](open(), "the book")
	if b, err := m.Load(); err != nil || b.Pages != nil {
		t.Errorf("there is %+v, %v", b, err)
	}
	if err := m.Save(book{Pages: map[string]int{"a": 1}}); err != nil {
		t.Fatal(err)
	}
	if b, err := memory.On[book](open(), "the book").Load(); err != nil || b.Pages["a"] != 1 {
		t.Errorf("there is %+v, %v", b, err)
	}
}
