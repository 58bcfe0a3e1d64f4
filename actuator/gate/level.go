package gate

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// EffectiveLevel is the level of the kind of action, where it has one of its own, and else the cluster's; not
// above what the kind has earned, where it must earn it, and not above what the hosts and the VM allow. At level
// off of the cluster nothing is above it.
func EffectiveLevel(q Question) cluster.Level {
	l, _ := effective(q)
	return l
}

// effective also says who caps the level.
func effective(q Question) (level cluster.Level, by string) {
	level, by = q.Policy.Level, "the cluster's"
	if own, ok := q.Policy.Kinds[q.Rec.Policy]; ok && level != cluster.LevelOff {
		level, by = own, "that of "+q.Rec.Policy
	}
	least := func(l cluster.Level, whose string) {
		if l < level {
			level, by = l, whose
		}
	}
	if q.Earned != nil {
		least(*q.Earned, "what "+q.Rec.Policy+" has earned")
	}
	for _, id := range q.Rec.Action.Hosts() {
		if h, ok := q.Snapshot.Host(id); ok && h.Automation != nil {
			least(*h.Automation, "that of "+id)
		}
	}
	if vm, ok := q.Snapshot.VM(q.Rec.Action.VM); ok && vm.Automation != nil {
		least(*vm.Automation, "the VM's own")
	}
	return level, by
}

// level refuses everything at automation level off.
func level(q Question) cluster.Verdict {
	l, by := effective(q)
	if l == cluster.LevelOff {
		return refuse("off", fmt.Sprintf("the automation level is off (%s)", by))
	}
	return pass(fmt.Sprintf("the automation level is %s (%s)", l, by))
}
