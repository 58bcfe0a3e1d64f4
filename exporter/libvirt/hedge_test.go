package libvirt

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"libvirt.org/go/libvirt"
)

func paceOfCalls(each ...time.Duration) *pace {
	var p pace
	for _, d := range each {
		p.took(d)
	}
	return &p
}

func TestPatienceFollowsThePaceWithinBounds(t *testing.T) {
	type waits struct{ patience, hedge, budget time.Duration }
	for usual, want := range map[time.Duration]waits{
		0:                      {patienceFloor, hedgeFloor, budgetFloor},
		10 * time.Millisecond:  {patienceFloor, hedgeFloor, budgetFloor},
		400 * time.Millisecond: {600 * time.Millisecond, 560 * time.Millisecond, 900 * time.Millisecond},
		10 * time.Second:       {12 * time.Second, 14 * time.Second, 12 * time.Second},
	} {
		p := paceOfCalls(usual)
		if got := (waits{p.patience(), p.hedge(), p.budget()}); got != want {
			t.Errorf("readings of %s: %+v, want %+v", usual, got, want)
		}
	}
	p := paceOfCalls(slices.Repeat([]time.Duration{200 * time.Millisecond}, 100)...)
	for range paceOf / 2 {
		p.took(time.Hour) // a process that was stopped, or many that wait for a migration's end
	}
	if got := p.usual(); got != 200*time.Millisecond {
		t.Errorf("after some that hung the usual time is %s", got)
	}
	for range paceOf {
		p.took(3 * time.Second) // the host has become slow for good
	}
	if got := p.usual(); got != 3*time.Second {
		t.Errorf("after many slow ones the usual time is %s", got)
	}
}

func TestAskingAgainFitsIntoWhatIsLeft(t *testing.T) {
	p := paceOfCalls(time.Second)
	for spent, want := range map[time.Duration]time.Duration{0: 2250 * time.Millisecond, time.Second: 1250 * time.Millisecond, 5 * time.Second: 250 * time.Millisecond} {
		if got := p.again(spent); got != want {
			t.Errorf("after %s there is %s, want %s", spent, got, want)
		}
	}
	if got := paceOfCalls(time.Millisecond).again(time.Hour); got != againFloor {
		t.Errorf("%s", got)
	}
}

// takes is how long each call takes; those that are not named never come back.
type takes map[width]time.Duration

const never = time.Duration(1<<63 - 1)

// hedged runs a reading whose calls take so long, with a usual time of 400 ms, and returns what came
// back, after what time, and which calls were made.
func hedged(ctx context.Context, first bool, calls takes, fail func(w width, n int) error) (a answers, after time.Duration, made map[width]int) {
	p := paceOfCalls(400 * time.Millisecond)
	start := time.Now()
	asked := make(chan width, 10)
	a = collect(ctx, p.limits(), first, []width{present, free}, func(ctx context.Context, w width, part func(answer)) answer {
		asked <- w
		d, ok := calls[w]
		if !ok {
			d = never
		}
		select {
		case <-time.After(d):
			return answer{of: w, err: fail(w, len(asked))}
		case <-ctx.Done():
			return answer{of: w, err: ctx.Err()}
		}
	})
	after = time.Since(start)
	synctest.Wait()
	close(asked)
	made = map[width]int{}
	for w := range asked {
		made[w]++
	}
	return a, after, made
}

func well(width, int) error { return nil }

// However its calls fare, a reading ends within a little more than twice the usual time as long as one of
// them comes back.
func TestAReadingTakesWhatIsCompleteFirst(t *testing.T) {
	const ms = time.Millisecond
	all := map[width]int{everything: 1, present: 1, free: 1}
	for name, c := range map[string]struct {
		first bool
		calls takes
		after time.Duration
		made  map[width]int
		told  []width
	}{
		"a quick one needs no other":          {true, takes{everything: 400 * ms}, 400 * ms, map[width]int{everything: 1}, []width{everything}},
		"one that is only late counts":        {true, takes{everything: 700 * ms, present: 5 * ms, free: 500 * ms}, 700 * ms, all, []width{everything, present}},
		"a stopped process":                   {true, takes{present: 5 * ms, free: 250 * ms}, 810 * ms, all, []width{free, present}},
		"a locked VM":                         {true, takes{free: 250 * ms}, 900 * ms, all, []width{free}},
		"a locked VM, and the host is slow":   {true, takes{free: 1200 * ms}, 1760 * ms, all, []width{free}},
		"nobody's process answers":            {true, takes{present: 5 * ms}, 2900 * ms, all, []width{present}},
		"calls hang already":                  {false, takes{present: 5 * ms, free: 400 * ms}, 400 * ms, map[width]int{present: 1, free: 1}, []width{free, present}},
		"a daemon that is stopped says none":  {true, takes{}, 2900 * ms, all, nil},
		"one that is back after all is heard": {true, takes{everything: 2700 * ms}, 2700 * ms, all, []width{everything}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, after, made := hedged(t.Context(), c.first, c.calls, well)
				var told []width
				for w := range widths {
					if a.ok(w) {
						told = append(told, w)
					}
				}
				if after != c.after || !maps.Equal(made, c.made) || !slices.Equal(told, c.told) {
					t.Errorf("after %s calls %v told %v, want %s, %v, %v", after, made, told, c.after, c.made, c.told)
				}
				if c.told == nil && !errors.Is(a.err(), context.DeadlineExceeded) {
					t.Errorf("%v", a.err())
				}
			})
		})
	}
}

