package promql

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/forecast"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/common/model"
)

// Power says which numbers are read for advice about hosts that sleep. The zero Power reads none.
type Power struct {
	// Busy is the time over which use counts that may wake a host, Calm the time without a peak after which one may sleep.
	Busy, Calm time.Duration
}

// ahead is how many coming hours are foretold.
const ahead = 12

// power fills in what advice about hosts that sleep rests on, and what hosts in standby had when they were awake.
func (s *Source) power(ctx context.Context, snap *cluster.Snapshot) error {
	sleeping := false
	for _, h := range snap.Hosts {
		sleeping = sleeping || h.State == cluster.HostStandby
	}
	advise := s.opts.Power.Busy > 0
	if !sleeping && !advise {
		return nil
	}
	var since, woke, wokenAt, took, waking, busy, calm model.Vector
	f := &fetch{ctx: ctx, api: s.api, at: snap.At}
	f.vector(`max by (host) (evenkeel_host_standby_timestamp_seconds)`, &since)
	if advise {
		words := strings.NewReplacer("$busy", model.Duration(s.opts.Power.Busy).String(), "$calm", model.Duration(s.opts.Power.Calm).String(),
			"$step", model.Duration(max(time.Second, (s.opts.Power.Calm/demandSteps).Truncate(time.Second))).String())
		f.vector(`max by (host) (evenkeel_host_wake_last_success)`, &woke)
		f.vector(`max by (host) (evenkeel_host_wake_last_timestamp_seconds)`, &wokenAt)
		f.vector(`max by (host) (evenkeel_host_wake_last_duration_seconds)`, &took)
		f.vector(`max by (host) (evenkeel_host_waking_timestamp_seconds)`, &waking)
		// What a VM waits for counts: where there is too little, what is used says nothing of how much is wanted.
		use := `(sum by (vm) (max by (vm, instance) (rate(evenkeel_vm_cpu_seconds_total[$busy]))) + ` +
			`(sum by (vm) (max by (vm, instance, vcpu) (rate(evenkeel_vm_vcpu_steal_seconds_total[$busy]))) or 0 * sum by (vm) (rate(evenkeel_vm_cpu_seconds_total[$busy]))))`
		f.vector(words.Replace(use), &busy)
		// A VM of which less is known may have peaks of which nobody knows.
		f.vector(words.Replace(`max_over_time((`+use+`)[$calm:$step]) and on (vm) group by (vm) (present_over_time(evenkeel_vm_info[$busy] offset $calm))`), &calm)
	}
	if err := f.wait(); err != nil {
		return err
	}
	s.remind(ctx, snap.Hosts, by(since, "host"))
	if !advise {
		return nil
	}
	seconds, at, begun := by(took, "host"), by(wokenAt, "host"), by(waking, "host")
	for i := range snap.Hosts {
		h := &snap.Hosts[i]
		if success, known := by(woke, "host")[h.ID]; known {
			h.Woken = &cluster.WakeProof{Host: h.ID, At: time.UnixMilli(int64(at[h.ID] * 1000)).UTC(), Woke: success == 1, Seconds: seconds[h.ID]}
		}
	}
	for i := range snap.Hosts {
		if stamp, known := begun[snap.Hosts[i].ID]; known {
			snap.Hosts[i].WakingSince = time.UnixMilli(int64(stamp * 1000)).UTC()
		}
	}
	now, most := by(busy, "vm"), by(calm, "vm")
	for i := range snap.VMs {
		v := &snap.VMs[i]
		v.CPUBusyCores, v.CPUCalmCores = numberOf(now, v.ID), numberOf(most, v.ID)
	}
	_, hours, err := s.slow.fill(ctx, s.api, s.queries, snap.At)
	if err != nil {
		return fmt.Errorf("foretell the use of the coming hours: %w", err)
	}
	snap.CPUAheadCores = aheadOf(snap.VMs, hours)
	return nil
}

// aheadOf is what the VMs together are expected to use in the coming hours: each as in the same hours of past days, and where these
// are not known as now.
func aheadOf(vms []cluster.VM, hours []map[string]float64) []float64 {
	total := make([]float64, ahead)
	for i := range vms {
		v := &vms[i]
		if v.Host == "" || !v.State.Active() {
			continue
		}
		series := make([]forecast.Hour, len(hours))
		for j, h := range hours {
			x, known := h[v.ID]
			series[j] = forecast.Hour{Value: x, Known: known}
		}
		for j, expected := range forecast.Ahead(series, ahead) {
			if !expected.Known {
				expected.Value = v.Cores()
			}
			total[j] += expected.Value
		}
	}
	return total
}
