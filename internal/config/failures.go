package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

func (c Config) checkFailures(p *problems) {
	f := c.Failures
	p.add(f.Tries < 1 || f.Tries > 100, "failures.tries", "is %d; it runs from 1 to 100", f.Tries)
	p.add(f.KeepVersions < 1 || f.KeepVersions > 1000, "failures.keep_versions", "is %d; it runs from 1 to 1000", f.KeepVersions)
	p.add(f.Parallel.Cluster < 0, "failures.parallel.cluster", "is %d; give 0 for no limit, or how many VMs may be starting at once", f.Parallel.Cluster)
	p.add(f.Parallel.Host < 0, "failures.parallel.host", "is %d; give 0 for no limit, or how many VMs may be starting at once on one host", f.Parallel.Host)
	p.add(f.Quarantine.Failures < 0, "failures.quarantine.failures", "is %d; give 0 for no limit, or how often a host may fail", f.Quarantine.Failures)
	priorities := append(cluster.RestartPriorities(), cluster.RestartDisabled)
	for _, vm := range slices.Sorted(maps.Keys(f.Priorities)) {
		p.add(!slices.Contains(priorities, f.Priorities[vm]), "failures.priorities."+vm, "%q is no restart priority; use %s", f.Priorities[vm], strings.Join(priorities, ", "))
	}
	g := f.Guests
	sensitivities := []string{"high", "medium", "low", "custom", "disabled"}
	p.add(!slices.Contains(sensitivities, g.Sensitivity), "failures.guests.sensitivity", "%q is none; use %s", g.Sensitivity, strings.Join(sensitivities, ", "))
	for _, vm := range slices.Sorted(maps.Keys(g.VMs)) {
		p.add(!slices.Contains(sensitivities, g.VMs[vm]), "failures.guests.vms."+vm, "%q is no sensitivity; use %s", g.VMs[vm], strings.Join(sensitivities, ", "))
	}
	p.add(g.AtOnce < 0, "failures.guests.at_once", "is %d; give 0 for no limit, or how many guests may hang at once", g.AtOnce)
	p.add(g.Custom.Resets < 1 || g.Custom.Resets > 100, "failures.guests.custom.resets", "is %d; it runs from 1 to 100", g.Custom.Resets)
	if circle := f.circle(); circle != nil {
		p.add(true, "failures.dependencies."+circle[0], "goes round in a circle (%s): none of them could ever start", strings.Join(circle, " needs "))
	}
	for _, vm := range slices.Sorted(maps.Keys(f.Dependencies)) {
		p.add(slices.Contains(f.Dependencies[vm], ""), fmt.Sprintf("failures.dependencies.%s", vm), "holds an empty name")
	}
}

// circle finds VMs that wait for each other, the first of them again at the end, or nil.
func (f Failures) circle() []string {
	done := map[string]bool{}
	var path []string
	var walk func(vm string) []string
	walk = func(vm string) []string {
		if at := slices.Index(path, vm); at >= 0 {
			return append(slices.Clone(path[at:]), vm)
		}
		if done[vm] {
			return nil
		}
		path = append(path, vm)
		defer func() { path, done[vm] = path[:len(path)-1], true }()
		for _, on := range f.Dependencies[vm] {
			if found := walk(on); found != nil {
				return found
			}
		}
		return nil
	}
	for _, vm := range slices.Sorted(maps.Keys(f.Dependencies)) {
		if found := walk(vm); found != nil {
			return found
		}
	}
	return nil
}