// What has been told by name counts also while others that were asked have not answered.
func TestAPartOfAnAnswerWillDoWhenTheBudgetIsSpent(t *testing.T) {
	const ms = time.Millisecond
	for present1, want := range map[bool]time.Duration{false: 900 * ms, true: 900 * ms} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			a := collect(t.Context(), paceOfCalls(400*ms).limits(), true, []width{present, free}, func(ctx context.Context, w width, part func(answer)) answer {
				if w == free {
					part(answer{of: free, asked: []string{"a"}, more: true})
				}
				if w == present && present1 {
					return answer{of: present}
				}
				<-ctx.Done()
				part(answer{of: w, more: true}) // nobody hears that
				return answer{of: w, err: ctx.Err()}
			})
			if after := time.Since(start); after != want || !a.ok(free) || !a.pending(free) || a.ok(present) != present1 || len(a.got[free].asked) != 1 {
				t.Errorf("present %v: after %s: %+v", present1, after, a)
			}
		})
	}
}

// A call that passed a VM over, because another one was at it, is completed by that one.
func TestAGapIsFilledByTheOtherCall(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		calls takes
		gaps  map[width]bool
		after time.Duration
	}{
		"none":                           {takes{everything: 600 * ms, free: 200 * ms}, nil, 600 * ms},
		"in the first one":               {takes{everything: 600 * ms, free: 200 * ms}, map[width]bool{everything: true}, 760 * ms},
		"in the others":                  {takes{everything: 800 * ms, free: 100 * ms}, map[width]bool{free: true}, 800 * ms},
		"in the others, as one is stuck": {takes{everything: never, free: 100 * ms}, map[width]bool{free: true}, 900 * ms},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := paceOfCalls(400 * ms)
			start := time.Now()
			collect(t.Context(), p.limits(), true, []width{present, free}, func(ctx context.Context, w width, _ func(answer)) answer {
				select {
				case <-time.After(c.calls[w]):
				case <-ctx.Done():
				}
				return answer{of: w, gaps: c.gaps[w]}
			})
			if after := time.Since(start); after != c.after {
				t.Errorf("%s: after %s, want %s", name, after, c.after)
			}
		})
	}
}

func TestAFirstCallThatFailsIsMadeOnceMore(t *testing.T) {
	broken := errors.New("broken pipe")
	for name, c := range map[string]struct {
		fail func(w width, n int) error
		made int
		err  error
	}{
		"the daemon is back": {func(_ width, n int) error { return map[int]error{1: broken}[n] }, 2, nil},
		"it is gone":         {func(width, int) error { return broken }, 2, broken},
		"there is no such call": {func(width, int) error { return libvirt.Error{Code: libvirt.ERR_NO_SUPPORT} }, 1,
			libvirt.Error{Code: libvirt.ERR_NO_SUPPORT}},
	} {
		synctest.Test(t, func(t *testing.T) {
			a, _, made := hedged(t.Context(), true, takes{everything: time.Millisecond}, c.fail)
			if made[everything] != c.made || !errors.Is(a.err(), c.err) || a.ok(everything) != (c.err == nil) {
				t.Errorf("%s: made %d times, %v", name, made[everything], a.err())
			}
		})
	}
}

