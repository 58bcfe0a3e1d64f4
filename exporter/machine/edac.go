package machine

import "github.com/evenkeel/evenkeel/exporter/stat"

// edac reads the memory controllers that the kernel has a driver for; many machines have none.
func (r *Reader) edac(kernel) (put, error) {
	names, err := entries(r.sys("devices/system/edac/mc"))
	if err != nil {
		return nil, err
	}
	var controllers []stat.MemoryController
	for _, name := range names {
		if _, ok := numbered(name, "mc", ""); !ok {
			continue
		}
		var correctable, uncorrectable int64
		countErr := counts(r.sys("devices/system/edac/mc", name), field{"ce_count", &correctable}, field{"ue_count", &uncorrectable})
		if countErr != nil {
			err = countErr
			continue
		}
		controllers = append(controllers, stat.MemoryController{Name: name, Correctable: float64(correctable), Uncorrectable: float64(uncorrectable)})
	}
	return func(m *stat.Machine) { m.EDAC = controllers }, err
}
