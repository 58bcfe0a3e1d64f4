package promql

import (
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// memory is how far back hosts and VMs are remembered that give no data any more. A host that is
// silent for longer is forgotten, unless the configuration names it.
const memory = "1h"

// queries is every PromQL query that a snapshot is made from, all evaluated at one time. The keys
// that are also names of numbers in the snapshot file are published with it as their source.
//
// The CPU of a VM is summed over instances because a VM that moved leaves a series behind on the
// exporter of the host that it came from: both parts together are its use over the window.
type queries struct {
	hosts, hostSeen, hostCPUs, hostMemory, hostCPUUsed, hostVMCPU    string
	pools, networks                                                  string
	vms, vmsRemembered, vmsEarlier, vmState, vmVCPUs, vmMemory       string
	vmCPU, vmDisks                                                   string
	vmNetworks, vmDemand, vmMemoryDemand, vmSteal, vmMovable, vmTied string
}

func newQueries(window time.Duration) queries {
	w := model.Duration(window).String()
	q := func(text string) string {
		return strings.NewReplacer("$window", w, "$memory", memory).Replace(text)
	}
	return queries{
		hosts:       q(`last_over_time(evenkeel_host_info[$memory])`),
		hostSeen:    q(`timestamp(evenkeel_host_cpus)`),
		hostCPUs:    q(`evenkeel_host_cpus`),
		hostMemory:  q(`evenkeel_host_memory_bytes`),
		hostCPUUsed: q(`sum by (instance, host) (rate(evenkeel_host_cpu_seconds_total{mode=~"user|system"}[$window]))`),
		hostVMCPU:   q(`sum by (instance) (rate(evenkeel_vm_cpu_seconds_total[$window]))`),
		pools:       q(`evenkeel_storage_pool_info`),
		networks:    q(`evenkeel_host_network_info`),

		vms:           q(`evenkeel_vm_info`),
		vmsRemembered: q(`last_over_time(evenkeel_vm_info[$memory])`),
		vmsEarlier:    q(`group by (vm) (evenkeel_vm_info offset $window)`),
		vmState:       q(`evenkeel_vm_state == 1`),
		vmVCPUs:       q(`max by (vm) (evenkeel_vm_vcpus)`),
		vmMemory:      q(`max by (vm) (evenkeel_vm_memory_bytes)`),
		vmCPU:         q(`evenkeel_vm_cpu_info`),
		vmDisks:       q(`evenkeel_vm_disk_info`),
		vmNetworks:    q(`evenkeel_vm_network_info`),
		vmDemand: q(`sum by (vm) (rate(evenkeel_vm_cpu_seconds_total[$window])) + ` +
			`(sum by (vm) (rate(evenkeel_vm_vcpu_steal_seconds_total[$window])) or 0 * sum by (vm) (rate(evenkeel_vm_cpu_seconds_total[$window])))`),
		vmMemoryDemand: q(`max by (vm) (evenkeel_vm_memory_balloon_bytes - evenkeel_vm_memory_unused_bytes) or ` +
			`max by (vm) (evenkeel_vm_memory_rss_bytes) or max by (vm) (evenkeel_vm_memory_bytes)`),
		vmSteal:   q(`sum by (vm) (rate(evenkeel_vm_vcpu_steal_seconds_total[$window])) / max by (vm) (evenkeel_vm_vcpus > 0)`),
		vmMovable: q(`min by (vm) (evenkeel_vm_movable)`),
		vmTied:    q(`evenkeel_vm_immovable_info`),
	}
}
