package recovery

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Sensitivity is when a guest is taken to hang, and how often it may be reset for that.
type Sensitivity struct {
	// Silent is for how long its agent must have been silent, Uptime for how long it must have run before.
	Silent, Uptime time.Duration
	// Resets is how often it is reset within that time before it is left to a person.
	Resets int
	Within time.Duration
}

// Sensitivities are the presets by name; the zero value is for VMs whose guests are left alone. The figures are those of vSphere's VM monitoring.
func Sensitivities() map[string]Sensitivity {
	return map[string]Sensitivity{
		"high":   {Silent: 30 * time.Second, Uptime: 2 * time.Minute, Resets: 3, Within: time.Hour},
		"medium": {Silent: time.Minute, Uptime: 4 * time.Minute, Resets: 3, Within: 24 * time.Hour},
		"low":    {Silent: 2 * time.Minute, Uptime: 8 * time.Minute, Resets: 3, Within: 7 * 24 * time.Hour},
	}
}

// Guests is what the operator decided about guests that hang.
type Guests struct {
	// Default is the sensitivity of all VMs, VMs that of some by UUID or name.
	Default Sensitivity
	VMs     map[string]Sensitivity
	// Window is for how long a guest must have neither used a disk nor sent anything.
	Window time.Duration
	// AtOnce is how many guests may hang at once without it being taken for a fault of what they share; 0 for any number.
	AtOnce int
}

// of is the sensitivity of a VM; watched is false for one whose guest is left alone.
func (g Guests) of(v cluster.VM) (s Sensitivity, watched bool) {
	s = g.Default
	for _, key := range []string{v.ID, v.Name} {
		if own, ok := g.VMs[key]; ok && key != "" {
			s = own
			break
		}
	}
	return s, s.Resets > 0
}

// A vCPU that is below idle or above flatOut of its time may be that of a guest that hangs: halted, or going round in a circle. Between
// the two it works on something.
const idle, flatOut = 0.03, 0.9

// justSilent is for how long a guest whose agent fell silent, or that was reset, counts among those that did so at once.
const justSilent = 10 * time.Minute

// guests looks for guests that hang.
func (d *decision) guests() {
	var suspects []cluster.GuestSigns
	atOnce := map[string]bool{}
	for _, sign := range d.Guests {
		if !sign.Connected || sign.Answers || !sign.SilentSeconds.Known || d.track.runsOn(sign.VM) == "" {
			continue
		}
		still := sign.DiskRequests.Known && sign.DiskRequests.Value == 0
		if still {
			suspects = append(suspects, sign)
		}
		// Whatever their disks do: that of which a stalled storage leaves nothing is seen only after the window.
		if still || sign.SilentSeconds.Value < justSilent.Seconds() {
			atOnce[sign.VM] = true
		}
	}
	for _, t := range d.Tries {
		if t.Action.Kind == cluster.Reset && d.Now.Sub(t.At) < justSilent {
			atOnce[t.Action.VM] = true
		}
	}
	slices.SortFunc(suspects, func(a, b cluster.GuestSigns) int { return strings.Compare(a.VM, b.VM) })
	many := d.policy.Guests.AtOnce > 0 && len(atOnce) > d.policy.Guests.AtOnce
	for _, sign := range suspects {
		d.guest(sign, many, len(atOnce))
	}
}

// unseenUse tells whether the VM may use storage or networks that nobody counts.
func unseenUse(v cluster.VM) bool {
	return strings.Contains(v.ImmovableReason, "passed-through") || strings.Contains(v.ImmovableReason, "shares memory with its host")
}

