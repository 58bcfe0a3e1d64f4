package promql

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/common/model"
)

// usageTimeout bounds a question about weeks, which takes longer than one about now.
const usageTimeout = 2 * time.Minute

// usageQueries are what the numbers of a usage are read by, over $window.
func usageQueries() map[string]string {
	over := func(begin, expression string) string {
		return begin + "(" + expression + ")[$window:15m])"
	}
	sum := func(label string, metrics ...string) string {
		var parts []string
		for _, m := range metrics {
			parts = append(parts, "max by (vm, instance, "+label+") (rate("+m+"[15m]))")
		}
		return "sum by (vm) (" + strings.Join(parts, " + ") + ")"
	}
	// What was not there when the window began may do its work on days that nobody has seen.
	throughout := ` and on (vm) group by (vm) (present_over_time(evenkeel_vm_info[1h] offset $window))`
	return map[string]string{
		"cpu_cores":                over("quantile_over_time(0.99, ", `sum by (vm) (max by (vm, instance) (rate(evenkeel_vm_cpu_seconds_total[15m])))`) + throughout,
		"network_bytes_per_second": over("quantile_over_time(0.99, ", sum("interface", "evenkeel_vm_network_receive_bytes_total", "evenkeel_vm_network_transmit_bytes_total")),
		"disk_bytes_per_second":    over("quantile_over_time(0.99, ", sum("device", "evenkeel_vm_block_read_bytes_total", "evenkeel_vm_block_write_bytes_total")),
		"memory_bytes": over("max_over_time(", `max by (vm) (evenkeel_vm_memory_balloon_bytes - evenkeel_vm_memory_usable_bytes) or `+
			`max by (vm) (evenkeel_vm_memory_balloon_bytes - evenkeel_vm_memory_unused_bytes)`),
	}
}

// UsageSources are the PromQL behind the numbers of a usage over the window.
func UsageSources(window time.Duration) []cluster.Source {
	queries := usageQueries()
	var all []cluster.Source
	for _, number := range slices.Sorted(maps.Keys(queries)) {
		all = append(all, cluster.Source{Number: number, Query: strings.ReplaceAll(queries[number], "$window", model.Duration(window).String())})
	}
	return all
}

// Usage is what each VM used over the window that ends then; those that were not there all the time are left out.
func (s *Source) Usage(ctx context.Context, at time.Time, window time.Duration) ([]cluster.VMUsage, error) {
	ctx, cancel := context.WithTimeout(ctx, usageTimeout)
	defer cancel()
	found := map[string]*model.Vector{}
	f := &fetch{ctx: ctx, api: s.api, at: at}
	for _, source := range UsageSources(window) {
		found[source.Number] = &model.Vector{}
		f.vector(source.Query, found[source.Number])
	}
	if err := f.wait(); err != nil {
		return nil, fmt.Errorf("what VMs used in %s: %w", window, err)
	}
	cpu, network, disk, memory := by(*found["cpu_cores"], "vm"), by(*found["network_bytes_per_second"], "vm"), by(*found["disk_bytes_per_second"], "vm"), by(*found["memory_bytes"], "vm")
	var all []cluster.VMUsage
	for _, vm := range slices.Sorted(maps.Keys(cpu)) {
		all = append(all, cluster.VMUsage{VM: vm, CPUCores: cpu[vm], NetworkBytesPerSecond: network[vm], DiskBytesPerSecond: disk[vm], MemoryBytes: numberOf(memory, vm)})
	}
	return all, nil
}
