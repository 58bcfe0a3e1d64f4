package runbook

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// accept notes what follows from a notification: which runs begin, which are refused, and which alerts are over. What is noted
// twice counts once, so that Alertmanager may send the same again, in whatever order, and two of them may as well.
func (r *Room) accept(n notification, now time.Time) error {
	r.deciding.Lock()
	defer r.deciding.Unlock()
	defer r.poke()
	r.mu.Lock()
	books := slices.Clone(r.books)
	r.mu.Unlock()
	matched := false
	for _, b := range books {
		var list []alert
		for _, a := range n.Alerts {
			if b.matches(a.Labels) {
				list = append(list, a)
			}
		}
		if len(list) == 0 {
			continue
		}
		matched = true
		if err := r.acceptFor(b, list, untold{n.TruncatedAlerts, now}, n.GroupKey); err != nil {
			return err
		}
	}
	if !matched {
		r.log.Info("no runbook is for what Alertmanager tells", "alerts", len(n.Alerts), "group", n.GroupKey)
	}
	return nil
}

// acceptFor is accept for the alerts that match one runbook. What Alertmanager left out is taken to match as well. The caller
// holds deciding.
func (r *Room) acceptFor(b book, list []alert, left untold, group string) error {
	now := left.at
	r.mu.Lock()
	if delete(r.unseen, [2]string{b.Name, group}); left.n > 0 {
		r.unseen[[2]string{b.Name, group}] = left
	}
	r.mu.Unlock()
	slices.SortStableFunc(list, func(x, y alert) int { return x.StartsAt.Compare(y.StartsAt) })
	for _, a := range list {
		if a.Status == resolved {
			r.mu.Lock()
			id := r.idOf(b.Name, a)
			r.mu.Unlock()
			if err := r.settle(id, now); err != nil {
				return err
			}
		}
	}
	fresh := r.fresh(b, list, now)
	r.mu.Lock()
	n := r.standing(b, now) + len(fresh)
	r.mu.Unlock()
	for _, run := range fresh {
		refusal, sort := r.refusal(b, run, n, now)
		if refusal != "" {
			run.State, run.Reason, run.Finished = cluster.RunRefused, refusal, now
		}
		if err := r.admitRun(run); err != nil {
			return err
		}
		if refusal != "" {
			r.complain(b.Name+" "+sort, fmt.Sprintf("runbook %s does nothing about %s: %s", b.Name, about(run), refusal), now)
		}
	}
	return nil
}

// fresh makes a run of each alert that fires and that none is of yet, and notes that the others were told.
func (r *Room) fresh(b book, list []alert, now time.Time) []cluster.Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	var runs []cluster.Run
	seen := map[string]bool{}
	for _, a := range list {
		id := r.idOf(b.Name, a)
		_, known := r.runs[id]
		_, past := r.over[id]
		if known && a.Status == firing {
			r.told[id] = now
		}
		if a.Status != firing || known || past || seen[id] {
			continue
		}
		seen[id] = true
		runs = append(runs, cluster.Run{ID: id, Runbook: b.Name, Definition: b.definition, Alert: a.Labels, Since: a.StartsAt, DryRun: b.DryRun, Started: now})
	}
	return runs
}

// idOf names the run of an alert. Two Prometheis that watch the same do not begin an alert in the same instant, so an alert with the same
// labels that began at about the same time, and is not over, is the same. The caller holds mu.
func (r *Room) idOf(runbook string, a alert) string {
	id := runID(runbook, a.fingerprint(), a.StartsAt)
	if _, known := r.runs[id]; known {
		return id
	}
	for other, run := range r.runs {
		if run.Runbook == runbook && run.By == "" && run.Resolved.IsZero() && run.Since.Sub(a.StartsAt).Abs() < sameBeginning && maps.Equal(run.Alert, a.Labels) {
			return other
		}
	}
	return id
}

// settle notes that an alert is over.
func (r *Room) settle(id string, now time.Time) error {
	run, known := r.run(id)
	if !known {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.over[id] = now
		return nil
	}
	if !run.Resolved.IsZero() {
		return nil
	}
	run.Resolved = now
	return r.write(run)
}

// refusal says why a run must not begin, with a word for the sort of reason, or "". N is how many alerts match now.
func (r *Room) refusal(b book, run cluster.Run, n int, now time.Time) (why, sort string) {
	switch {
	case run.By == "" && n > b.Alerts:
		return tooMany(b, n), "storm"
	case b.lacks(run.Alert) != "":
		return b.lacks(run.Alert), "lacks"
	case r.begun(b.Name, now) >= b.PerHour:
		return fmt.Sprintf("%d runs began within the hour, which is as many as blast_radius.per_hour lets", b.PerHour), "hour"
	}
	return "", ""
}

func tooMany(b book, n int) string {
	return fmt.Sprintf("%d alerts match at once, and with more than %d (blast_radius.alerts) nothing is done: so many are a sign of something greater, which a person has to look at", n, b.Alerts)
}

// admitRun writes a new run. The caller holds deciding.
func (r *Room) admitRun(run cluster.Run) error {
	if err := r.write(run); err != nil {
		return err
	}
	r.mu.Lock()
	r.told[run.ID] = run.Started
	r.mu.Unlock()
	log := r.log.With("run", run.ID, "runbook", run.Runbook, "about", about(run), "dry_run", run.DryRun)
	if run.State == cluster.RunRefused {
		r.metrics.ended(run)
		log.Warn("run refused", "reason", run.Reason)
		return nil
	}
	log.Info("run accepted")
	return nil
}

// standing counts the alerts that match the runbook and fire, as far as is known. The caller holds mu.
func (r *Room) standing(b book, now time.Time) int {
	n := 0
	for id, run := range r.runs {
		if run.Runbook == b.Name && run.By == "" && run.Resolved.IsZero() && now.Sub(r.told[id]) < forget && b.matches(run.Alert) {
			n++
		}
	}
	for key, left := range r.unseen {
		if key[0] == b.Name && now.Sub(left.at) < forget {
			n += left.n
		}
	}
	return n
}

// begun counts the runs of a runbook that were begun in the last hour.
func (r *Room) begun(name string, now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, run := range r.runs {
		if run.Runbook == name && run.State != cluster.RunRefused && now.Sub(run.Started) < time.Hour {
			n++
		}
	}
	return n
}

// complain tells people, and not the same again and again.
func (r *Room) complain(key, text string, now time.Time) {
	r.mu.Lock()
	last, told := r.complained[key]
	again := !told || now.Sub(last) >= quiet
	if again {
		r.complained[key] = now
	}
	r.mu.Unlock()
	if again {
		r.tell(text)
	}
}

// tell tells people.
func (r *Room) tell(text string) {
	r.log.Warn("people are told", "text", text)
	if r.house.Crier != nil {
		r.house.Crier.Tell(text)
	}
}

// about is what a run is about, as far as is known.
func about(run cluster.Run) string {
	name := run.Alert["alertname"]
	if what := run.Subject(); what != "" {
		return fmt.Sprintf("%s (%s)", orWord(name, "what was asked for"), what)
	}
	return orWord(name, "an alert without a name")
}

func orWord(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// runID names a run: the same alert, told again, gives the same.
func runID(runbook, fingerprint string, since time.Time) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d", runbook, fingerprint, since.UnixNano()))
	return hex.EncodeToString(sum[:6])
}
