package console

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// trouble is a machine that does not do well, and why in a few words.
type trouble struct{ Host, Why string }

// troubles are the machines that are down, cannot be seen, or have less than is wanted of them. That loads differ is none, nor is what was not found for long enough.
func troubles(loads []cluster.Load, found []cluster.Finding, asleep func(host string) bool) []trouble {
	why := map[string]string{}
	for _, f := range found {
		host, is := strings.CutPrefix(f.Subject, cluster.HostSubject(""))
		if is && !f.Pending && why[host] == "" && slices.Contains([]string{"contended_host", "unhealthy_host", "stale_data"}, f.Detector) {
			why[host] = f.Reason
		}
	}
	var all []trouble
	for _, l := range loads {
		switch {
		case asleep(l.Host):
		case l.State == cluster.HostDown || l.State == cluster.HostUnknown:
			all = append(all, trouble{l.Host, "it is " + l.State.String()})
		case why[l.Host] != "":
			all = append(all, trouble{l.Host, strings.TrimPrefix(why[l.Host], l.Host+": ")})
		}
	}
	return all
}

// worries are what keeps the cluster from an even keel beside machines in trouble.
func worries(score float64, judged int, lost cluster.Points, s api.Status, needs int) []string {
	var all []string
	if s.LastError != "" {
		all = append(all, "the last look at the cluster failed")
	}
	if needs > 0 {
		all = append(all, fmt.Sprintf("%d failures need you", needs))
	}
	if f := s.Failover; f != nil && len(f.Broken) > 0 {
		all = append(all, fmt.Sprintf("%d of %d failures that it is to survive are not proven to be", len(f.Broken), f.Of))
	}
	if s.Unknown > 0 {
		all = append(all, fmt.Sprintf("nobody knows what came of %d actions", s.Unknown))
	}
	if lost.Rules > 0 {
		all = append(all, "rules are broken")
	}
	switch level := levelOf(score).Word; {
	case judged == 0:
		all = append(all, "no VM could be judged")
	case level != "good":
		all = append(all, fmt.Sprintf("the score is %s, %.0f of 100", level, score))
	}
	return all
}

// armed says what happens by itself when something fails, or that nothing does. What disarms is an order, and said there.
func armed(ctx context.Context, p person) string {
	if slices.ContainsFunc(p.status.Orders, func(o cluster.Order) bool { return o.Kind == cluster.OrderDisarm && o.Subject == "cluster" }) {
		return ""
	}
	all, err := p.client.Autonomy(ctx)
	if err != nil {
		return ""
	}
	for _, kind := range all.Kinds {
		if kind.Level.Policy != cluster.Restart {
			continue
		}
		switch {
		case kind.Level.Level == cluster.LevelOff:
			return "Failures are only told of: the level of restart is off."
		case kind.ByItself == "":
			return "Armed for failures: what they stop is started again once a person has said yes."
		}
		return "Armed for failures: what they stop is started again, by itself " + kind.ByItself + "."
	}
	return ""
}
