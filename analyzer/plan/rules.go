package plan

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// repairRules moves VMs until the rules hold, must rules first. Every step brings the rules nearer to
// holding and worsens none; where two VMs stand in each other's way, one steps aside for a while.
func repairRules(w *work) {
	for _, strength := range []cluster.RuleStrength{cluster.Must, cluster.Should} {
		priority := 1
		if strength == cluster.Should {
			priority = 2
		}
		if priority > w.policy.Threshold {
			return
		}
		for !w.full() {
			if !w.repair(strength, priority) && !w.repairPair(strength, priority) {
				break
			}
		}
		w.unrepaired(strength)
	}
}

// repair makes the one move that brings the rules of that strength nearest to holding.
func (w *work) repair(strength cluster.RuleStrength, priority int) bool {
	best, to := -1, -1
	most, gain := 0, 0.0
	for _, v := range w.breakers(strength) {
		for h := range w.snap.Hosts {
			n := w.mends(v, h, strength)
			if n <= 0 || n < most {
				continue
			}
			if g := w.gain(v, h); n > most || g > gain {
				best, to, most, gain = v, h, n, g
			}
		}
	}
	if best < 0 {
		return false
	}
	w.take(best, to, "rules", priority, w.whyRule(best, to, strength))
	return true
}

// mends is how much nearer to holding the rules of that strength come when the VM moves to the host; 0 when
// it may not. What mends a must rule may break should rules, and nothing may break a must rule.
func (w *work) mends(v, h int, strength cluster.RuleStrength) int {
	limits := w.policy.Limits
	if strength == cluster.Must {
		limits = limits.Mandatory()
	}
	if w.closed[h] || w.without[choice{v, h}] || !w.place.Common(v, h) || !w.place.Fits(v, h, limits) {
		return 0
	}
	must, should := w.place.RuleGain(v, h)
	if strength == cluster.Must {
		return must
	}
	return should
}

// breakers lists the VMs of rules of that strength that do not hold, those that can be moved and were not
// moved yet.
func (w *work) breakers(strength cluster.RuleStrength) []int {
	var vms []int
	seen := map[int]bool{}
	for _, r := range w.place.RuleStates() {
		if r.Violations == 0 || r.Rule.Strength != strength {
			continue
		}
		for _, v := range r.VMs {
			if !seen[v] && w.place.At(v) >= 0 && !w.moved[v] && w.place.BlockedAt(v) == "" {
				seen[v] = true
				vms = append(vms, v)
			}
		}
	}
	return vms
}

// repairPair moves a VM out of the way of one that would mend a rule.
func (w *work) repairPair(strength cluster.RuleStrength, priority int) bool {
	if strength != cluster.Must {
		return false
	}
	limits := w.policy.Limits.Mandatory()
	for _, v := range w.breakers(strength) {
		for h := range w.snap.Hosts {
			if h == w.place.At(v) || w.closed[h] || w.without[choice{v, h}] || !w.place.Common(v, h) || !w.place.UsableAt(h) || !w.place.Reaches(v, h) {
				continue
			}
			if must, _ := w.place.RuleGain(v, h); must <= 0 {
				continue
			}
			if u, away := w.aside(v, h, limits); u >= 0 {
				if len(w.steps)+2 > w.policy.MaxMoves {
					w.note("the plan is capped at %d moves, and mending the next rule takes two", w.policy.MaxMoves)
					return false
				}
				w.take(u, away, "rules", priority, fmt.Sprintf("makes room on %s for %s, which mends a rule there", w.snap.Hosts[h].ID, w.snap.VMs[v].Label()))
				w.take(v, h, "rules", priority, w.whyRule(v, h, strength))
				return true
			}
		}
	}
	return false
}

// aside finds the cheapest move of one VM away from the host that lets the other one come.
func (w *work) aside(v, h int, limits cluster.Limits) (u, away int) {
	u, away = -1, -1
	most := 0.0
	for _, other := range w.vmsOn(h) {
		if w.moved[other] || other == v || w.place.BlockedAt(other) != "" {
			continue
		}
		to := w.cheapest(other, limits)
		if to < 0 {
			continue
		}
		gain := w.gain(other, to)
		w.place.MoveAt(other, to)
		must, _ := w.place.RuleGain(v, h) // the other may be what drew it there
		fits := must > 0 && w.place.Fits(v, h, limits)
		w.place.MoveAt(other, h)
		if fits && (u < 0 || gain > most) {
			u, away, most = other, to, gain
		}
	}
	return u, away
}

// whyRule names the rules that the move mends.
func (w *work) whyRule(v, h int, strength cluster.RuleStrength) string {
	before := w.place.RuleStates()
	from := w.place.At(v)
	w.place.MoveAt(v, h)
	after := w.place.RuleStates()
	w.place.MoveAt(v, from)
	for i, r := range before {
		if r.Rule.Strength == strength && after[i].Violations < r.Violations {
			return fmt.Sprintf("mends rule %s (%s, %s): %d VMs break it, %d afterwards", r.Rule.Name, r.Rule.Kind, r.Rule.Strength, r.Violations, after[i].Violations)
		}
	}
	return "brings VMs that belong together nearer to each other"
}

// unrepaired says what keeps broken rules broken.
func (w *work) unrepaired(strength cluster.RuleStrength) {
	for _, r := range w.place.RuleStates() {
		if r.Violations == 0 || r.Rule.Strength != strength {
			continue
		}
		w.left = true
		w.note("rule %s (%s, %s) cannot be mended now", r.Rule.Name, r.Rule.Kind, r.Rule.Strength)
		for _, v := range r.VMs {
			if why := w.place.BlockedAt(v); why != "" && w.place.At(v) >= 0 {
				w.refuse(v, why)
			}
		}
	}
}
