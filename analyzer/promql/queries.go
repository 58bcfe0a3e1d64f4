package promql

import (
	"strconv"
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
// exporter of the host that it came from: both parts together are its use over the window. Before
// that, what two replicas or two jobs scraped from one exporter is made one again by taking the
// largest of each instance.
type queries struct {
	hosts, hostSeen, hostCPUs, hostMemory, hostCPUUsed, hostVMCPU                string
	pools, networks                                                              string
	vms, vmsAlso, vmsRemembered, vmsEarlier                                      string
	vmState, vmVCPUs, vmMemory                                                   string
	vmCPU, vmDisks                                                               string
	vmNetworks, vmDemand, vmMemoryDemand, vmSteal, vmMovable, vmTied             string
	hostControlCPU, hostPressure                                                 string
	vmSettings, vmTags, vmDirty, vmJobs, vmAnswers                               string
	hostMemoryPressure, hostIOPressure, hostModels, hostMaintenance, hostStandby string
	vmBalloon, vmSwap, vmArrived, vmMoves, ownMoves, servers                     string
	lastSeconds, lastDowntime, lastBytes                                         string
	vmHours, vmCPUPeak, vmMemoryPeak, vmIO                                       string
}

// demandSteps is how many points of the window a percentile of demand is taken from.
const demandSteps = 20

// newQueries writes the queries. Demand is a percentile over the window of rates over a shorter time, which
// is four scrapes or a fifth of the window, whichever is longer; without a percentile, and where the window is
// too short for any, it is the mean.
func newQueries(o Options) queries {
	window := o.Window
	half := max(time.Second, (window / 2).Truncate(time.Second)) // two scrapes at least
	short := max(4*o.ScrapeInterval, (window / 5).Truncate(time.Second), time.Second)
	step := max(time.Second, (window / demandSteps).Truncate(time.Second))
	words := strings.NewReplacer("$window", model.Duration(window).String(), "$memory", memory, "$half", model.Duration(half).String(),
		"$short", model.Duration(short).String(), "$step", model.Duration(step).String(), "$p", strconv.FormatFloat(o.Percentile, 'g', -1, 64), "$cluster", strconv.Quote(o.Cluster))
	q := words.Replace
	over := func(expression string) string { return q(strings.ReplaceAll(expression, "$rate", "$window")) }
	memoryOver := q
	if o.Percentile > 0 && 2*short <= window {
		over = func(expression string) string {
			return q("quantile_over_time($p, (" + strings.ReplaceAll(expression, "$rate", "$short") + ")[$window:$step])")
		}
		memoryOver = func(expression string) string {
			return q("quantile_over_time($p, (" + expression + ")[$window:$step])")
		}
	}
	return queries{
		// A host whose CPU or software changed has two series within the memory: the present one counts.
		hosts:       q(`evenkeel_host_info or on (host) last_over_time(evenkeel_host_info[$memory])`),
		hostSeen:    q(`timestamp(evenkeel_host_cpus)`),
		hostCPUs:    q(`evenkeel_host_cpus`),
		hostMemory:  q(`evenkeel_host_memory_bytes`),
		hostCPUUsed: q(`sum by (instance, host) (max by (instance, host, mode) (rate(evenkeel_host_cpu_seconds_total{mode!~"idle|iowait|steal"}[$window])))`),
		hostVMCPU:   q(`sum by (instance) (max by (instance, vm) (rate(evenkeel_vm_cpu_seconds_total[$window])))`),
		// Where a hypervisor counts no host's CPU, its own domain is what the host itself uses.
		hostControlCPU: q(`max by (host) (rate(evenkeel_host_control_domain_cpu_seconds_total[$window]))`),
		hostPressure:   q(`max by (host) (rate(evenkeel_host_pressure_some_seconds_total{resource="cpu"}[$window]))`),
		pools:          q(`evenkeel_storage_pool_info`),
		networks:       q(`evenkeel_host_network_info`),

		vms:           q(`evenkeel_vm_info`),
		vmsAlso:       q(`evenkeel_vm_also_on_info`),
		vmsRemembered: q(`last_over_time(evenkeel_vm_info[$memory])`),
		// A rate over a window whose beginning is empty is too small, so a VM must have been seen when
		// the window began. What follows a hole in the middle is right.
		vmsEarlier: q(`group by (vm) (present_over_time(evenkeel_vm_info[$half] offset $window))`),
		vmState:    q(`evenkeel_vm_state == 1`),
		vmVCPUs:    q(`max by (vm, instance) (evenkeel_vm_vcpus)`),
		vmMemory:   q(`max by (vm, instance) (evenkeel_vm_memory_bytes)`),
		vmCPU:      q(`evenkeel_vm_cpu_info`),
		vmDisks:    q(`evenkeel_vm_disk_info`),
		vmNetworks: q(`evenkeel_vm_network_info`),
		vmDemand: over(`sum by (vm) (max by (vm, instance) (rate(evenkeel_vm_cpu_seconds_total[$rate]))) + ` +
			`(sum by (vm) (max by (vm, instance, vcpu) (rate(evenkeel_vm_vcpu_steal_seconds_total[$rate]))) or ` +
			`0 * sum by (vm) (rate(evenkeel_vm_cpu_seconds_total[$rate])))`),
		vmMemoryDemand: memoryOver(`max by (vm, instance) (evenkeel_vm_memory_balloon_bytes - evenkeel_vm_memory_unused_bytes) or ` +
			`max by (vm, instance) (evenkeel_vm_memory_rss_bytes) or max by (vm, instance) (evenkeel_vm_memory_bytes)`),
		vmSteal: q(`sum by (vm) (max by (vm, instance, vcpu) (rate(evenkeel_vm_vcpu_steal_seconds_total[$window]))) / ` +
			`max by (vm) (evenkeel_vm_vcpus > 0)`),
		vmMovable: q(`min by (vm, instance) (evenkeel_vm_movable)`),
		vmTied:    q(`evenkeel_vm_immovable_info`),

		vmSettings: q(`evenkeel_vm_settings_info`),
		vmTags:     q(`evenkeel_vm_tag_info`),
		vmDirty:    q(`max by (vm, instance) (evenkeel_vm_dirty_bytes_per_second)`),
		vmJobs:     q(`evenkeel_vm_job_info`),
		vmAnswers:  q(`min by (vm, instance) (evenkeel_vm_hypervisor_up)`),

		hostMemoryPressure: q(`max by (host) (rate(evenkeel_host_pressure_some_seconds_total{resource="memory"}[$window]))`),
		hostIOPressure:     q(`max by (host) (rate(evenkeel_host_pressure_some_seconds_total{resource="io"}[$window]))`),
		hostModels:         q(`evenkeel_host_cpu_model_info`),
		hostMaintenance:    q(`max by (host) (evenkeel_host_maintenance) == 1`),
		hostStandby:        q(`max by (host) (evenkeel_host_standby) > 0`),
		vmBalloon:          q(`max by (vm, instance) (evenkeel_vm_memory_balloon_bytes)`),
		vmSwap: q(`sum by (vm, instance) (rate(evenkeel_vm_memory_swap_in_bytes_total[$window])) + ` +
			`sum by (vm, instance) (rate(evenkeel_vm_memory_swap_out_bytes_total[$window]))`),
		// Every arrival by migration leaves a new time, on the exporter of the host that the VM came to.
		vmArrived:    q(`max by (vm) (max_over_time(evenkeel_vm_arrived_timestamp_seconds[6h]))`),
		vmMoves:      q(`sum by (vm) (changes(evenkeel_vm_arrived_timestamp_seconds[1d]) + (min_over_time(evenkeel_vm_arrived_timestamp_seconds[1d]) > bool (time() - 86400)))`),
		ownMoves:     q(`sum(increase(evenkeel_actions_total{kind="migrate",result="done"}[1d]))`),
		servers:      q(`max by (server) (evenkeel_server_info{evenkeel_cluster=$cluster` + beside(o.Store) + `})`),
		lastSeconds:  q(`max by (vm, instance) (evenkeel_vm_last_migration_seconds)`),
		lastDowntime: q(`max by (vm, instance) (evenkeel_vm_last_migration_downtime_seconds)`),
		lastBytes:    q(`max by (vm, instance) (evenkeel_vm_last_migration_transferred_bytes)`),

		// These are asked for full hours only; $range is filled in when they are asked.
		vmHours: `(sum by (vm) (max by (vm, instance) (increase(evenkeel_vm_cpu_seconds_total[1h]))) / 3600)[$range:1h]`,
		vmCPUPeak: `quantile_over_time(0.99, (sum by (vm) (max by (vm, instance) (rate(evenkeel_vm_cpu_seconds_total[5m]))))[1d:5m])` +
			` and on (vm) group by (vm) (present_over_time(evenkeel_vm_info[15m] offset 1d))`,
		vmMemoryPeak: `quantile_over_time(0.99, (max by (vm) (evenkeel_vm_memory_balloon_bytes - evenkeel_vm_memory_unused_bytes))[1d:5m])` +
			` and on (vm) group by (vm) (present_over_time(evenkeel_vm_info[15m] offset 1d))`,
		vmIO: `sum by (vm) (max by (vm, instance, device) (rate(evenkeel_vm_block_read_bytes_total[1h]))) + ` +
			`sum by (vm) (max by (vm, instance, device) (rate(evenkeel_vm_block_write_bytes_total[1h]))) + ` +
			`(sum by (vm) (max by (vm, instance, interface) (rate(evenkeel_vm_network_receive_bytes_total[1h])) + ` +
			`max by (vm, instance, interface) (rate(evenkeel_vm_network_transmit_bytes_total[1h]))) or 0 * sum by (vm) (rate(evenkeel_vm_block_read_bytes_total[1h])))`,
	}
}

// beside is the matcher for servers that do not share the store.
func beside(store string) string {
	if store == "" {
		return ""
	}
	return ", store!=" + strconv.Quote(store)
}
