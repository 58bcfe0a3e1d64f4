package machine

import (
	"fmt"
	"math"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/procfs"
	"github.com/prometheus/procfs/sysfs"
)

// networkDevices reads what connects the machine to others. The many devices that connect its guests
// to it are passed over before any of their files is read.
func (r *Reader) networkDevices(kernel) (put, error) {
	sys, err := sysfs.NewFS(r.o.Sys)
	if err != nil {
		return nil, err
	}
	names, err := sys.NetClassDevices()
	if err != nil {
		return nil, err
	}
	traffic, err := fromProc(r, "net/dev", procfs.FS.NetDev)
	if err != nil {
		return nil, err
	}
	var devices []stat.NetworkDevice
	for _, name := range names {
		kind := r.kind(name)
		if kind == "" {
			continue
		}
		d, deviceErr := r.networkDevice(name, traffic)
		if deviceErr != nil {
			err = deviceErr
			continue
		}
		d.Kind = kind
		devices = append(devices, d)
	}
	return func(m *stat.Machine) { m.NetworkDevices = devices }, err
}

// kind is the device's kind, or "" for one that is not read.
func (r *Reader) kind(name string) string {
	switch dir := r.sys("class/net", name); {
	case exists(dir + "/device"):
		return "physical"
	case exists(dir + "/bridge"):
		return "bridge"
	case exists(dir + "/bonding"):
		return "bond"
	}
	return ""
}

func (r *Reader) networkDevice(name string, traffic procfs.NetDev) (stat.NetworkDevice, error) {
	line, ok := traffic[name]
	if !ok {
		return stat.NetworkDevice{}, fmt.Errorf("read %s/net/dev: it has no line for %s", r.o.Proc, name)
	}
	d := stat.NetworkDevice{
		Name:         name,
		ReceiveBytes: float64(line.RxBytes), TransmitBytes: float64(line.TxBytes),
		ReceiveErrors: float64(line.RxErrors), TransmitErrors: float64(line.TxErrors),
		ReceiveDrops: float64(line.RxDropped), TransmitDrops: float64(line.TxDropped),
	}
	var class sysfs.NetClassIface
	for _, file := range []string{"flags", "carrier", "speed"} {
		if err := sysfs.ParseNetClassAttribute(r.sys("class/net", name), file, &class); err != nil {
			return d, err
		}
	}
	// A device that is switched off refuses to tell its carrier and speed.
	const up = 1
	d.Enabled = class.Flags != nil && *class.Flags&up != 0
	d.Carrier = class.Carrier != nil && *class.Carrier == 1
	// Without a link the speed is -1, which old drivers write without its sign.
	if s := class.Speed; s != nil && *s > 0 && *s < math.MaxUint32 {
		d.Speed = cluster.Known(float64(*s) * 1e6)
	}
	return d, nil
}
