package machine

import (
	"fmt"
	"path/filepath"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/procfs"
)

func (r *Reader) memory(kernel) (put, error) {
	info, err := fromProc(r, "meminfo", procfs.FS.Meminfo)
	if err != nil {
		return nil, err
	}
	memory := &stat.MachineMemory{Available: known(info.MemAvailableBytes), Dirty: known(info.DirtyBytes)}
	for _, line := range []struct {
		name  string
		bytes *uint64
		into  *int64
	}{
		{"MemTotal", info.MemTotalBytes, &memory.Total}, {"MemFree", info.MemFreeBytes, &memory.Free},
		{"SwapTotal", info.SwapTotalBytes, &memory.SwapTotal}, {"SwapFree", info.SwapFreeBytes, &memory.SwapFree},
	} {
		if line.bytes == nil {
			return nil, fmt.Errorf("read %s/meminfo: it has no line %s", r.o.Proc, line.name)
		}
		*line.into = int64(*line.bytes)
	}
	memory.HugePages, err = hugePages(r.sys("kernel/mm/hugepages"))
	return func(m *stat.Machine) { m.Memory = memory }, err
}

func known(n *uint64) cluster.Number {
	if n == nil {
		return cluster.Number{}
	}
	return cluster.Known(float64(*n))
}

// hugePages reads the huge pages of every size that the directory has, by size. It serves the whole
// machine and each NUMA node alike; nodes know of no reservations.
func hugePages(dir string) ([]stat.HugePages, error) {
	names, err := entries(dir)
	if err != nil {
		return nil, err
	}
	var pages []stat.HugePages
	for _, name := range names {
		kB, ok := numbered(name, "hugepages-", "kB")
		if !ok {
			continue
		}
		p := stat.HugePages{Size: kB * 1024}
		of := filepath.Join(dir, name)
		err := counts(of, field{"nr_hugepages", &p.Total}, field{"free_hugepages", &p.Free}, field{"surplus_hugepages", &p.Surplus})
		if err != nil {
			return pages, err
		}
		if reserved := filepath.Join(of, "resv_hugepages"); exists(reserved) {
			n, err := count(reserved)
			if err != nil {
				return pages, err
			}
			p.Reserved = cluster.Known(float64(n))
		}
		pages = append(pages, p)
	}
	return pages, nil
}
