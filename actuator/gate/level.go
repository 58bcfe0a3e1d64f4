package gate

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// EffectiveLevel is the most cautious of the cluster's level and the VM's own.
func EffectiveLevel(q Question) cluster.Level {
	level := q.Policy.Level
	if vm, ok := q.Snapshot.VM(q.Rec.Action.VM); ok && vm.Automation != nil {
		level = min(level, *vm.Automation)
	}
	return level
}

// level refuses everything at automation level off, for the cluster or for the VM alone.
func level(q Question) cluster.Verdict {
	l := EffectiveLevel(q)
	if l == cluster.LevelOff {
		return refuse("off", "the automation level is off")
	}
	return pass(fmt.Sprintf("the automation level is %s", l))
}
