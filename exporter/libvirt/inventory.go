package libvirt

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"libvirt.org/go/libvirt"
	"libvirt.org/go/libvirtxml"
)

const (
	// inventoryAge is after how long definitions, pools and networks are read again.
	inventoryAge = time.Minute
	// renewTimeout bounds that reading; it happens in the background.
	renewTimeout = 30 * time.Second
)

// inventory is what changes rarely: the host's identity, its pools and networks, and the VMs'
// definitions by UUID.
type inventory struct {
	at         time.Time
	host       stat.Host
	identities map[string]stat.Identity
}

func (inv inventory) misses(vms []stat.VM) bool {
	for _, v := range vms {
		if _, ok := inv.identities[v.UUID]; !ok {
			return true
		}
	}
	return false
}

func readInventory(c *libvirt.Connect, old inventory) (inventory, error) {
	inv := inventory{at: time.Now(), identities: map[string]stat.Identity{}}
	var err error
	if inv.host, err = readHost(c); err != nil {
		return inventory{}, err
	}
	inv.host.Pools, err = readPools(c)
	inv.note("pools", err)
	inv.host.Networks, err = readNetworks(c)
	inv.note("networks", err)
	doms, err := c.ListAllDomains(0)
	if err != nil {
		return inventory{}, fmt.Errorf("list domains: %w", err)
	}
	for i := range doms {
		uuid, id, err := readIdentity(&doms[i], inv.host)
		if err != nil {
			// A domain that is just being made or undone: the old reading, if any, stands.
			if was, ok := old.identities[uuid]; ok {
				inv.identities[uuid] = was
			}
			inv.note("definitions", err)
		} else {
			inv.identities[uuid] = id
		}
		_ = doms[i].Free() // it frees our handle only; nothing can be done about a failure
	}
	return inv, nil
}

// note records a group that failed, once.
func (inv *inventory) note(group string, err error) {
	if err == nil || slices.ContainsFunc(inv.host.Failed, func(f stat.Failure) bool { return f.Group == group }) {
		return
	}
	inv.host.Failed = append(inv.host.Failed, stat.Failure{Group: group, Reason: err.Error()})
}

func readHost(c *libvirt.Connect) (stat.Host, error) {
	var h stat.Host
	var err error
	if h.Name, err = c.GetHostname(); err != nil {
		return h, fmt.Errorf("read the host's name: %w", err)
	}
	if h.Hypervisor, err = c.GetType(); err != nil {
		return h, fmt.Errorf("read the driver's type: %w", err)
	}
	if v, err := c.GetVersion(); err == nil {
		h.HypervisorVersion = version(v)
	}
	if v, err := c.GetLibVersion(); err == nil {
		h.LibvirtVersion = version(v)
	}
	text, err := c.GetCapabilities()
	if err != nil {
		return h, fmt.Errorf("read capabilities: %w", err)
	}
	var caps libvirtxml.Caps
	if err := caps.Unmarshal(text); err != nil {
		return h, fmt.Errorf("parse capabilities: %w", err)
	}
	h.UUID = caps.Host.UUID
	if cpu := caps.Host.CPU; cpu != nil {
		h.Arch, h.CPUModel, h.CPUCompat = cpu.Arch, cpu.Model, compat(cpu)
	}
	return h, nil
}

// compat is a short hash of everything a guest could see of the host's CPU: its vendor, its model
// and its features. Two hosts with the same hash can exchange any guest.
func compat(cpu *libvirtxml.CapsHostCPU) string {
	features := make([]string, 0, len(cpu.FeatureFlags))
	for _, f := range cpu.FeatureFlags {
		features = append(features, f.Name)
	}
	slices.Sort(features)
	sum := sha256.Sum256([]byte(strings.Join(append([]string{cpu.Arch, cpu.Vendor, cpu.Model}, features...), "\n")))
	return hex.EncodeToString(sum[:4])
}

func version(v uint32) string {
	return fmt.Sprintf("%d.%d.%d", v/1000000, v/1000%1000, v%1000)
}

// sharedPoolTypes are the kinds of pool that several hosts can reach by their nature. A directory
// may be shared as well, which only its owner knows: the server's configuration says so.
func sharedPoolTypes() []string {
	return []string{"netfs", "iscsi", "iscsi-direct", "rbd", "gluster", "sheepdog", "vstorage"}
}

func readPools(c *libvirt.Connect) ([]stat.Pool, error) {
	pools, err := c.ListAllStoragePools(libvirt.CONNECT_LIST_STORAGE_POOLS_ACTIVE)
	if err != nil {
		return nil, fmt.Errorf("list storage pools: %w", err)
	}
	found := make([]stat.Pool, 0, len(pools))
	for i := range pools {
		text, xmlErr := pools[i].GetXMLDesc(0)
		_ = pools[i].Free() // it frees our handle only; nothing can be done about a failure
		var def libvirtxml.StoragePool
		if xmlErr == nil {
			xmlErr = def.Unmarshal(text)
		}
		if xmlErr != nil {
			err = fmt.Errorf("read a storage pool: %w", xmlErr)
			continue
		}
		p := stat.Pool{Name: def.Name, Type: def.Type, Shared: slices.Contains(sharedPoolTypes(), def.Type)}
		if def.Target != nil {
			p.Path = def.Target.Path
		}
		found = append(found, p)
	}
	return found, err
}

// readNetworks lists what an interface can be plugged into: libvirt's active networks and, on the
// machine that we run on, its bridges.
func readNetworks(c *libvirt.Connect) ([]string, error) {
	var names []string
	networks, err := c.ListAllNetworks(libvirt.CONNECT_LIST_NETWORKS_ACTIVE)
	for i := range networks {
		if name, err := networks[i].GetName(); err == nil {
			names = append(names, name)
		}
		_ = networks[i].Free() // it frees our handle only; nothing can be done about a failure
	}
	if uri, uriErr := c.GetURI(); uriErr == nil && local(uri) {
		bridges, globErr := filepath.Glob("/sys/class/net/*/bridge")
		if globErr == nil {
			for _, b := range bridges {
				names = append(names, filepath.Base(filepath.Dir(b)))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// local tells whether a canonical libvirt URI (qemu:///system) means this very machine.
func local(uri string) bool {
	_, rest, ok := strings.Cut(uri, "://")
	return ok && strings.HasPrefix(rest, "/")
}

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
	for _, p := range pools {
		if disk.Pool == "" && p.Path != "" && strings.HasPrefix(disk.Path, strings.TrimSuffix(p.Path, "/")+string(os.PathSeparator)) {
			disk.Pool = p.Name
		}
	}
	return disk, disk.Path != ""
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
	for _, n := range d.Interfaces {
		if n.Source != nil && (n.Source.Hostdev != nil || n.Source.VHostUser != nil) {
			return "it has a passed-through or vhost-user network interface"
		}
	}
	return ""
}
