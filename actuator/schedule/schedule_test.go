package schedule_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/schedule"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"pgregory.net/rapid"
)

// every are times with as much between them, counted from midnight.
type every time.Duration

func (e every) Next(t time.Time) time.Time {
	return t.Truncate(time.Duration(e)).Add(time.Duration(e))
}

// day is midnight, at which daily windows begin.
func day() time.Time { return time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC) }

func after(d time.Duration) time.Time { return day().Add(d) }

func daily(kind string, hosts ...string) schedule.Schedule {
	return schedule.Schedule{Name: "s", Kind: kind, Window: cluster.Window{Begins: every(24 * time.Hour), Lasts: 4 * time.Hour}, Hosts: hosts}
}

func backBy(hosts ...string) schedule.Schedule {
	s := daily(cluster.ScheduleWake, hosts...)
	s.Lead, s.Lasts = 12*time.Minute, time.Hour
	return s
}

// up to midnight the server looked after the schedules.
func looked() schedule.Book {
	return schedule.Book{Pages: map[string]schedule.Page{"s": {Known: after(-time.Minute)}}}
}

func told(steps []schedule.Step) string {
	var words []string
	for _, s := range steps {
		words = append(words, string(s.Do)+" "+s.Host)
	}
	return strings.Join(words, ", ")
}

