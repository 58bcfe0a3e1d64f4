package gate

import (
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Stops are what the gates freeze and storm refuse now, whichever recommendation would ask: the freezes that are on, and that actions failed one after the
// other, which are given oldest first. What passes all the same, such as what a failure makes necessary, is for the gates to say.
func Stops(p Policy, failed []time.Time, now time.Time) []cluster.Verdict {
	var stops []cluster.Verdict
	for _, f := range p.Freezes {
		if end, on := f.on(now); on {
			said := frozen(f, end)
			if len(f.Kinds) > 0 {
				said.Detail += ", for " + strings.Join(f.Kinds, ", ")
			}
			said.Gate = "freeze"
			stops = append(stops, said)
		}
	}
	if said := storm(Question{Now: now, Policy: p, Storm: failed}); !said.Pass {
		said.Gate = "storm"
		stops = append(stops, said)
	}
	return stops
}

func frozen(f Freeze, end time.Time) cluster.Verdict {
	return retryAt(refuse("frozen", fmt.Sprintf("freeze %s is on until %s", f.Name, stamp(end))), end)
}
