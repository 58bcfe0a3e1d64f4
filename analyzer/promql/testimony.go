package promql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/common/model"
)

// testimony is what a replica says of itself at an instant.
type testimony struct {
	name string
	err  error
	// fresh are the hosts that it has new data of, up how many of the cluster's are among them.
	fresh map[string]bool
	up    int
	// newest is the time of the newest sample of any host of the cluster, zero where there is none.
	newest time.Time
	// places are the hosts that VMs run on, sorted, by VM.
	places map[string][]string
}

// testify asks for what speaks for and against the replica: two queries.
func (s *Source) testify(ctx context.Context, at time.Time) testimony {
	t := testimony{name: s.name, fresh: map[string]bool{}}
	var seen, running model.Vector
	f := &fetch{ctx: ctx, api: s.api, at: at}
	f.vector(`max by (host) (timestamp(evenkeel_host_cpus))`, &seen)
	f.vector(fmt.Sprintf(placesOf, "evenkeel_vm_info", ""), &running)
	if t.err = f.wait(); t.err != nil {
		return t
	}
	for _, one := range seen {
		host, stamp := label(one, "host"), time.UnixMilli(int64(one.Value*1000))
		if stamp.After(at.Add(time.Second)) {
			continue // nothing of the future is asked for
		}
		ours := len(s.opts.Hosts) == 0 || slices.Contains(s.opts.Hosts, host)
		if ours && stamp.After(t.newest) {
			t.newest = stamp
		}
		if at.Sub(stamp) > s.opts.MaxDataAge {
			continue
		}
		t.fresh[host] = true
		if ours {
			t.up++
		}
	}
	t.places = listBy(running, "vm", "host")
	return t
}

// problem says why the replica cannot be used, whatever the others have, or "".
func (t testimony) problem(at time.Time, waited time.Duration) string {
	switch {
	case errors.Is(t.err, context.DeadlineExceeded):
		return fmt.Sprintf("it did not answer within %s", waited)
	case t.err != nil:
		return "it cannot answer: " + t.err.Error()
	case t.newest.IsZero():
		return "it holds no present data of any host"
	case t.up == 0:
		return fmt.Sprintf("it sees no host up; its newest sample is %s old", at.Sub(t.newest).Round(time.Second))
	}
	return ""
}

// contradictions are the VMs of which another usable replica says that they run elsewhere than the one that is used says. What only one of the two can
// see is no contradiction, so that only hosts count of which both have new data.
func (c *choice) contradictions(used int) []cluster.Gap {
	told := map[string]bool{}
	var gaps []cluster.Gap
	ours := c.heard[used]
	for i, theirs := range c.heard {
		if i == used || !c.said[i].Usable {
			continue
		}
		for _, places := range []map[string][]string{ours.places, theirs.places} {
			for vm := range places {
				here, there := known(ours.places[vm], theirs.fresh), known(theirs.places[vm], ours.fresh)
				if told[vm] || slices.Equal(here, there) || slices.Equal(ours.places[vm], theirs.places[vm]) {
					continue
				}
				told[vm] = true
				gaps = append(gaps, cluster.Gap{Subject: cluster.VMSubject(vm), Reason: fmt.Sprintf("two replicas contradict each other: by %s it runs %s, by %s %s",
					ours.name, whereabouts(ours.places[vm]), theirs.name, whereabouts(theirs.places[vm]))})
			}
		}
	}
	return gaps
}

// known are those of the hosts that the other replica has new data of.
func known(hosts []string, fresh map[string]bool) []string {
	return slices.DeleteFunc(slices.Clone(hosts), func(host string) bool { return !fresh[host] })
}

func whereabouts(hosts []string) string {
	if len(hosts) == 0 {
		return "nowhere"
	}
	return "on " + strings.Join(hosts, " and ")
}
