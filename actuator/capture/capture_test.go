package capture_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/capture"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

type source struct {
	list   []cluster.Captured
	failed error
}

func (s source) Capture(context.Context, cluster.Action) ([]cluster.Captured, error) {
	return s.list, s.failed
}

func TestWhatIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "captures")
	from := source{[]cluster.Captured{{Name: "console.log", Type: "text/plain", Data: []byte("Oops")}, {Name: "screen.png", Type: "image/png", Data: []byte{1}}}, nil}
	s := capture.New(dir, from)
	if list, err := s.Get("abc"); list != nil || err != nil {
		t.Errorf("before: %v %v", list, err)
	}
	if err := s.Keep(t.Context(), "abc", cluster.Action{}); err != nil {
		t.Fatal(err)
	}
	list, err := s.Get("abc")
	if err != nil || !slices.EqualFunc(list, from.list, func(a, b cluster.Captured) bool {
		return a.Name == b.Name && a.Type == b.Type && string(a.Data) == string(b.Data)
	}) {
		t.Errorf("got %+v %v", list, err)
	}
	for _, id := range []string{"", "..", "a/b", strings.Repeat("a", 65)} {
		if err := s.Keep(t.Context(), id, cluster.Action{}); err == nil {
			t.Errorf("%q is kept", id)
		}
		if _, err := s.Get(id); err == nil {
			t.Errorf("%q is got", id)
		}
	}
}

func TestWhatCannotBeHadIsSaidAndTheRestKept(t *testing.T) {
	s := capture.New(t.TempDir(), source{[]cluster.Captured{{Name: "screen.png"}}, errors.New("no console")})
	if err := s.Keep(t.Context(), "abc", cluster.Action{}); err == nil || !strings.Contains(err.Error(), "no console") {
		t.Error(err)
	}
	if list, err := s.Get("abc"); len(list) != 1 || err != nil {
		t.Errorf("%v %v", list, err)
	}
	none := capture.New(filepath.Join(t.TempDir(), "none"), source{nil, errors.New("it hangs")})
	if err := none.Keep(t.Context(), "abc", cluster.Action{}); err == nil {
		t.Error("that nothing could be had is not said")
	}
}

func TestTheOldestGo(t *testing.T) {
	dir := t.TempDir()
	s := capture.New(dir, source{[]cluster.Captured{{Name: "screen.png"}}, nil})
	for i := range capture.Most + 2 {
		id := fmt.Sprintf("case-%d", i)
		if err := s.Keep(t.Context(), id, cluster.Action{}); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(int64(1000+i), 0)
		if err := os.Chtimes(filepath.Join(dir, id), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Keep(t.Context(), "last", cluster.Action{}); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]int{"case-2": 0, "case-3": 1, "last": 1} {
		if list, err := s.Get(id); len(list) != want || err != nil {
			t.Errorf("%s: %v %v", id, list, err)
		}
	}
}
