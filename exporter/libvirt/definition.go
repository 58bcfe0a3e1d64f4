package libvirt

import (
	"fmt"
	"strings"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"libvirt.org/go/libvirt"
	"libvirt.org/go/libvirtxml"
)

func readIdentity(d *libvirt.Domain, h stat.Host) (uuid string, id stat.Identity, err error) {
	if uuid, err = d.GetUUIDString(); err != nil {
		return "", id, fmt.Errorf("read a domain's UUID: %w", err)
	}
	text, err := d.GetXMLDesc(0)
	if err != nil {
		return uuid, id, fmt.Errorf("read the definition of %s: %w", uuid, err)
	}
	id, err = parseIdentity(text, h)
	if err != nil {
		return uuid, id, fmt.Errorf("parse the definition of %s: %w", uuid, err)
	}
	return uuid, id, nil
}

func parseIdentity(text string, h stat.Host) (stat.Identity, error) {
	var def libvirtxml.Domain
	if err := def.Unmarshal(text); err != nil {
		return stat.Identity{}, err
	}
	var id stat.Identity
	if def.OS != nil && def.OS.Type != nil {
		id.Machine = def.OS.Type.Machine
	}
	if cpu := def.CPU; cpu != nil && cpu.Mode != "" {
		id.CPUMode, id.CPUCompat = cpu.Mode, h.CPUCompat
		if cpu.Model != nil {
			id.CPUModel = cpu.Model.Value
		}
	}
	if def.Devices == nil {
		return id, nil
	}
	for _, d := range def.Devices.Disks {
		if disk, ok := parseDisk(d, h.Pools); ok {
			id.Disks = append(id.Disks, disk)
		}
	}
	for i, n := range def.Devices.Interfaces {
		id.NICs = append(id.NICs, parseNIC(i, n))
	}
	id.Immovable = immovable(def.Devices)
	return id, nil
}

func parseDisk(d libvirtxml.DomainDisk, pools []stat.Pool) (stat.Disk, bool) {
	disk := stat.Disk{}
	if d.Target != nil {
		disk.Device = d.Target.Dev
	}
	if d.Driver != nil {
		disk.Format = d.Driver.Type
	}
	if d.Source == nil {
		return disk, false // an empty drive
	}
	switch {
	case d.Source.File != nil:
		disk.Type, disk.Path = "file", d.Source.File.File
	case d.Source.Block != nil:
		disk.Type, disk.Path = "block", d.Source.Block.Dev
	case d.Source.Volume != nil:
		disk.Type, disk.Path, disk.Pool = "volume", d.Source.Volume.Volume, d.Source.Volume.Pool
	case d.Source.Network != nil:
		disk.Type, disk.Path = "network", d.Source.Network.Protocol+":"+d.Source.Network.Name
	}
	if disk.Pool == "" {
		disk.Pool = poolOf(disk.Path, pools)
	}
	return disk, disk.Path != ""
}

// poolOf names the pool that a path lies in. Pools may lie in one another; the innermost one counts.
func poolOf(path string, pools []stat.Pool) string {
	name, longest := "", 0
	for _, p := range pools {
		root := strings.TrimSuffix(p.Path, "/") + "/"
		if p.Path != "" && len(root) > longest && strings.HasPrefix(path, root) {
			name, longest = p.Name, len(root)
		}
	}
	return name
}

func parseNIC(i int, n libvirtxml.DomainInterface) stat.NIC {
	nic := stat.NIC{Index: i}
	if n.MAC != nil {
		nic.MAC = n.MAC.Address
	}
	if n.Source == nil {
		return nic
	}
	switch {
	case n.Source.Bridge != nil:
		nic.Network = n.Source.Bridge.Bridge
	case n.Source.Network != nil:
		nic.Network = n.Source.Network.Network
	case n.Source.Direct != nil:
		nic.Network = n.Source.Direct.Dev
	}
	return nic
}

// immovable names the first thing in a definition that ties it to its host.
func immovable(d *libvirtxml.DomainDeviceList) string {
	switch {
	case len(d.Hostdevs) > 0:
		return "it has a passed-through device"
	case len(d.Shmems) > 0:
		return "it shares memory with its host"
	case len(d.Filesystems) > 0:
		return "it has a file system of its host"
	}
	for i, n := range d.Interfaces {
		if n.Source != nil && (n.Source.Hostdev != nil || n.Source.VHostUser != nil) {
			return "it has a passed-through or vhost-user network interface"
		}
		if parseNIC(i, n).Network == "" && !selfContained(n) {
			return fmt.Sprintf("its network interface %d is plugged into something that other hosts are not known to have", i)
		}
	}
	return ""
}

// selfContained tells whether an interface needs nothing of its host: a user-mode network lives in
// the VM's own process, and a null interface is plugged into nothing.
func selfContained(n libvirtxml.DomainInterface) bool {
	return n.Source != nil && (n.Source.User != nil || n.Source.Null != nil)
}
