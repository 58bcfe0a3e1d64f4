package promql_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/promql"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

func TestSignsOfGuests(t *testing.T) {
	// v1 hangs with one vCPU going round in a circle, half of the time without a CPU; v2 is silent and works; v3 answers, and its disk was not
	// seen before; v4 has no agent; v5's agent was stopped.
	url := prometheus(t, `load 15s
  evenkeel_vm_guest_agent_up{instance="h1:9177",vm="v1"} 0x40
  evenkeel_vm_guest_agent_connected{instance="h1:9177",vm="v1"} 1x40
  evenkeel_vm_guest_agent_silent_seconds{instance="h1:9177",vm="v1"} 90x40
  evenkeel_vm_block_read_requests_total{instance="h1:9177",vm="v1",device="vda"} 7x40
  evenkeel_vm_block_write_requests_total{instance="h1:9177",vm="v1",device="vda"} 9x40
  evenkeel_vm_network_transmit_packets_total{instance="h1:9177",vm="v1",interface="vnet0"} 5x40
  evenkeel_vm_vcpu_seconds_total{instance="h1:9177",vm="v1",vcpu="0"} 3x40
  evenkeel_vm_vcpu_seconds_total{instance="h1:9177",vm="v1",vcpu="1"} 0+7.5x40
  evenkeel_vm_vcpu_steal_seconds_total{instance="h1:9177",vm="v1",vcpu="1"} 0+7.5x40
  evenkeel_vm_guest_agent_up{instance="h2:9177",vm="v2"} 0x40
  evenkeel_vm_guest_agent_connected{instance="h2:9177",vm="v2"} 1x40
  evenkeel_vm_guest_agent_silent_seconds{instance="h2:9177",vm="v2"} 30x40
  evenkeel_vm_block_read_requests_total{instance="h2:9177",vm="v2",device="vda"} 0+15x40
  evenkeel_vm_block_read_requests_total{instance="h2:9177",vm="v2",device="vdb"} 0+15x40
  evenkeel_vm_block_write_requests_total{instance="h2:9177",vm="v2",device="vda"} 0+15x40
  evenkeel_vm_network_transmit_packets_total{instance="h2:9177",vm="v2",interface="vnet0"} 0+30x40
  evenkeel_vm_guest_agent_up{instance="h2:9177",vm="v3"} 1x40
  evenkeel_vm_guest_agent_connected{instance="h2:9177",vm="v3"} 1x40
  evenkeel_vm_guest_agent_silent_seconds{instance="h2:9177",vm="v3"} 2x40
  evenkeel_vm_block_read_requests_total{instance="h2:9177",vm="v3",device="vda"} _x37 4 4 4
  evenkeel_vm_block_write_requests_total{instance="h2:9177",vm="v3",device="vda"} _x37 4 4 4
  evenkeel_vm_guest_agent_up{instance="h2:9177",vm="v5"} 0x40
  evenkeel_vm_guest_agent_connected{instance="h2:9177",vm="v5"} 0x40`)
	s, err := promql.New(url, nil, options())
	if err != nil {
		t.Fatal(err)
	}
	n := cluster.Known
	ask := func(vms ...string) []cluster.GuestSigns {
		t.Helper()
		signs, err := s.Guests(context.Background(), time.Unix(600, 0), 2*time.Minute, vms)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range signs {
			for i := range s.VCPUs {
				s.VCPUs[i] = math.Round(s.VCPUs[i]*100) / 100
			}
		}
		slices.SortFunc(signs, func(a, b cluster.GuestSigns) int { return strings.Compare(a.VM, b.VM) })
		return signs
	}
	silent := []cluster.GuestSigns{
		{VM: "v1", Connected: true, SilentSeconds: n(90), DiskRequests: n(0), PacketsSent: n(0), VCPUs: []float64{0, 1}},
		{VM: "v2", Connected: true, SilentSeconds: n(30), DiskRequests: n(360), PacketsSent: n(240)},
	}
	same := func(a, b cluster.GuestSigns) bool {
		return a.VM == b.VM && a.Answers == b.Answers && a.Connected == b.Connected && a.SilentSeconds == b.SilentSeconds && a.DiskRequests == b.DiskRequests &&
			a.PacketsSent == b.PacketsSent && slices.Equal(a.VCPUs, b.VCPUs)
	}
	if got := ask(); !slices.EqualFunc(got, silent, same) {
		t.Errorf("got %+v", got)
	}
	asked := slices.Insert(slices.Clone(silent), 2, cluster.GuestSigns{VM: "v3", Answers: true, Connected: true, SilentSeconds: n(2)})
	if got := ask("v1", "v3", "v4"); !slices.EqualFunc(got, asked, same) {
		t.Errorf("asked for some: %+v", got)
	}
}
