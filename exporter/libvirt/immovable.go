package libvirt

import (
	"fmt"
	"slices"

	"libvirt.org/go/libvirtxml"
)

// immovable lists what in a definition ties the VM to its host. libvirt or the hypervisor would refuse
// the migration, or the VM would arrive without something that it had.
func immovable(def libvirtxml.Domain) []string {
	var why []string
	tied := func(is bool, reason string) {
		if is && !slices.Contains(why, reason) {
			why = append(why, reason)
		}
	}
	if def.Type == "xen" && def.OS != nil && def.OS.Type != nil {
		tied(def.OS.Type.Type == "linux" || def.OS.Type.Type == "xen", "it is a paravirtual guest, which moves while it runs only where Xen was built with shadow paging (Debian's was not)")
	}
	if s := def.LaunchSecurity; s != nil {
		tied(true, "its memory is encrypted by its host")
	}
	if cpu := def.CPU; cpu != nil {
		tied(cpu.Migratable == "off", "its CPU is declared as not migratable")
		tied(slices.ContainsFunc(cpu.Features, invariantClock), "its CPU promises a clock that keeps its rate (invtsc)")
	}
	d := def.Devices
	if d == nil {
		return why
	}
	tied(len(d.Hostdevs) > 0, "it has a passed-through device")
	tied(len(d.Shmems) > 0, "it shares memory with its host")
	tied(len(d.Filesystems) > 0, "it has a file system of its host")
	tied(len(d.Leases) > 0, "it holds a lease that only its host manages")
	for _, t := range d.TPMs {
		tied(t.Backend != nil && t.Backend.Passthrough != nil, "it has its host's TPM")
	}
	for _, i := range d.Inputs {
		tied(i.Source != nil && (i.Source.EVDev != nil || i.Source.Passthrough != nil), "it has an input device of its host")
	}
	for _, c := range d.Smartcards {
		tied(c.Host != nil || len(c.HostCerts) > 0, "it has a smart card of its host")
	}
	for _, m := range d.Memorydevs {
		tied(m.Model == "sgx-epc", "it has memory that only its host's CPU can read (SGX)")
	}
	for _, s := range d.Serials {
		tied(s.Source != nil && s.Source.Dev != nil, "it has a serial port of its host")
	}
	for _, p := range d.Parallels {
		tied(p.Source != nil && p.Source.Dev != nil, "it has a parallel port of its host")
	}
	for _, k := range d.Disks {
		tied(k.Device == "lun" || k.Source != nil && k.Source.NVME != nil, "it has a passed-through disk")
		tied(k.Device == "cdrom" && k.Source != nil && k.Source.Block != nil, "it has its host's CD drive")
		tied(k.Mirror != nil, "a disk of it is being copied")
	}
	for i, n := range d.Interfaces {
		tied(n.Source != nil && (n.Source.Hostdev != nil || n.Source.VHostUser != nil || n.Source.VDPA != nil), "it has a passed-through or vhost-user network interface")
		if (n.Source == nil || n.Source.Hostdev == nil && n.Source.VHostUser == nil && n.Source.VDPA == nil) && parseNIC(i, n).Network == "" && !selfContained(n) {
			tied(true, fmt.Sprintf("its network interface %d is plugged into something that other hosts are not known to have", i))
		}
	}
	return why
}

func invariantClock(f libvirtxml.DomainCPUFeature) bool {
	return f.Name == "invtsc" && (f.Policy == "require" || f.Policy == "force")
}

// selfContained tells whether an interface needs nothing of its host: a user-mode network lives in
// the VM's own process, and a null interface is plugged into nothing.
func selfContained(n libvirtxml.DomainInterface) bool {
	return n.Source != nil && (n.Source.User != nil || n.Source.Null != nil)
}