// aHost has read three VMs that run and one that does not, and hears of events.
func aHost() *Reader {
	r := testReader()
	r.hearing = time.Now().Add(-time.Hour)
	var all []found
	for _, uuid := range []string{"calm", "moving", "stuck", "off"} {
		yes := uuid != "stuck"
		f := found{id: 7, asked: time.Now(), vm: stat.VM{UUID: uuid, CPUSeconds: cluster.Known(5), Answers: &yes, Blocks: []stat.Block{{Device: "vda"}}}}
		f.state(libvirt.DOMAIN_RUNNING, 0)
		if uuid == "off" {
			f = found{asked: time.Now(), vm: stat.VM{UUID: uuid}}
			f.state(libvirt.DOMAIN_SHUTOFF, 0)
		}
		all = append(all, f)
	}
	r.assemble(all, node{}, stat.Reading{})
	r.memory["moving"].stirredAt = time.Now()
	return r
}

func event(e libvirt.DomainEventType, detail int) *libvirt.DomainEventLifecycle {
	return &libvirt.DomainEventLifecycle{Event: e, Detail: detail}
}

// told is a page of a reading in which only the calls of these widths came back, and they told of these VMs.
func told(t *testing.T, r *Reader, got map[width][]found) map[string]stat.VM {
	t.Helper()
	names := r.lastKnown()
	a := answers{begun: [widths]bool{true, true, true}}
	for w, found := range got {
		a.got[w] = &answer{of: w, found: found, asked: names}
	}
	all, err := r.join(a, names)
	if err != nil {
		t.Fatal(err)
	}
	page := map[string]stat.VM{}
	for _, vm := range r.assemble(all, node{}, stat.Reading{}).VMs {
		page[vm.UUID] = vm
	}
	return page
}

func running(uuid string, cpu float64) found {
	f := found{id: 7, asked: time.Now(), vm: stat.VM{UUID: uuid, CPUSeconds: cluster.Known(cpu)}}
	f.state(libvirt.DOMAIN_RUNNING, 0)
	return f
}

