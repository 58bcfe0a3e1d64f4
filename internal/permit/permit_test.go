package permit

import (
	"context"
	"errors"
	"testing"
)

func TestWhoIsToBeAskedIsAskedEachTime(t *testing.T) {
	if err := Ask(t.Context()); err != nil {
		t.Errorf("nobody is to be asked, and %v", err)
	}
	deposed := errors.New("deposed")
	var said error
	ctx, cancel := context.WithCancel(With(t.Context(), func(context.Context) error { return said }))
	defer cancel()
	if err := Ask(ctx); err != nil {
		t.Error(err)
	}
	said = deposed
	if err := Ask(context.WithoutCancel(ctx)); !errors.Is(err, deposed) {
		t.Errorf("who was deposed may: %v", err)
	}
}