func TestHostsThatSleepAreWoken(t *testing.T) {
	asleep := schedule.Host{Name: "h3", Asleep: true}
	proven := asleep
	proven.WakeTook = 3 * time.Minute
	slow := asleep
	slow.WakeTook = time.Hour
	for name, c := range map[string]struct {
		s    schedule.Schedule
		h    schedule.Host
		at   time.Duration
		want string
	}{
		"before the window":                      {daily(cluster.ScheduleNeverSleep, "h3"), asleep, -time.Second, ""},
		"when it begins":                         {daily(cluster.ScheduleNeverSleep, "h3"), asleep, 0, "wake h3"},
		"to its end":                             {daily(cluster.ScheduleNeverSleep, "h3"), asleep, 4*time.Hour - time.Second, "wake h3"},
		"and not after it":                       {daily(cluster.ScheduleNeverSleep, "h3"), asleep, 4 * time.Hour, ""},
		"all hosts":                              {daily(cluster.ScheduleNeverSleep), asleep, 0, "wake h3"},
		"another host":                           {daily(cluster.ScheduleNeverSleep, "h4"), asleep, 0, ""},
		"one that is awake":                      {daily(cluster.ScheduleNeverSleep), schedule.Host{Name: "h3", On: true}, 0, ""},
		"one that somebody else turned off":      {daily(cluster.ScheduleNeverSleep), schedule.Host{Name: "h3"}, 0, ""},
		"one that is called already":             {daily(cluster.ScheduleNeverSleep), schedule.Host{Name: "h3", Asleep: true, Called: true}, 0, ""},
		"by a time, as it took last time":        {backBy("h3"), proven, -5 * time.Minute, "wake h3"},
		"not much earlier than that":             {backBy("h3"), proven, -5*time.Minute - time.Second, ""},
		"by a time, nobody knows how long":       {backBy("h3"), asleep, -12 * time.Minute, "wake h3"},
		"no earlier than waking may take":        {backBy("h3"), slow, -12*time.Minute - time.Second, ""},
		"one that takes long":                    {backBy("h3"), slow, -12 * time.Minute, "wake h3"},
		"by a time, late":                        {backBy("h3"), proven, 59 * time.Minute, "wake h3"},
		"by a time, when it is of no use by now": {backBy("h3"), proven, time.Hour, ""},
	} {
		_, steps := schedule.Look([]schedule.Schedule{c.s}, looked(), []schedule.Host{c.h}, after(c.at))
		if got := told(steps); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestMaintenanceOfASchedule(t *testing.T) {
	s := daily(cluster.ScheduleMaintenance, "h1")
	book, steps := schedule.Look([]schedule.Schedule{s}, looked(), []schedule.Host{{Name: "h1", On: true}, {Name: "h2", On: true}}, after(0))
	if told(steps) != "enter h1" || !steps[0].Until.Equal(after(4*time.Hour)) {
		t.Fatalf("%+v", steps)
	}
	ours := schedule.Host{Name: "h1", On: true, Kept: true, By: "s", Until: after(4 * time.Hour)}
	if book, steps = schedule.Look([]schedule.Schedule{s}, book, []schedule.Host{ours}, after(time.Second)); len(steps) != 0 {
		t.Errorf("it was in maintenance: %+v", steps)
	}
	ended := schedule.Host{Name: "h1", On: true}
	if _, steps := schedule.Look([]schedule.Schedule{s}, book, []schedule.Host{ended}, after(time.Minute)); len(steps) != 0 {
		t.Errorf("a person ended it: %+v", steps)
	}
	persons := schedule.Host{Name: "h1", On: true, Kept: true}
	if _, steps := schedule.Look([]schedule.Schedule{s}, looked(), []schedule.Host{persons}, after(0)); len(steps) != 0 {
		t.Errorf("a person keeps it in maintenance: %+v", steps)
	}
	longer := s
	longer.Lasts = 6 * time.Hour
	if _, steps := schedule.Look([]schedule.Schedule{longer}, book, []schedule.Host{ours}, after(time.Minute)); told(steps) != "enter h1" || !steps[0].Until.Equal(after(6*time.Hour)) {
		t.Errorf("it was made longer: %+v", steps)
	}
	for name, list := range map[string][]schedule.Schedule{"taken away": nil, "of another host": {daily(cluster.ScheduleMaintenance, "h2")}, "something else by now": {daily(cluster.ScheduleNeverSleep, "h1")}} {
		if _, steps := schedule.Look(list, book, []schedule.Host{ours}, after(time.Minute)); !strings.Contains(told(steps), "leave h1") {
			t.Errorf("%s: %+v", name, steps)
		}
		if _, steps := schedule.Look(list, book, []schedule.Host{persons}, after(time.Minute)); strings.Contains(told(steps), "leave") {
			t.Errorf("%s, and a person's order: %+v", name, steps)
		}
	}
}

func TestWhatCameOfAWindow(t *testing.T) {
	empty := schedule.Host{Name: "h1", On: true, Kept: true, By: "s", Until: after(4 * time.Hour), Looked: true}
	full, unseen := empty, empty
	full.Left, unseen.Looked = []string{"web1", "web2", "web3", "web4", "db1"}, false
	up, asleep := schedule.Host{Name: "h1", On: true}, schedule.Host{Name: "h1", Asleep: true}
	type look struct {
		at time.Duration
		h  schedule.Host
	}
	for name, c := range map[string]struct {
		s      schedule.Schedule
		looks  []look
		result string
		reason string
	}{
		"it is open":                        {daily(cluster.ScheduleMaintenance, "h1"), []look{{0, up}, {time.Hour, full}}, "open", "h1 is not empty: web1, web2, web3 and 2 more"},
		"it is not seen":                    {daily(cluster.ScheduleMaintenance, "h1"), []look{{0, up}, {time.Hour, unseen}}, "open", "h1 has not been seen since it entered maintenance"},
		"it sleeps":                         {daily(cluster.ScheduleMaintenance, "h1"), []look{{0, asleep}}, "open", "h1 is off: evenkeel keeps it in standby"},
		"it was emptied":                    {daily(cluster.ScheduleMaintenance, "h1"), []look{{0, up}, {time.Hour, empty}, {4 * time.Hour, up}}, "done", ""},
		"it was not":                        {daily(cluster.ScheduleMaintenance, "h1"), []look{{0, up}, {time.Hour, full}, {4 * time.Hour, up}}, "failed", "h1 is not empty: web1, web2, web3 and 2 more"},
		"it was, and the end was not seen":  {daily(cluster.ScheduleMaintenance, "h1"), []look{{0, up}, {time.Hour, empty}, {9 * time.Hour, up}}, "done", ""},
		"it began late":                     {daily(cluster.ScheduleMaintenance, "h1"), []look{{time.Hour, empty}}, "open", "began late at 01:00 UTC, the server was down"},
		"it began late and is over":         {daily(cluster.ScheduleMaintenance, "h1"), []look{{time.Hour, empty}, {5 * time.Hour, up}}, "done", "began late at 01:00 UTC, the server was down"},
		"nobody looked":                     {daily(cluster.ScheduleMaintenance, "h1"), []look{{5 * time.Hour, up}}, "missed", "the server was down"},
		"nobody looked three times":         {daily(cluster.ScheduleMaintenance, "h1"), []look{{53 * time.Hour, up}}, "missed", "the server was down, 3 times in a row"},
		"nobody looked, and then it opened": {daily(cluster.ScheduleMaintenance, "h1"), []look{{25 * time.Hour, up}}, "open", "began late at 01:00 UTC, the server was down; h1 is not in maintenance"},
		"it is awake":                       {daily(cluster.ScheduleNeverSleep), []look{{0, asleep}, {time.Minute, up}, {4 * time.Hour, up}}, "done", ""},
		"it was never awake":                {daily(cluster.ScheduleNeverSleep), []look{{0, asleep}, {time.Minute, asleep}, {4 * time.Hour, asleep}}, "failed", "h1 sleeps"},
		"it was back in time":               {backBy("h1"), []look{{-12 * time.Minute, asleep}, {-time.Minute, up}, {time.Hour, up}}, "done", ""},
		"it was back late":                  {backBy("h1"), []look{{-12 * time.Minute, asleep}, {time.Minute, up}, {time.Hour, up}}, "failed", "h1 was back at 00:01 UTC, after 00:00 UTC"},
		"it is off, and not by us":          {backBy("h1"), []look{{-12 * time.Minute, schedule.Host{Name: "h1"}}, {time.Hour, up}}, "failed", "h1 does not answer, and evenkeel did not turn it off"},
		"it is being woken":                 {backBy("h1"), []look{{-12 * time.Minute, schedule.Host{Name: "h1", Asleep: true, Called: true}}}, "open", "h1 sleeps, and is to be woken"},
		"levels":                            {daily(cluster.ScheduleLevel), []look{{0, up}, {4 * time.Hour, up}}, "done", ""},
	} {
		book, now := looked(), day()
		for _, l := range c.looks {
			now = after(l.at)
			book, _ = schedule.Look([]schedule.Schedule{c.s}, book, []schedule.Host{l.h}, now)
		}
		if st := c.s.State(book, now); st.Result != c.result || st.Reason != c.reason {
			t.Errorf("%s: %s %q, want %s %q", name, st.Result, st.Reason, c.result, c.reason)
		}
	}
}

func TestAScheduleThatIsNewMissedNothing(t *testing.T) {
	s := daily(cluster.ScheduleMaintenance, "h1")
	book, steps := schedule.Look([]schedule.Schedule{s}, schedule.Book{}, nil, after(5*time.Hour))
	if st := s.State(book, after(5*time.Hour)); st.Result != "" || !st.Last.IsZero() || !st.Next.Equal(after(24*time.Hour)) || len(steps) != 0 {
		t.Errorf("%+v %+v", st, steps)
	}
	book, _ = schedule.Look([]schedule.Schedule{s}, schedule.Book{}, nil, after(time.Hour))
	if st := s.State(book, after(time.Hour)); st.Result != "open" || st.Reason != "h1 is not in maintenance" {
		t.Errorf("%+v", st)
	}
}

func TestWhatWentWrongIsNoted(t *testing.T) {
	s := daily(cluster.ScheduleMaintenance, "h1")
	book, steps := schedule.Look([]schedule.Schedule{s}, looked(), []schedule.Host{{Name: "h1"}}, day())
	for i, want := range []bool{true, false} {
		var fresh bool
		if book, fresh = book.Note(steps[0], "the disk is full"); fresh != want {
			t.Errorf("told %d times: fresh is %v", i+1, fresh)
		}
	}
	if st := s.State(book, day()); st.Reason != "h1 is not in maintenance; h1: the disk is full" {
		t.Errorf("%q", st.Reason)
	}
	by, _ := schedule.Look([]schedule.Schedule{s}, book, []schedule.Host{{Name: "h1", Kept: true, Looked: true}}, after(time.Second))
	if st := s.State(by, after(time.Second)); st.Reason != "" {
		t.Errorf("a person did it: %q", st.Reason)
	}
	book, _ = book.Note(steps[0], "")
	if st := s.State(book, day()); st.Reason != "h1 is not in maintenance" {
		t.Errorf("%q", st.Reason)
	}
}

func TestASchedulesWords(t *testing.T) {
	level := daily(cluster.ScheduleLevel)
	level.Levels, level.Lasts = "level full", 90*time.Minute
	for want, s := range map[string]schedule.Schedule{"every host awake for 4h": daily(cluster.ScheduleNeverSleep), "h1, h2 awake for 4h": daily(cluster.ScheduleNeverSleep, "h1", "h2"),
		"h1 back by then": backBy("h1"), "h1 in maintenance for 4h": daily(cluster.ScheduleMaintenance, "h1"), "level full for 1h30m": level} {
		if got := s.What(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// world is a cluster of three hosts that does what the steps say, in which people do as they like.
type world struct{ hosts []schedule.Host }

func (w *world) take(steps []schedule.Step, now time.Time) {
	for i := range w.hosts {
		h := &w.hosts[i]
		if h.Kept && h.By != "" && !now.Before(h.Until) {
			h.Kept, h.By, h.Looked = false, "", false
		}
		for _, s := range steps {
			if s.Host != h.Name {
				continue
			}
			switch s.Do {
			case schedule.Call:
				h.Asleep, h.On = false, true
			case schedule.Enter:
				h.Kept, h.By, h.Until, h.Looked = true, s.Schedule, s.Until, true
			case schedule.Leave:
				h.Kept, h.By, h.Looked = false, "", false
			}
		}
	}
}

// Whenever the server looks and however long it is away, with the book read back from disk each time: what a person ordered is
// never touched, only hosts that evenkeel turned off are woken, looking twice asks for nothing more, no order of a schedule
// outlives its window, and every turn that has come is open, or over and accounted for.
func TestLawEveryTurnIsAccountedForAndPeopleAreLeftAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]string{cluster.ScheduleNeverSleep, cluster.ScheduleWake, cluster.ScheduleMaintenance, cluster.ScheduleLevel}).Draw(t, "kind")
		s := daily(kind, "h1", "h2")
		s.Begins, s.Lasts = every(rapid.SampledFrom([]time.Duration{6 * time.Hour, 24 * time.Hour}).Draw(t, "every")), time.Duration(rapid.IntRange(1, 300).Draw(t, "minutes"))*time.Minute
		if kind == cluster.ScheduleWake {
			s.Lead = 12 * time.Minute
		}
		w := &world{}
		for i := range 3 {
			w.hosts = append(w.hosts, schedule.Host{Name: fmt.Sprintf("h%d", i+1), On: true})
		}
		book, now := schedule.Book{}, day()
		for range 40 {
			now = now.Add(time.Duration(rapid.IntRange(1, 900).Draw(t, "gap")) * time.Minute)
			w.take(nil, now) // orders end by themselves
			if h := &w.hosts[rapid.IntRange(0, 2).Draw(t, "host")]; h.By == "" {
				h.Kept, h.Asleep = rapid.Bool().Draw(t, "kept"), rapid.Bool().Draw(t, "asleep")
			}
			before := slices.Clone(w.hosts)
			var steps []schedule.Step
			book, steps = schedule.Look([]schedule.Schedule{s}, reread(t, book), w.hosts, now)
			for _, step := range steps {
				h := before[slices.IndexFunc(before, func(h schedule.Host) bool { return h.Name == step.Host })]
				switch {
				case step.Do == schedule.Call && !h.Asleep:
					t.Fatalf("%s is to be woken, and evenkeel does not keep it off", h.Name)
				case step.Do != schedule.Call && h.Kept && h.By == "":
					t.Fatalf("a person keeps %s in maintenance, and the schedule says %s", h.Name, step.Do)
				case step.Do == schedule.Enter && !now.Before(step.Until):
					t.Fatalf("%s is to be in maintenance up to a time that is over", h.Name)
				}
			}
			w.take(steps, now)
			if _, more := schedule.Look([]schedule.Schedule{s}, book, w.hosts, now); len(more) > 0 {
				t.Fatalf("what was done is asked for once more: %+v", more)
			}
			turn, open := s.Turn(now)
			for _, h := range w.hosts {
				if h.By != "" && (!open || !h.Until.Equal(turn.End)) {
					t.Fatalf("the order about %s holds until %s, and the window is open until %s (%v)", h.Name, h.Until, turn.End, open)
				}
			}
			accounted(t, s, book, now, open, turn)
		}
	})
}

// accounted wants the newest turn to be open or over, as it is.
func accounted(t *rapid.T, s schedule.Schedule, book schedule.Book, now time.Time, open bool, turn cluster.Turn) {
	page := book.Pages["s"]
	if (page.Open != nil) != open || open && !page.Open.At.Equal(turn.At) {
		t.Fatalf("the book says %+v, and the window is open: %v", page.Open, open)
	}
	if open || page.Last == nil {
		return
	}
	newest := time.Time{}
	for at := s.Begins.Next(page.Last.At.Add(-time.Second)); !at.Add(s.Lasts).After(now); at = s.Begins.Next(at) {
		newest = at
	}
	if !page.Last.At.Equal(newest) {
		t.Fatalf("the last turn was that of %s, the book has that of %s", newest, page.Last.At)
	}
}

func reread(t *rapid.T, b schedule.Book) schedule.Book {
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var again schedule.Book
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	return again
}
