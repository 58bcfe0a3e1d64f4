package fence

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"pgregory.net/rapid"
)

// fake is a way whose answers a test gives. All it is asked is noted in order.
type fake struct {
	name     string
	notes    *[]string
	onStatus func() (cluster.PowerState, error)
	onTurn   func(cluster.PowerState) error
	// takes is how long each answer takes.
	takes time.Duration
}

func (f *fake) String() string { return f.name }

func (f *fake) wait(ctx context.Context) error {
	if f.takes == 0 {
		return nil
	}
	return sleep(ctx, f.takes)
}

func (f *fake) status(ctx context.Context) (cluster.PowerState, error) {
	if err := f.wait(ctx); err != nil {
		*f.notes = append(*f.notes, f.name+" silent")
		return cluster.PowerUnknown, err
	}
	s, err := f.onStatus()
	said := s.String()
	if err != nil {
		said = "silent"
	}
	*f.notes = append(*f.notes, f.name+" "+said)
	return s, err
}

func (f *fake) turn(ctx context.Context, to cluster.PowerState) error {
	*f.notes = append(*f.notes, f.name+" do "+to.String())
	if err := f.wait(ctx); err != nil {
		return err
	}
	return f.onTurn(to)
}

func always(s cluster.PowerState) func() (cluster.PowerState, error) {
	return func() (cluster.PowerState, error) { return s, nil }
}

func never() (cluster.PowerState, error) { return cluster.PowerUnknown, errors.New("no route to host") }

func obeys(cluster.PowerState) error { return nil }

func refuses(cluster.PowerState) error { return errors.New("no route to host") }

// later answers with the first state for so long, and then with the second.
func later(d time.Duration, first, then cluster.PowerState) func() (cluster.PowerState, error) {
	began := time.Now()
	return func() (cluster.PowerState, error) {
		if time.Since(began) < d {
			return first, nil
		}
		return then, nil
	}
}

// fencer has one host with the ways, each with a timeout of ten seconds.
func fencer(retries int, ways ...*fake) (*Fencer, *[]string) {
	notes := &[]string{}
	f := New([]Host{{Name: "host1"}})
	for i, w := range ways {
		w.name, w.notes = string(rune('A'+i)), notes
		f.hosts["host1"].methods = append(f.hosts["host1"].methods, method{way: w, level: i + 1, timeout: 10 * time.Second, retries: retries})
	}
	return f, notes
}

func TestOff(t *testing.T) {
	on, off := cluster.PowerOn, cluster.PowerOff
	for _, c := range []struct {
		name    string
		retries int
		ways    func() []*fake
		level   int
		err     string
		notes   string
		within  time.Duration
	}{
		{"at once", 0, func() []*fake { return []*fake{{onTurn: obeys, onStatus: always(off)}} }, 1, "", "A do off, A off", 0},
		{"after a while", 0, func() []*fake { return []*fake{{onTurn: obeys, onStatus: later(2500*time.Millisecond, on, off)}} }, 1, "", "A do off, A on, A on, A on, A off", 3 * time.Second},
		{"a liar", 0, func() []*fake { return []*fake{{onTurn: obeys, onStatus: always(on)}} }, 0, "host host1 could not be turned off: A: it took the command to turn off, and status says on, for 10s", "", 10 * time.Second},
		{"a liar, tried again", 2, func() []*fake { return []*fake{{onTurn: obeys, onStatus: later(15*time.Second, on, off)}} }, 1, "", "", 15 * time.Second},
		{"the command fails and did it", 0, func() []*fake { return []*fake{{onTurn: refuses, onStatus: always(off)}} }, 1, "", "A do off, A off", 0},
		{"the command fails and did not", 1, func() []*fake { return []*fake{{onTurn: refuses, onStatus: always(on)}} }, 0, "off: no route to host; status says on", "A do off, A on, A do off, A on", time.Second},
		{"the second level", 1, func() []*fake {
			return []*fake{{onTurn: refuses, onStatus: never}, {onTurn: obeys, onStatus: always(off)}}
		}, 2, "", "A do off, A silent, A do off, A silent, B do off, B off", time.Second},
		{"both are dark", 0, func() []*fake {
			return []*fake{{onTurn: refuses, onStatus: never}, {onTurn: refuses, onStatus: never}}
		}, 0, "A: off: no route to host; status: no route to host; B: off: no route to host; status: no route to host", "", 0},
		{"it hangs", 0, func() []*fake {
			return []*fake{{takes: time.Hour, onTurn: obeys, onStatus: always(off)}, {onTurn: obeys, onStatus: always(off)}}
		}, 2, "", "A do off, A silent, B do off, B off", 20 * time.Second},
		{"the status says so only while the command is fresh in mind", 0, func() []*fake {
			return []*fake{{onTurn: refuses, onStatus: always(on)}, {onTurn: obeys, onStatus: always(off)}}
		}, 0, "its status says off, and that of A says on: both cannot be", "", 11 * time.Second},
		{"the first level follows", 0, func() []*fake {
			return []*fake{{onTurn: refuses, onStatus: later(3500*time.Millisecond, on, off)}, {onTurn: obeys, onStatus: always(off)}}
		}, 2, "", "A do off, A on, B do off, B off, A on, A on, A on, A on, A off, B off", 4 * time.Second},
		{"the second level takes the first one's power", 0, func() []*fake {
			n := 0
			return []*fake{{onTurn: refuses, onStatus: func() (cluster.PowerState, error) {
				if n++; n > 1 {
					return never()
				}
				return on, nil
			}}, {onTurn: obeys, onStatus: always(off)}}
		}, 2, "", "", 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, notes := fencer(c.retries, c.ways()...)
				began := time.Now()
				r, err := f.Off(context.Background(), "host1")
				took := time.Since(began)
				if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
					t.Errorf("%v, want %q", err, c.err)
				}
				if want := map[bool]cluster.PowerState{true: off, false: cluster.PowerUnknown}[err == nil]; r.State != want || r.Level != c.level || r.Host != "host1" || (r.Reason == "") != (err == nil) {
					t.Errorf("%+v", r)
				}
				if got := strings.Join(*notes, ", "); c.notes != "" && got != c.notes {
					t.Errorf("it asked\n%s, want\n%s", got, c.notes)
				}
				if took > c.within+time.Second || r.Seconds != took.Seconds() {
					t.Errorf("it took %s and says %g s, want %s", took, r.Seconds, c.within)
				}
			})
		})
	}
}