// guest decides about one that may hang. It is one of that many.
func (d *decision) guest(sign cluster.GuestSigns, many bool, suspects int) {
	v, host := d.track.VM(sign.VM), d.track.runsOn(sign.VM)
	s, watched := d.policy.Guests.of(v)
	silent := time.Duration(sign.SilentSeconds.Value * float64(time.Second)).Round(time.Second)
	if !watched || silent < s.Silent {
		return
	}
	a := cluster.Action{Kind: cluster.Reset, VM: v.ID, Name: v.Name, From: host}
	up, resets := d.track.Since(v.ID), 0
	for _, t := range d.Tries {
		if !t.Action.Alike(a) || t.Pending || t.Result == cluster.ResultFailed {
			continue
		}
		if d.Now.Sub(t.At) < s.Within {
			resets++
		}
		if t.At.After(up) {
			up = t.At
		}
	}
	wait := func(stuck bool, format string, args ...any) {
		d.waits(cluster.VMSubject(v.ID), v.Name, Hung, fmt.Sprintf("its guest agent has been silent for %s; ", silent)+fmt.Sprintf(format, args...), d.Now.Add(-silent), stuck)
	}
	failed, last, _ := d.tried(a, d.Now.Add(-s.Within))
	busy := slices.IndexFunc(sign.VCPUs, func(share float64) bool { return share > idle && share < flatOut })
	switch {
	case d.disarmed(host) != "":
		wait(false, "%s", d.disarmed(host))
	case unseenUse(v):
		wait(false, "what it does with the device of its host that it has cannot be seen")
	case !sign.PacketsSent.Known || len(sign.VCPUs) == 0:
		wait(false, "whether it still sends and computes cannot be told")
	case sign.PacketsSent.Value > 0:
		wait(false, "it still sends, so it lives: %.0f packets in %s", sign.PacketsSent.Value, d.policy.Guests.Window)
	case busy >= 0:
		wait(false, "it still computes, so it lives: its vCPU %d ran for %.0f%% of the last %s", busy, 100*sign.VCPUs[busy], d.policy.Guests.Window)
	case many:
		wait(true, "%d guests fell silent or were reset within 10 minutes: look at what they share, their storage first. None of them is reset", suspects)
	case resets >= s.Resets:
		wait(true, "it was reset %d times within %s and hangs again. Look at it, and reset it by hand: evenkeel vm reset %s", resets, s.Within, v.Name)
	case failed >= d.policy.Tries:
		wait(true, "resetting it failed %d times (%s). Reset it by hand: evenkeel vm reset %s", failed, last.Reason, v.Name)
	case failed > 0 && d.Now.Before(last.At.Add(d.backOff(failed))):
		wait(false, "resetting it failed (%s); it is tried again after %s", last.Reason, d.backOff(failed))
	case d.Now.Sub(up) < s.Uptime:
		wait(false, "it has run for %s, and is reset when that is %s", d.Now.Sub(up).Round(time.Second), s.Uptime)
	default:
		f := d.hung(sign, host, silent)
		d.advise(a, cluster.Reset.Policy(), 2, f.Reason, f)
	}
}

// hung is the finding on a guest that hangs.
func (d *decision) hung(sign cluster.GuestSigns, host string, silent time.Duration) cluster.Finding {
	var shares []string
	var most float64
	for _, share := range sign.VCPUs {
		shares = append(shares, fmt.Sprintf("%.0f%%", 100*share))
		most = max(most, share)
	}
	since := func(metric string) string {
		return fmt.Sprintf("sum by (vm) (%[1]s%%[1]s) - sum by (vm) (%[1]s%%[1]s offset %[2]gs)", metric, d.policy.Guests.Window.Seconds())
	}
	number := func(name string, value float64, unit, query string) cluster.Evidence {
		return cluster.Evidence{Name: name, Value: value, Unit: unit, Query: fmt.Sprintf(query, fmt.Sprintf("{vm=%q}", sign.VM))}
	}
	return cluster.Finding{Detector: cluster.GuestHung, Subject: cluster.VMSubject(sign.VM), Reason: fmt.Sprintf(
		"its guest on %s hangs: its agent, whose channel is open, has been silent for %s; no disk was used and nothing was sent for %s; its vCPUs ran for %s of that",
		host, silent, d.policy.Guests.Window, strings.Join(shares, ", ")),
		Evidence: []cluster.Evidence{
			number("agent_silent", sign.SilentSeconds.Value, "seconds", "evenkeel_vm_guest_agent_silent_seconds%s"),
			number("disk_requests", sign.DiskRequests.Value, "", since("evenkeel_vm_block_read_requests_total")+" + "+since("evenkeel_vm_block_write_requests_total")),
			number("packets_sent", sign.PacketsSent.Value, "", since("evenkeel_vm_network_transmit_packets_total")),
			number("busiest_vcpu", most, "ratio", fmt.Sprintf("max(rate(evenkeel_vm_vcpu_seconds_total%%s[%gs]))", d.policy.Guests.Window.Seconds())),
		}}
}

// Awaited are the VMs whose agents are waited for: those that were started, and those that others need.
func Awaited(t *Tracker, v View, p Policy) []string {
	if p.AwaitAgent == 0 {
		return nil
	}
	var list []string
	for _, try := range v.Tries {
		if try.Action.Kind == cluster.Start && !try.Pending && try.Result == cluster.ResultDone && v.Now.Sub(try.At) < p.Ready+p.AwaitAgent {
			list = append(list, try.Action.VM)
		}
	}
	for _, tr := range t.Troubles() {
		for _, key := range append(slices.Clone(p.Dependencies[tr.VM.ID]), p.Dependencies[tr.VM.Name]...) {
			if id, known := t.ID(key); known {
				list = append(list, id)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// ready tells whether a VM that runs since then is ready for those that wait for it.
func (d *decision) ready(vm string, since time.Time) bool {
	up := d.Now.Sub(since)
	if up < d.policy.Ready {
		return false
	}
	if d.policy.AwaitAgent == 0 || up >= d.policy.Ready+d.policy.AwaitAgent {
		return true
	}
	if d.Guests == nil || d.GuestsAt.Before(since) || !slices.Contains(d.Asked, vm) {
		return false // nobody can tell: that no sign is there means that there is no agent only where it was asked for since
	}
	sign, agent := d.Guests[vm]
	return !agent || sign.Answers
}
