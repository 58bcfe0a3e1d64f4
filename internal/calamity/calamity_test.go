package calamity

import (
	"flag"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/recovery"
	"github.com/evenkeel/evenkeel/actuator/verdict"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

var (
	days  = flag.Int("days", 200, "how many days to run")
	first = flag.Uint64("seed", 1, "the first one's seed")
	tell  = flag.Bool("tell", false, "tell of the first day what happens")
)

// Nothing runs twice and nothing is lost, whatever breaks. A day that fails is run again, with all that happened, by
// go test ./internal/calamity -days 1 -tell -v -seed N.
func TestDays(t *testing.T) {
	var all Report
	all.Faults, all.Actions = map[string]int{}, map[string]int{}
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	broken := 0
	for i := range *days {
		o := Options{}
		if *tell && i == 0 {
			o.Log = func(line string) { t.Log(line) }
		}
		r := Day(*first+uint64(i), o)
		all.add(r)
		if len(r.Broken) > 0 {
			if broken++; broken <= 10 {
				t.Errorf("day %d: %s", r.Seed, strings.Join(r.Broken[:min(3, len(r.Broken))], "\n"))
			}
		}
	}
	t.Logf("%d days, %d of them broken\n%s", *days, broken, all)
	if *days >= 200 && (all.Actions["start"] < 100 || all.Actions["fence"] < 10 || all.Confirmed == 0) {
		t.Errorf("little was done: %v", all.Actions)
	}
}

func TestTheSameSeedGivesTheSameDay(t *testing.T) {
	var told [2][]string
	for i := range told {
		Day(7, Options{Hosts: 6, Faults: 8, Log: func(line string) { told[i] = append(told[i], line) }})
	}
	if !slices.Equal(told[0], told[1]) {
		t.Error("the day went another way the second time")
	}
}

// add puts another day's counts in.
func (r *Report) add(o Report) {
	for k, n := range o.Faults {
		r.Faults[k] += n
	}
	for k, n := range o.Actions {
		r.Actions[k] += n
	}
	r.Looks += o.Looks
	r.DoubleStarts, r.LockStops = r.DoubleStarts+o.DoubleStarts, r.LockStops+o.LockStops
	r.AutostartDoubles, r.AutostartStopped = r.AutostartDoubles+o.AutostartDoubles, r.AutostartStopped+o.AutostartStopped
	r.Confirmed, r.Unknowable = r.Confirmed+o.Confirmed, r.Unknowable+o.Unknowable
	r.Protected, r.NoRoom, r.NotKept, r.Waits = r.Protected+o.Protected, r.NoRoom+o.NoRoom, r.NotKept+o.NotKept, r.Waits+o.Waits
	r.VMs, r.Unseen = r.VMs+o.VMs, r.Unseen+o.Unseen
	r.Down = append(r.Down, o.Down...)
}

func (r Report) String() string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(r.Faults)) {
		fmt.Fprintf(&b, "%8d %s\n", r.Faults[k], k)
	}
	fmt.Fprintf(&b, "%d looks; did %v\n", r.Looks, r.Actions)
	fmt.Fprintf(&b, "double starts %d, of which only a lock stopped %d; by autostart of a host that came back %d, stopped by a lock %d\n", r.DoubleStarts+r.LockStops, r.LockStops, r.AutostartDoubles, r.AutostartStopped)
	fmt.Fprintf(&b, "%d hosts confirmed to be off; %d starts of VMs that a person had stopped with nobody having seen it\n", r.Confirmed, r.Unknowable)
	fmt.Fprintf(&b, "%d VMs, %d protected at the end; not running for want of room %d, of a definition %d, of what they need %d, unseen %d\n", r.VMs, r.Protected, r.NoRoom, r.NotKept, r.Waits, r.Unseen)
	slices.Sort(r.Down)
	if n := len(r.Down); n > 0 {
		fmt.Fprintf(&b, "%d VMs brought back, after %s (median), %s (90 %%)", n, r.Down[n/2].Round(time.Second), r.Down[n*9/10].Round(time.Second))
	}
	return b.String()
}

