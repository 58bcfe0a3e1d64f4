package simulator

import (
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Words for where VMs start.
const (
	placeSpread = "spread"
	placePacked = "packed"
)

// mostMembers bounds a group, so that a slip of the finger does not fill the memory.
const mostMembers = 100_000

// mostPast is more of the past than anybody looks at.
const mostPast = 31 * day

// problem is one thing that makes no sense, at a key.
type problem struct{ key, text string }

type problems []problem

func (p *problems) add(bad bool, key, format string, args ...any) {
	if bad {
		*p = append(*p, problem{key, fmt.Sprintf(format, args...)})
	}
}

// share says that a number is no share of a whole.
func (p *problems) share(key string, v float64) {
	p.add(!(v >= 0 && v <= 1), key, "is %g; it is a share from 0 to 1", v)
}

// problems says everything that is wrong with a scenario that could be decoded.
func (s Scenario) problems() problems {
	var p problems
	p.add(time.Duration(s.Step) < time.Second, "step", "is %s; the least is 1s", time.Duration(s.Step))
	p.add(!(s.Speed > 0 && s.Speed <= 1e5), "speed", "is %g; it is above 0, and 1 for loads that go with time", s.Speed)
	p.add(s.Duration < s.Step, "duration", "is %s, shorter than a step", time.Duration(s.Duration))
	p.add(s.Migration.Bandwidth < 1<<20, "migration.bandwidth", "is %d bytes a second; the least is 1MiB", s.Migration.Bandwidth)
	p.share("migration.failure_ratio", s.Migration.FailureRatio)
	p.add(time.Duration(s.Power.Shutdown) < time.Second, "power.shutdown", "is %s; the least is 1s", time.Duration(s.Power.Shutdown))
	p.add(time.Duration(s.Power.Boot) < time.Second, "power.boot", "is %s; the least is 1s", time.Duration(s.Power.Boot))
	p.share("power.wake_failure_ratio", s.Power.WakeFailureRatio)
	p.add(s.Past > Duration(mostPast), "past", "is %s; the most is %s", time.Duration(s.Past), mostPast)
	hosts := s.checkHosts(&p)
	s.checkVMs(&p, hosts)
	s.checkRules(&p, hosts)
	for i, e := range s.Events {
		key := fmt.Sprintf("events[%d]", i)
		p.add(!hosts[e.Host], key+".host", "%q is not among the hosts", e.Host)
		p.add(cluster.HostState(e.Do) == cluster.HostUnknown, key+".do", "is missing; use down, maintenance, standby or up")
	}
	for i, c := range s.Crowds {
		key := fmt.Sprintf("crowds[%d]", i)
		p.share(key+".share", c.Share)
		p.share(key+".to", c.To)
		p.add(c.Lasts <= 0, key+".lasts", "is missing; write for example 20m")
	}
	return p
}

func (s Scenario) checkHosts(p *problems) (names map[string]bool) {
	names = map[string]bool{}
	p.add(len(s.Hosts) == 0, "hosts", "is empty; a cluster needs hosts")
	for i, h := range s.Hosts {
		key := fmt.Sprintf("hosts[%d]", i)
		p.add(h.Name == "", key+".name", "is missing")
		p.add(h.Count > mostMembers, key+".count", "is %d; the most is %d", h.Count, mostMembers)
		for _, name := range members(h.Name, min(h.Count, mostMembers)) {
			p.add(names[name], key+".name", "%q stands twice", name)
			names[name] = true
		}
		p.add(!(h.Cores > 0 && h.Cores < 1e6), key+".cores", "is %g; a host has cores", h.Cores)
		p.add(h.Memory <= 0, key+".memory", "is missing; write for example 256GiB")
		p.add(!(h.OverheadCores >= 0 && h.OverheadCores < h.Cores), key+".overhead_cores", "is %g of %g cores", h.OverheadCores, h.Cores)
		p.add(len(h.Watts) != curvePoints, key+".watts", "has %d numbers; a curve has %d, at 0, 10, … 100 %%", len(h.Watts), curvePoints)
		for _, w := range h.Watts {
			p.add(!(w >= 0 && w < 1e9), key+".watts", "holds %g", w)
		}
	}
	return names
}

func (s Scenario) checkVMs(p *problems, hosts map[string]bool) {
	names := map[string]bool{}
	for i, v := range s.VMs {
		key := fmt.Sprintf("vms[%d]", i)
		p.add(v.Name == "", key+".name", "is missing")
		p.add(v.Count > mostMembers, key+".count", "is %d; the most is %d", v.Count, mostMembers)
		for _, name := range members(v.Name, min(v.Count, mostMembers)) {
			p.add(names[name], key+".name", "%q stands twice", name)
			names[name] = true
		}
		p.add(v.VCPUs < 1 || v.VCPUs > 4096, key+".vcpus", "is %d; a VM has at least one vCPU", v.VCPUs)
		p.add(v.Memory <= 0, key+".memory", "is missing; write for example 8GiB")
		p.share(key+".memory_use", v.MemoryUse)
		p.add(v.Place != placeSpread && v.Place != placePacked && !hosts[v.Place], key+".place", "%q is no host; use spread, packed or a host's name", v.Place)
		p.add(v.Until > 0 && v.Until <= v.From, key+".until", "is %s, not after from (%s)", time.Duration(v.Until), time.Duration(v.From))
		v.Load.check(p, key+".load", s.dir, v.Count)
	}
}

func (l Load) check(p *problems, key, dir string, count int) {
	given := 0
	if l.Constant != nil {
		given++
		p.share(key+".constant", *l.Constant)
	}
	if n := l.Noise; n != nil {
		given++
		p.share(key+".noise.mean", n.Mean)
		p.share(key+".noise.sd", n.SD)
	}
	if q := l.Square; q != nil {
		given++
		p.share(key+".square.low", q.Low)
		p.share(key+".square.high", q.High)
		p.share(key+".square.duty", q.Duty)
		p.add(q.Period <= 0, key+".square.period", "is missing; write for example 20m")
	}
	if d := l.Daily; d != nil {
		given++
		p.share(key+".daily.low", d.Low)
		p.share(key+".daily.high", d.High)
		p.share(key+".daily.noise", d.Noise)
		p.share(key+".daily.sway", d.Sway)
		if d.Weekend != nil {
			p.share(key+".daily.weekend", *d.Weekend)
		}
		p.add(!(d.PeakHour >= 0 && d.PeakHour <= 24), key+".daily.peak_hour", "is %g; it is an hour from 0 to 24", d.PeakHour)
	}
	if t := l.Trace; t != nil {
		given++
		p.add(time.Duration(t.Interval) < time.Second, key+".trace.interval", "is %s; the least is 1s", time.Duration(t.Interval))
		if _, err := t.read(dir, count); err != nil {
			p.add(true, key+".trace", "%v", err)
		}
	}
	p.add(given != 1, key, "names %d loads; give one of constant, noise, square, daily or trace", given)
}

func (s Scenario) checkRules(p *problems, hosts map[string]bool) {
	seen := map[string]bool{}
	for i, r := range s.Rules {
		key := fmt.Sprintf("rules[%d]", i)
		p.add(r.Name == "" || seen[r.Name], key+".name", "is missing or stands twice")
		seen[r.Name] = true
		p.add(cluster.RuleKind(r.Kind) == cluster.RuleNone, key+".kind", "is missing; use for example vm-vm-anti-affinity")
		p.add(len(r.VMs)+len(r.VMTags)+len(r.VMNames) == 0, key, "names no VMs; give vms, vm_tags or vm_names")
		for j, h := range r.Hosts {
			p.add(!hosts[h], fmt.Sprintf("%s.hosts[%d]", key, j), "%q is not among the hosts", h)
		}
	}
}
