package machine

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/prometheus/procfs/blockdevice"
)

// multipaths reads what the paths' devices say of themselves: SCSI disks in use are "running", NVMe
// controllers "live". What multipathd thinks of a path is not to be had without privileges.
func (r *Reader) multipaths(kernel) (put, error) {
	f, err := blockdevice.NewFS(r.o.Proc, r.o.Sys)
	if err != nil {
		return nil, err
	}
	maps, err := f.DMMultipathDevices()
	if errors.Is(err, fs.ErrNotExist) && !exists(r.sys("block")) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read multipath maps: %w", err)
	}
	var found []stat.Multipath
	for _, d := range maps {
		mp := stat.Multipath{Name: d.Name}
		for _, p := range d.Paths {
			if p.State == "running" || p.State == "live" {
				mp.Active++
			} else {
				mp.Failed++
			}
		}
		found = append(found, mp)
	}
	return func(m *stat.Machine) { m.Multipaths = found }, nil
}