// Whatever the ways do, off is reported only when the last answer of all says so and nobody else's last word is on; and
// it ends within its bounds.
func TestOffIsNeverReportedUnlessTheLastStatusSaysSo(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type step struct {
			state cluster.PowerState
			fails bool
			takes time.Duration
		}
		steps := func(label string) []step {
			return rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
				return step{cluster.PowerState(rapid.IntRange(1, 2).Draw(rt, "state")), rapid.IntRange(0, 3).Draw(rt, "fails") == 0,
					time.Duration(rapid.SampledFrom([]int{0, 0, 0, 1, 7, 30}).Draw(rt, "takes")) * time.Second}
			}), 1, 12).Draw(rt, label)
		}
		var ways []*fake
		for i := range rapid.IntRange(1, 3).Draw(rt, "ways") {
			answers, turns := steps(fmt.Sprintf("answers%d", i)), steps(fmt.Sprintf("turns%d", i))
			w := &fake{}
			next := func(list *[]step) step {
				s := (*list)[0]
				*list = append((*list)[1:], s)
				w.takes = (*list)[0].takes
				return s
			}
			w.onStatus = func() (cluster.PowerState, error) {
				if s := next(&answers); !s.fails {
					return s.state, nil
				}
				return never()
			}
			w.onTurn = func(cluster.PowerState) error {
				if next(&turns).fails {
					return refuses(0)
				}
				return nil
			}
			ways = append(ways, w)
		}
		retries := rapid.IntRange(0, 2).Draw(rt, "retries")
		synctest.Test(t, func(*testing.T) {
			f, notes := fencer(retries, ways...)
			began := time.Now()
			r, err := f.Off(context.Background(), "host1")
			if (err == nil) != (r.State == cluster.PowerOff) {
				rt.Fatalf("%v and %+v", err, r)
			}
			if bound := time.Duration(len(ways)*(retries+1)) * time.Duration(3+len(ways)) * 11 * time.Second; time.Since(began) > bound {
				rt.Fatalf("it took %s, more than %s", time.Since(began), bound)
			}
			if err != nil {
				return
			}
			all := *notes
			if last := all[len(all)-1]; last != r.Method+" off" {
				rt.Fatalf("off by %s, and the last that was said is %q of %q", r.Method, last, all)
			}
			if s := r.Steps[len(r.Steps)-1]; s.State != cluster.PowerOff || s.Did != "status" || s.Method != r.Method {
				rt.Fatalf("off, and the last step is %+v", s)
			}
		})
	})
}

func TestOnNeedsAStatusToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := fencer(0, &fake{onTurn: obeys, onStatus: always(cluster.PowerOff)}, &fake{onTurn: obeys, onStatus: later(15*time.Second, cluster.PowerOff, cluster.PowerOn)})
		if r, err := f.On(context.Background(), "host1"); err != nil || r.State != cluster.PowerOn || r.Level != 2 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestStatusIsTheFirstAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, notes := fencer(3, &fake{onStatus: never}, &fake{onStatus: always(cluster.PowerOff)}, &fake{onStatus: always(cluster.PowerOn)})
		if r := f.Status(context.Background(), "host1"); r.State != cluster.PowerOff || r.Method != "B" || r.Level != 2 || r.Reason != "" {
			t.Errorf("%+v", r)
		}
		if got := strings.Join(*notes, ", "); got != "A silent, B off" {
			t.Errorf("%s", got)
		}
		f, _ = fencer(0, &fake{onStatus: never}, &fake{takes: time.Hour})
		if r := f.Status(context.Background(), "host1"); r.State != cluster.PowerUnknown || r.Reason != "A: no route to host; B: context deadline exceeded" || r.Seconds != 10 {
			t.Errorf("%+v", r)
		}
		f = New([]Host{{Name: "bare"}})
		for host, want := range map[string]string{"bare": "has no way to be fenced; add fence", "nobody": "is not in the configuration"} {
			r := f.Status(context.Background(), host)
			_, err := f.Off(context.Background(), host)
			if r.State != cluster.PowerUnknown || !strings.Contains(r.Reason, want) || err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v, %v", r, err)
			}
		}
	})
}

func TestQuestionsOnEndWithOneAnswerAreOneStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := fencer(0, &fake{onTurn: obeys, onStatus: later(4500*time.Millisecond, cluster.PowerOn, cluster.PowerOff)})
		r, err := f.Off(context.Background(), "host1")
		if err != nil || len(r.Steps) != 3 || r.Steps[1].Times != 5 || r.Steps[1].Seconds != 4 || r.Steps[2].Times != 1 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestAHostIsSwitchedByOneCallAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, notes := fencer(0, &fake{takes: 3 * time.Second, onTurn: obeys, onStatus: always(cluster.PowerOff)})
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = f.Off(context.Background(), "host1") })
		synctest.Wait()
		hurried, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := f.On(hurried, "host1"); err == nil || !strings.Contains(err.Error(), "is being switched by another call") {
			t.Errorf("%v", err)
		}
		f.Configure([]Host{{Name: "host1", Methods: []Method{{}}}}) // who waits goes on waiting
		if _, err := f.On(context.Background(), "host1"); err == nil || !strings.Contains(err.Error(), "neither an agent nor redfish") {
			t.Errorf("%v", err)
		}
		wg.Wait()
		if got := strings.Join(*notes, ", "); got != "A do off, A off" {
			t.Errorf("%s", got)
		}
	})
}

func TestWhoCallsMayGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, notes := fencer(5, &fake{onTurn: obeys, onStatus: always(cluster.PowerOn)}, &fake{onTurn: obeys, onStatus: always(cluster.PowerOff)})
		ctx, cancel := context.WithTimeout(context.Background(), 2500*time.Millisecond)
		defer cancel()
		r, err := f.Off(ctx, "host1")
		if err == nil || r.State != cluster.PowerUnknown || r.Seconds != 2.5 || strings.Contains(strings.Join(*notes, ", "), "B") {
			t.Errorf("%+v, %v, %v", r, err, *notes)
		}
	})
}

// The whole way with programs: the first level is dark, the second obeys after a while.
func TestOffByRealPrograms(t *testing.T) {
	dark, good := agent(t, `sleep 600`), agent(t, strings.Replace(honest, "*) echo", "*) sleep 0.2; echo", 1))
	good.Options["ip"] = "strip1"
	f := New([]Host{{Name: "host1", Methods: []Method{{Agent: &dark, Timeout: 300 * time.Millisecond}, {Agent: &good, Timeout: 20 * time.Second}}}})
	r, err := f.Off(within(t, 60*time.Second), "host1")
	if err != nil || r.State != cluster.PowerOff || r.Method != "fence_test strip1" || r.Level != 2 || len(r.Steps) != 4 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, s := range r.Steps[:2] {
		if !strings.Contains(s.Error, "no answer within 300ms") {
			t.Errorf("%+v", s)
		}
	}
}
