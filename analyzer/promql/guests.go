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

// Guests returns the signs of life of the guests whose agents do not answer, and of the VMs asked for that have an agent. While all answer it
// is one query that returns nothing, so that it can be asked every other second.
func (s *Source) Guests(ctx context.Context, at time.Time, window time.Duration, vms []string) ([]cluster.GuestSigns, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	var silent model.Vector
	f := &fetch{ctx: ctx, api: s.api, at: at}
	f.vector(`max by (vm) (evenkeel_vm_guest_agent_up) == 0`, &silent)
	if err := f.wait(); err != nil {
		return nil, err
	}
	ids := slices.Clone(vms)
	for vm := range by(silent, "vm") {
		ids = append(ids, vm)
	}
	slices.Sort(ids)
	if ids = slices.Compact(ids); len(ids) == 0 {
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
	within := fmt.Sprintf("%s[%ds]", of, int(window.Seconds()))
	var up, connected, since, reads, writes, sent, ran, stolen model.Vector
	f := &fetch{ctx: ctx, api: s.api, at: at}
	f.vector(`max by (vm) (evenkeel_vm_guest_agent_up`+of+`)`, &up)
	f.vector(`max by (vm) (evenkeel_vm_guest_agent_connected`+of+`)`, &connected)
	f.vector(`min by (vm) (evenkeel_vm_guest_agent_silent_seconds`+of+`)`, &since)
	f.vector(`sum by (vm) (increase(evenkeel_vm_block_read_requests_total`+within+`))`, &reads)
	f.vector(`sum by (vm) (increase(evenkeel_vm_block_write_requests_total`+within+`))`, &writes)
	f.vector(`sum by (vm) (increase(evenkeel_vm_network_transmit_packets_total`+within+`))`, &sent)
	f.vector(`max by (vm, vcpu) (rate(evenkeel_vm_vcpu_seconds_total`+within+`))`, &ran)
	f.vector(`max by (vm, vcpu) (rate(evenkeel_vm_vcpu_steal_seconds_total`+within+`))`, &stolen)
	if err := f.wait(); err != nil {
		return nil, err
	}
	ups, silent, read, written, packets, busy := by(up, "vm"), by(since, "vm"), by(reads, "vm"), by(writes, "vm"), by(sent, "vm"), perVCPU(ran, stolen)
	var signs []cluster.GuestSigns
	for vm, open := range by(connected, "vm") {
		one := cluster.GuestSigns{VM: vm, Answers: ups[vm] > 0, Connected: open > 0, SilentSeconds: numberOf(silent, vm), PacketsSent: numberOf(packets, vm), VCPUs: busy[vm]}
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

// perVCPU adds what vCPUs ran and what they waited for a CPU, in the order of their numbers.
func perVCPU(ran, stolen model.Vector) map[string][]float64 {
	type key struct{ vm, vcpu string }
	shares := map[key]float64{}
	for _, v := range []model.Vector{ran, stolen} {
		for _, s := range v {
			shares[key{string(s.Metric["vm"]), string(s.Metric["vcpu"])}] += float64(s.Value)
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
