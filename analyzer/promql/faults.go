package promql

import (
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/common/model"
)

// fault is one query whose series each stand for something broken: its value, and the label that names
// the part.
type fault struct {
	kind  cluster.FaultKind
	part  string
	query string
	// limit is what the value should not go over.
	limit float64
}

// faults lists what is looked for on hosts. Each query gives only what is over its limit.
func faults() []fault {
	return []fault{
		{cluster.FaultBondSlave, "bond", `evenkeel_host_bond_slaves - evenkeel_host_bond_slaves_up > 0`, 0},
		{cluster.FaultMultipath, "map", `evenkeel_host_multipath_paths_failed > 0`, 0},
		{cluster.FaultMemoryErrors, "controller", `increase(evenkeel_host_memory_errors_uncorrectable_total[1d]) > 0 or increase(evenkeel_host_memory_errors_correctable_total[1d]) > 100`, 0},
		{cluster.FaultPoolFull, "pool", `evenkeel_storage_pool_allocation_bytes / (evenkeel_storage_pool_capacity_bytes > 0) > 0.9`, 0.9},
		{cluster.FaultFilesystemFull, "mountpoint", `1 - evenkeel_host_filesystem_available_bytes / (evenkeel_host_filesystem_size_bytes > 0) > 0.95 unless on (host, mountpoint) evenkeel_host_filesystem_readonly == 1`, 0.95},
		{cluster.FaultClock, "", `evenkeel_host_clock_synchronised == bool 0 > 0`, 0},
	}
}

// faultsByHost sorts what the queries gave by host. Two exporters that tell of one host tell it once.
func faultsByHost(answers []model.Vector) map[string][]cluster.Fault {
	found := map[string][]cluster.Fault{}
	for i, f := range faults() {
		for _, s := range answers[i] {
			host := label(s, "host")
			detail := "the host"
			if f.part != "" {
				detail = label(s, f.part)
			}
			same := func(o cluster.Fault) bool { return o.Kind == f.kind && o.Detail == detail }
			if slices.ContainsFunc(found[host], same) {
				continue
			}
			found[host] = append(found[host], cluster.Fault{Kind: f.kind, Detail: detail, Value: float64(s.Value), Limit: cluster.Known(f.limit), Query: f.query})
		}
	}
	return found
}