func TestOnlyVMsThatNothingHoldsUpAreAskedByName(t *testing.T) {
	r := aHost()
	if got := r.lastKnown(); !slices.Equal(got, []string{"calm"}) {
		t.Errorf("%v", got)
	}
	r.memory["moving"].stirredAt = time.Now().Add(-stirsFor)
	if got := r.lastKnown(); len(got) != 2 {
		t.Errorf("%v", got)
	}
	r.memory["moving"].job = &stat.Job{}
	if got := r.lastKnown(); !slices.Equal(got, []string{"calm"}) {
		t.Errorf("%v", got)
	}
	// It comes back: what is remembered of its last life here is no reason to ask for it by name.
	delete(r.memory, "stuck")
	arriving := found{id: 9, vm: stat.VM{UUID: "calm"}}
	arriving.state(libvirt.DOMAIN_PAUSED, int(libvirt.DOMAIN_PAUSED_MIGRATION))
	r.assemble([]found{arriving}, node{}, stat.Reading{})
	if got := r.lastKnown(); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// Few VMs are told as they were, with the same counters, and as ones that did not answer.
func TestALockedVMIsToldAsItWas(t *testing.T) {
	r := aHost()
	page := told(t, r, map[width][]found{free: {running("calm", 6)}})
	if len(page) != 4 || page["calm"].CPUSeconds != cluster.Known(6) || page["off"].State != cluster.VMShutoff {
		t.Fatalf("%+v", page)
	}
	if vm := page["moving"]; vm.State != cluster.VMRunning || vm.CPUSeconds != cluster.Known(5) || vm.Blocks != nil || vm.Answers == nil || *vm.Answers {
		t.Errorf("%+v", vm)
	}
	if vm := page["calm"]; vm.Answers == nil || !*vm.Answers {
		t.Errorf("%+v", vm)
	}
	// What is known of it is what it told itself.
	if m := r.memory["moving"]; !*m.now.Answers || len(m.now.Blocks) != 1 {
		t.Errorf("%+v", m.now)
	}
	r.memory["moving"].askedAt = time.Now().Add(-toldFor - time.Second)
	if _, ok := told(t, r, map[width][]found{free: {running("calm", 8)}})["moving"]; ok {
		t.Error("a VM that was not seen for long is still told of")
	}
}

// The state of a VM that was not to be asked is of now; what takes an answer of it is as it was last.
func TestABusyVMKeepsItsCPUTime(t *testing.T) {
	r := aHost()
	bare := func(uuid string) found {
		f := running(uuid, 0)
		f.vm.CPUSeconds = cluster.Number{}
		return f
	}
	page := told(t, r, map[width][]found{present: {bare("calm"), bare("moving"), bare("stuck")}})
	if page["calm"].CPUSeconds.Known || page["moving"].CPUSeconds != cluster.Known(5) || page["stuck"].CPUSeconds != cluster.Known(5) || *page["stuck"].Answers {
		t.Errorf("%+v", page)
	}
	other := bare("moving")
	other.id = 8
	if page := told(t, r, map[width][]found{present: {other}}); page["moving"].CPUSeconds.Known {
		t.Error("another life has the CPU time of the last one")
	}
}

// Where one call told of all VMs, none is told of that it did not tell of, whatever was known.
func TestACompleteAnswerIsTheWholeTruth(t *testing.T) {
	for _, w := range []width{everything, present} {
		if page := told(t, aHost(), map[width][]found{w: {running("calm", 6)}}); len(page) != 1 {
			t.Errorf("%d: %+v", w, page)
		}
	}
	// One that was asked by name and is not there has left.
	if page := told(t, aHost(), map[width][]found{free: nil}); len(page) != 3 {
		t.Errorf("%+v", page)
	}
}

func TestAVMThatHasLeftIsNeverToldAsItWas(t *testing.T) {
	for name, e := range map[string]*libvirt.DomainEventLifecycle{
		"migrated away": event(libvirt.DOMAIN_EVENT_STOPPED, int(libvirt.DOMAIN_EVENT_STOPPED_MIGRATED)),
		"crashed":       event(libvirt.DOMAIN_EVENT_STOPPED, int(libvirt.DOMAIN_EVENT_STOPPED_CRASHED)),
		"undefined":     event(libvirt.DOMAIN_EVENT_UNDEFINED, 0),
	} {
		r := aHost()
		r.memory["moving"].whereabouts(e, time.Now())
		r.memory["off"].whereabouts(e, time.Now())
		if page := told(t, r, map[width][]found{free: {running("calm", 6)}}); len(page) != 2 {
			t.Errorf("%s: %+v", name, page)
		}
		// A reading that has it again knows better.
		told(t, r, map[width][]found{present: {running("calm", 7), running("moving", 1)}})
		if _, ok := told(t, r, map[width][]found{free: {running("calm", 8)}})["moving"]; !ok {
			t.Errorf("%s: when it is back it is not told of", name)
		}
	}
}

func TestAVMThatIsHandedOverDoesNotRunHere(t *testing.T) {
	for detail, want := range map[libvirt.DomainEventSuspendedDetailType]string{
		libvirt.DOMAIN_EVENT_SUSPENDED_MIGRATED: "paused", libvirt.DOMAIN_EVENT_SUSPENDED_POSTCOPY: "", libvirt.DOMAIN_EVENT_SUSPENDED_PAUSED: "running",
	} {
		r := aHost()
		r.memory["moving"].whereabouts(event(libvirt.DOMAIN_EVENT_SUSPENDED, int(detail)), time.Now())
		got := ""
		if vm, ok := told(t, r, map[width][]found{free: {running("calm", 6)}})["moving"]; ok {
			got = vm.State.String()
		}
		if got != want {
			t.Errorf("detail %d: it is %q, want %q", detail, got, want)
		}
	}
	r := aHost()
	r.memory["moving"].whereabouts(event(libvirt.DOMAIN_EVENT_SUSPENDED, int(libvirt.DOMAIN_EVENT_SUSPENDED_MIGRATED)), time.Now())
	r.memory["moving"].whereabouts(event(libvirt.DOMAIN_EVENT_RESUMED, int(libvirt.DOMAIN_EVENT_RESUMED_UNPAUSED)), time.Now())
	if vm := told(t, r, map[width][]found{free: {running("calm", 6)}})["moving"]; vm.State != cluster.VMRunning {
		t.Errorf("its migration failed and it is %s", vm.State)
	}
}

// Without events nobody knows whether a VM that was not asked is still there.
func TestWithoutEventsNoVMThatRanIsToldAsItWas(t *testing.T) {
	for name, hearing := range map[string]time.Time{"none are heard": {}, "some were missed": time.Now().Add(time.Minute)} {
		r := aHost()
		r.hearing = hearing
		if page := told(t, r, map[width][]found{free: {running("calm", 6)}}); len(page) != 2 {
			t.Errorf("%s: %+v", name, page)
		}
	}
}

// A daemon that answers nothing is told to be down, whatever is remembered of its VMs.
func TestNothingIsToldOfADaemonThatAnswersNothing(t *testing.T) {
	r := aHost()
	a := answers{begun: [widths]bool{true, true, true}}
	a.got[everything] = &answer{of: everything, err: context.DeadlineExceeded}
	if all, err := r.join(a, r.lastKnown()); !errors.Is(err, context.DeadlineExceeded) || all != nil {
		t.Errorf("%v, %v", all, err)
	}
}
