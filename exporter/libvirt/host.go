package libvirt

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"libvirt.org/go/libvirt"
	"libvirt.org/go/libvirtxml"
)

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
	describeCPU(&h, caps.Host)
	node, err := c.GetNodeInfo()
	if err != nil {
		return h, fmt.Errorf("read node info: %w", err)
	}
	h.CPU.Logical, h.CPU.Hertz = int(node.Cpus), float64(node.MHz)*1e6
	h.CPU.Sockets, h.CPU.NUMANodes = int(node.Sockets*node.Nodes), int(node.Nodes)
	h.CPU.Cores, h.CPU.Threads = int(node.Nodes*node.Sockets*node.Cores), int(node.Threads)
	h.Memory = &stat.HostMemory{Total: int64(node.Memory) << 10}
	if uri, err := c.GetURI(); err == nil {
		h.Local = Local(uri)
	}
	h.KVM = accelerated(caps)
	h.CPU.Usable = usableModels(c, caps)
	return h, nil
}

// accelerated tells whether guests of the host's own architecture can run with hardware
// virtualisation. It is not known for drivers other than QEMU's.
func accelerated(caps libvirtxml.Caps) *bool {
	qemu, with := false, false
	for _, g := range caps.Guests {
		for _, d := range g.Arch.Domains {
			qemu = qemu || d.Type == "qemu" || d.Type == "kvm"
			with = with || d.Type == "kvm"
		}
	}
	if !qemu {
		return nil
	}
	return &with
}

// usableModels lists the CPU models that guests can have. A driver that does not tell has none.
func usableModels(c *libvirt.Connect, caps libvirtxml.Caps) []string {
	if caps.Host.CPU == nil {
		return nil
	}
	text, err := c.GetDomainCapabilities("", caps.Host.CPU.Arch, "", "", 0)
	if err != nil {
		return nil
	}
	var dc libvirtxml.DomainCaps
	if err := dc.Unmarshal(text); err != nil || dc.CPU == nil {
		return nil
	}
	var usable []string
	for _, mode := range dc.CPU.Modes {
		if mode.Name != "custom" {
			continue
		}
		for _, m := range mode.Models {
			if m.Usable == "yes" {
				usable = append(usable, m.Name)
			}
		}
	}
	slices.Sort(usable)
	return usable
}

// describeCPU says what the host's CPU is. A host that does not tell is alone in a group of its own: an
// empty group would mean that its guests run anywhere.
func describeCPU(h *stat.Host, caps libvirtxml.CapsHost) {
	h.UUID, h.CPU.Compat = caps.UUID, "unknown-"+h.Name
	cpu := caps.CPU
	if cpu == nil {
		return
	}
	h.CPU.Arch, h.CPU.Vendor, h.CPU.Model = cpu.Arch, cpu.Vendor, cpu.Model
	if cpu.Model != "" || len(cpu.FeatureFlags) > 0 {
		h.CPU.Compat = compat(cpu)
	}
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
	pools, err := c.ListAllStoragePools(0)
	if err != nil {
		return nil, fmt.Errorf("list storage pools: %w", err)
	}
	found := make([]stat.Pool, 0, len(pools))
	for i := range pools {
		p, poolErr := readPool(&pools[i])
		_ = pools[i].Free() // it frees our handle only; nothing can be done about a failure
		if poolErr != nil {
			err = poolErr
			continue
		}
		found = append(found, p)
	}
	return found, err
}