// thousand is a cluster of 1,000 hosts and 10,000 VMs, of which as many hosts fail at once.
func thousand(fail int) *day {
	r := Report{Faults: map[string]int{}, Actions: map[string]int{}}
	d := &day{w: plain(1000, 10, &r)}
	d.s = newServer(d.w)
	for d.w.now.Before(d.w.changed.Add(time.Minute)) {
		d.stamps()
		d.s.look()
		d.w.run(d.w.now.Add(interval))
	}
	for _, h := range d.w.hosts[:fail] {
		d.w.off(h)
	}
	return d
}

// From the first look in which every witness is silent to the verdict that a host is dead, in the cluster's time. Until then Prometheus has what the
// exporters said at their last scrape.
func TestAThousandHostsAreJudgedInTime(t *testing.T) {
	d := thousand(10)
	cut, silent, took, longest := d.w.now, map[string]time.Time{}, map[string]time.Duration{}, time.Duration(0)
	for range 30 {
		d.stamps()
		d.s.look()
		for _, h := range d.s.list {
			if silent[h.Host].IsZero() && h.Exporter != "yes" && h.Libvirt == "no" && h.Heartbeat != "yes" {
				silent[h.Host] = d.w.now
			}
			if _, known := took[h.Host]; !known && h.Verdict == "dead" {
				took[h.Host] = d.w.now.Sub(silent[h.Host])
				longest = max(longest, took[h.Host])
				t.Logf("%s: silent %s after its power was cut, dead %s later", h.Host, silent[h.Host].Sub(cut), took[h.Host])
			}
		}
		d.w.run(d.w.now.Add(interval))
	}
	if len(took) != 10 || longest >= 5*time.Second {
		t.Errorf("%d of 10 hosts were found dead, the last %s after it was silent; it must be less than 5s", len(took), longest)
	}
}

// BenchmarkThousandHosts is the CPU time of one pass at 1,000 hosts with 10,000 VMs, ten of the hosts off.
func BenchmarkThousandHosts(b *testing.B) {
	d := thousand(10)
	for range 40 {
		d.stamps()
		d.s.look()
		d.w.run(d.w.now.Add(interval))
	}
	evidence := make([]verdict.Evidence, len(d.w.hosts))
	rolls := make([]cluster.Roll, 0, len(d.w.hosts))
	for i, k := range d.s.watched {
		evidence[i] = k.evidence
		rolls = append(rolls, k.roll)
	}
	b.Run("Judge", func(b *testing.B) {
		for b.Loop() {
			verdict.Judge(evidence, d.s.verdicts)
		}
	})
	now := d.w.now
	fresh := func() {
		now = now.Add(time.Second)
		for i := range rolls {
			if d.w.hosts[i].answers() {
				rolls[i].At = now
			}
			d.s.list[i].LookedAt = now
		}
	}
	first, _ := d.s.snapshot()
	d.s.tracker.Remember(first)
	b.Run("See", func(b *testing.B) {
		for b.Loop() {
			fresh()
			d.s.tracker.See(rolls, d.s.list, nil, now)
		}
	})
	for i := range d.w.hosts { // what ran there is known although it has not called its roll
		if rolls[i].At.IsZero() {
			b.Fatal("a host has not called its roll")
		}
	}
	snap := d.s.tracker.Down(first)
	b.Run("Decide", func(b *testing.B) {
		n := 0
		for b.Loop() {
			view := recovery.View{Now: now, Snapshot: snap, Hosts: d.s.list, Rolls: rolls, Kept: func(string) bool { return true }}
			n = len(recovery.Decide(d.s.tracker, view, d.s.recovery).Recommendations)
		}
		b.ReportMetric(float64(n), "starts")
	})
}
