package gate

import (
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// expiry refuses advice that is too old to follow.
func expiry(q Question) cluster.Verdict {
	if !q.Now.Before(q.Rec.Expires) {
		return refuse("expired", fmt.Sprintf("it expired at %s, %s ago; look for a newer recommendation",
			q.Rec.Expires.UTC().Format(time.RFC3339), q.Now.Sub(q.Rec.Expires).Round(time.Second)))
	}
	return pass(fmt.Sprintf("it may be taken until %s", q.Rec.Expires.UTC().Format(time.RFC3339)))
}