func readPool(pool *libvirt.StoragePool) (stat.Pool, error) {
	text, err := pool.GetXMLDesc(0)
	if err != nil {
		return stat.Pool{}, fmt.Errorf("read a storage pool: %w", err)
	}
	var def libvirtxml.StoragePool
	if err := def.Unmarshal(text); err != nil {
		return stat.Pool{}, fmt.Errorf("parse a storage pool: %w", err)
	}
	p := stat.Pool{Name: def.Name, Type: def.Type, Shared: slices.Contains(sharedPoolTypes(), def.Type)}
	if def.Target != nil {
		p.Path = def.Target.Path
	}
	if def.Source != nil {
		p.Source = poolSource(*def.Source)
	}
	info, err := pool.GetInfo()
	if err != nil {
		return stat.Pool{}, fmt.Errorf("read the state of storage pool %s: %w", def.Name, err)
	}
	if states := stat.PoolStates(); int(info.State) < len(states) {
		p.State = states[info.State]
	}
	if info.State != libvirt.STORAGE_POOL_INACTIVE {
		p.Capacity, p.Allocation, p.Available = cluster.Known(float64(info.Capacity)), cluster.Known(float64(info.Allocation)), cluster.Known(float64(info.Available))
	}
	return p, nil
}

// poolSource is where a pool's content comes from. Servers are sorted, because hosts may name them
// in any order.
func poolSource(s libvirtxml.StoragePoolSource) string {
	what := s.Name
	switch {
	case s.Dir != nil && s.Dir.Path != "":
		what = s.Dir.Path
	case what == "" && len(s.Device) > 0:
		what = s.Device[0].Path
	}
	servers := make([]string, 0, len(s.Host))
	for _, h := range s.Host {
		servers = append(servers, h.Name)
	}
	slices.Sort(servers)
	if len(servers) == 0 {
		return what
	}
	return strings.Join(servers, ",") + ":" + what
}

// readNetworks lists what an interface can be plugged into: libvirt's active networks and, on the
// machine that we run on, its bridges.
func readNetworks(c *libvirt.Connect) ([]stat.Network, error) {
	found, err := c.ListAllNetworks(libvirt.CONNECT_LIST_NETWORKS_ACTIVE)
	var defs []libvirtxml.Network
	for i := range found {
		text, xmlErr := found[i].GetXMLDesc(0)
		_ = found[i].Free() // it frees our handle only; nothing can be done about a failure
		var def libvirtxml.Network
		if xmlErr == nil {
			xmlErr = def.Unmarshal(text)
		}
		if xmlErr != nil {
			err = fmt.Errorf("read a network: %w", xmlErr)
			continue
		}
		defs = append(defs, def)
	}
	var bridges []string
	if uri, uriErr := c.GetURI(); uriErr == nil && Local(uri) {
		paths, globErr := filepath.Glob("/sys/class/net/*/bridge")
		if globErr == nil {
			for _, b := range paths {
				bridges = append(bridges, filepath.Base(filepath.Dir(b)))
			}
		}
	}
	return networks(defs, bridges), err
}

// networks joins libvirt's networks and the host's bridges, each name once. A bridge is shared unless
// it carries a network that is not; a name that stands for both kinds is not.
func networks(defs []libvirtxml.Network, bridges []string) []stat.Network {
	shared := map[string]bool{}
	for _, b := range bridges {
		shared[b] = true
	}
	for _, def := range defs {
		before, known := shared[def.Name]
		shared[def.Name] = leadsOutside(def) && (before || !known)
	}
	for _, def := range defs {
		if def.Bridge != nil && def.Bridge.Name != "" && !leadsOutside(def) {
			shared[def.Bridge.Name] = false
		}
	}
	list := make([]stat.Network, 0, len(shared))
	for _, name := range slices.Sorted(maps.Keys(shared)) {
		list = append(list, stat.Network{Name: name, Shared: shared[name]})
	}
	return list
}

// leadsOutside tells whether guests are plugged into the host's own LAN. The other modes (nat, route,
// open, none) make a network inside one host: another host may have one of the same name, but it is
// not the same network. With hostdev a guest holds a piece of the host.
func leadsOutside(def libvirtxml.Network) bool {
	return def.Forward != nil && slices.Contains([]string{"bridge", "vepa", "private", "passthrough"}, def.Forward.Mode)
}

// Local tells whether a libvirt URI with a driver (qemu:///system) means this very machine.
func Local(uri string) bool {
	_, rest, ok := strings.Cut(uri, "://")
	return ok && strings.HasPrefix(rest, "/")
}
