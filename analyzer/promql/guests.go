package promql

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/common/model"
)

// mostGuests bounds how many guests are looked at closely: where more are silent at once, it is not the guests.
const mostGuests = 200

// Guests returns the signs of life of the guests whose agents have their channel open and do not answer, and of the VMs asked for that have an agent. While all answer it
// is one query that returns nothing, so that it can be asked every other second.
func (s *Source) Guests(ctx context.Context, at time.Time, window time.Duration, vms []string) ([]cluster.GuestSigns, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	var silent model.Vector
	f := &fetch{ctx: ctx, api: s.api, at: at}
	f.vector(`max by (vm) (evenkeel_vm_guest_agent_up) == 0 and on (vm) max by (vm) (evenkeel_vm_guest_agent_connected) == 1`, &silent)
	if err := f.wait(); err != nil {
		return nil, err
	}
	var ids []string
	for vm := range by(silent, "vm") {
		ids = append(ids, vm)
	}
	slices.Sort(ids)
	ids = append(slices.Clone(vms), ids...) // what others wait for is not to be left out
	if len(ids) == 0 {
		return nil, nil
	}
	if len(ids) > mostGuests {
		ids = ids[:mostGuests]
	}
	return s.guests(ctx, at, window, ids)
}

func (s *Source) guests(ctx context.Context, at time.Time, window time.Duration, ids []string) ([]cluster.GuestSigns, error) {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = regexp.QuoteMeta(id)
	}
	of := fmt.Sprintf("{vm=~%q}", strings.Join(quoted, "|"))
	// Two moments and not a rate: what happened while nobody scraped counts as well, and without a sample of then nothing is known.
	used := func(labels, metric string) string {
		return fmt.Sprintf(`sum by (%[1]s) (%[2]s%[3]s) - sum by (%[1]s) (%[2]s%[3]s offset %[4]ds)`, labels, metric, of, int(window.Seconds()))
	}
	var up, connected, had, since, reads, writes, sent, ran, stolen model.Vector
	f := &fetch{ctx: ctx, api: s.api, at: at}
	f.vector(`max by (vm) (evenkeel_vm_guest_agent_up`+of+`)`, &up)
	f.vector(`max by (vm) (evenkeel_vm_guest_agent_connected`+of+`)`, &connected)
	// One that has just been started tells nothing yet, and has an agent all the same.
	f.vector(`max by (vm) (last_over_time(evenkeel_vm_guest_agent_connected`+of+`[1d]))`, &had)
	f.vector(`min by (vm) (evenkeel_vm_guest_agent_silent_seconds`+of+`)`, &since)
	f.vector(used("vm", "evenkeel_vm_block_read_requests_total"), &reads)
	f.vector(used("vm", "evenkeel_vm_block_write_requests_total"), &writes)
	f.vector(used("vm", "evenkeel_vm_network_transmit_packets_total"), &sent)
	f.vector(used("vm, vcpu", "evenkeel_vm_vcpu_seconds_total"), &ran)
	f.vector(used("vm, vcpu", "evenkeel_vm_vcpu_steal_seconds_total"), &stolen)
	if err := f.wait(); err != nil {
		return nil, err
	}
	open := by(connected, "vm")
	ups, silent, read, written, packets, busy := by(up, "vm"), by(since, "vm"), by(reads, "vm"), by(writes, "vm"), by(sent, "vm"), perVCPU(window, ran, stolen)
	var signs []cluster.GuestSigns
	for vm := range by(had, "vm") {
		one := cluster.GuestSigns{VM: vm, Answers: ups[vm] > 0, Connected: open[vm] > 0, SilentSeconds: numberOf(silent, vm), PacketsSent: numberOf(packets, vm), VCPUs: busy[vm]}
		if r, w := numberOf(read, vm), numberOf(written, vm); r.Known && w.Known {
			one.DiskRequests = cluster.Known(r.Value + w.Value)
		}
		signs = append(signs, one)
	}
	return signs, nil
}

func numberOf(values map[string]float64, key string) cluster.Number {
	v, known := values[key]
	return cluster.Number{Known: known, Value: v}
}

// perVCPU is the share of the window that vCPUs ran or waited for a CPU, in the order of their numbers.
func perVCPU(window time.Duration, ran, stolen model.Vector) map[string][]float64 {
	type key struct{ vm, vcpu string }
	shares := map[key]float64{}
	for _, v := range []model.Vector{ran, stolen} {
		for _, s := range v {
			shares[key{string(s.Metric["vm"]), string(s.Metric["vcpu"])}] += float64(s.Value) / window.Seconds()
		}
	}
	keys := make([]key, 0, len(shares))
	for k := range shares {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int {
		x, _ := strconv.Atoi(a.vcpu)
		y, _ := strconv.Atoi(b.vcpu)
		return x - y
	})
	list := map[string][]float64{}
	for _, k := range keys {
		list[k.vm] = append(list[k.vm], shares[k])
	}
	return list
}
