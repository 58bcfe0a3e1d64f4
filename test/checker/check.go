package main

import (
	"fmt"
	"math"
	"slices"
)

// check returns all that is wrong with the plan, a sentence each. The error is about the snapshot.
func check(s snapshot, p plan, l limits) ([]string, error) {
	c, err := newCluster(s)
	if err != nil {
		return nil, err
	}
	faults := c.compare("before", p.Before)
	start := c.clone()
	for i, st := range p.Actions {
		for _, why := range c.step(i, st, l) {
			faults = append(faults, fmt.Sprintf("%s: %s", st.title(i), why))
		}
		if why := start.alone(p.Actions, i, l); why != "" {
			faults = append(faults, fmt.Sprintf("%s: %s", st.title(i), why))
		}
		c.move(st)
	}
	return append(faults, c.compare("after", p.After)...), nil
}

func (st step) title(i int) string {
	return fmt.Sprintf("step %d (%s from %s to %s)", i+1, st.VM, st.From, st.To)
}

// step returns what is wrong with taking the step in the state as it is.
func (c *cluster) step(i int, st step, l limits) []string {
	var faults []string
	if st.Seq != i+1 {
		faults = append(faults, fmt.Sprintf("its seq is %d", st.Seq))
	}
	if st.Kind != "migrate" {
		faults = append(faults, fmt.Sprintf("it is of kind %q, not migrate", st.Kind))
	}
	for _, d := range st.DependsOn {
		if d < 1 || d > i {
			faults = append(faults, fmt.Sprintf("it depends on step %d, which is not an earlier one", d))
		}
	}
	return append(faults, c.illegal(st, l)...)
}

// alone says why the step is not legal in this state, the one at the start, when nothing has been done
// but the steps that it depends on, and those on which they do. A step that depends on all earlier
// ones needs no second look.
func (c *cluster) alone(all []step, i int, l limits) string {
	needs := needed(all, i)
	if len(needs) == i {
		return ""
	}
	var back []step
	for _, n := range needs {
		if v, ok := c.vmAt[all[n].VM]; ok {
			back = append(back, step{VM: all[n].VM, To: c.placeOf(v)})
		}
		c.move(all[n])
	}
	why := c.illegal(all[i], l)
	for _, b := range slices.Backward(back) {
		c.move(b)
	}
	switch {
	case len(why) == 0:
		return ""
	case len(needs) == 0:
		return "it depends on nothing and is not legal at the start: " + why[0]
	}
	return "it is not legal after the steps alone that it depends on: " + why[0]
}

// needed lists the indices of the steps that the step depends on, in order, directly or through others.
func needed(all []step, i int) []int {
	in := make([]bool, i+1)
	in[i] = true
	var list []int
	for n := i; n >= 0; n-- { // dependencies point backwards, so one way through finds all
		if !in[n] {
			continue
		}
		if n < i {
			list = append(list, n)
		}
		for _, d := range all[n].DependsOn {
			if d >= 1 && d <= n {
				in[d-1] = true
			}
		}
	}
	slices.Reverse(list)
	return list
}

// illegal returns why the step may not be taken in the state as it is.
func (c *cluster) illegal(st step, l limits) []string {
	v, known := c.vmAt[st.VM]
	if !known {
		return []string{"there is no such VM"}
	}
	to, known := c.hostAt[st.To]
	if !known {
		return []string{"there is no host " + st.To}
	}
	var faults []string
	say := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	vm, h := c.vms[v], c.hosts[to]
	say(c.placeOf(v) != st.From, "the VM is on %q by then", c.placeOf(v))
	say(st.From == st.To, "it leads to where it starts")
	say(vm.State != "running", "the VM is %q, not running", vm.State)
	say(!vm.Movable, "the VM is not movable")
	say(vm.MigratingTo != "", "the VM is already being migrated to %s", vm.MigratingTo)
	say(c.gaps["vm/"+vm.ID], "the VM could not be seen properly")
	say(c.gaps["host/"+st.From], "host %s could not be seen properly", st.From)
	say(c.gaps["host/"+st.To], "host %s could not be seen properly", st.To)
	say(h.State != "up", "host %s is %q, not up", h.ID, h.State)
	say(vm.Hypervisor != "" && h.Hypervisor != "" && vm.Hypervisor != h.Hypervisor, "the VM runs on %s and %s runs %s", vm.Hypervisor, h.ID, h.Hypervisor)
	say(vm.CPUGroup != "" && vm.CPUGroup != h.CPUGroup && (vm.CPUModel == "" || !slices.Contains(h.CPUModels, vm.CPUModel)), "the VM needs CPUs of group %q and %s has %q", vm.CPUGroup, h.ID, h.CPUGroup)
	say(!within(vm.Storage, h.Storage), "%s does not reach storage %v", h.ID, vm.Storage)
	say(!within(vm.Networks, h.Networks), "%s does not reach networks %v", h.ID, vm.Networks)
	if st.Priority == 1 {
		l.cpu = math.MaxFloat64
	}
	faults = append(faults, c.overfull(v, to, l)...)
	return append(faults, c.broken(v, to)...)
}

// overfull says what of the target would not suffice while the step runs. The VM's memory counts on
// both hosts then, so that the target must have room for it before the source is relieved.
func (c *cluster) overfull(v, to int, l limits) []string {
	if c.at[v] == to {
		return nil
	}
	var faults []string
	h, vm := c.hosts[to], c.vms[v]
	const rounding = 1e-9
	if want, may := float64(c.promised[to]+vm.Memory), float64(h.Memory)*l.memory; want > may {
		faults = append(faults, fmt.Sprintf("%s would have %.2f GiB of memory promised and may have %.2f", h.ID, want/(1<<30), may/(1<<30)))
	}
	if want, may := c.cpu[to]+vm.cores(), h.Cores*l.cpu; want > may+rounding {
		faults = append(faults, fmt.Sprintf("%s would have %.3f cores in demand and may have %.3f", h.ID, want, may))
	}
	return faults
}

func within(some, all []string) bool {
	for _, s := range some {
		if !slices.Contains(all, s) {
			return false
		}
	}
	return true
}
