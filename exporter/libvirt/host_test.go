package libvirt

import (
	"fmt"
	"testing"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/google/go-cmp/cmp"
	"libvirt.org/go/libvirtxml"
)

func TestAHostThatDoesNotTellItsCPUIsAGroupOfItsOwn(t *testing.T) {
	known := &libvirtxml.CapsHostCPU{Arch: "x86_64", Vendor: "AMD", Model: "EPYC"}
	for name, c := range map[string]struct {
		cpu  *libvirtxml.CapsHostCPU
		want string
	}{
		"no CPU":               {nil, "unknown-h1"},
		"an architecture only": {&libvirtxml.CapsHostCPU{Arch: "x86_64"}, "unknown-h1"},
		"a model":              {known, compat(known)},
	} {
		h := stat.Host{Name: "h1"}
		describeCPU(&h, libvirtxml.CapsHost{CPU: c.cpu})
		if h.CPU.Compat != c.want {
			t.Errorf("%s: the group is %q, want %q", name, h.CPU.Compat, c.want)
		}
		id, err := parseDefinition("<domain type='kvm'><cpu mode='host-model'/></domain>", h)
		if err != nil || id.CPUCompat != c.want {
			t.Errorf("%s: a VM with a CPU of its host's can run on group %q (%v)", name, id.CPUCompat, err)
		}
	}
}

func TestNetworksInsideOneHostAreNotShared(t *testing.T) {
	network := func(name, mode, bridge string) libvirtxml.Network {
		def := libvirtxml.Network{Name: name}
		if mode != "" {
			def.Forward = &libvirtxml.NetworkForward{Mode: mode}
		}
		if bridge != "" {
			def.Bridge = &libvirtxml.NetworkBridge{Name: bridge}
		}
		return def
	}
	got := networks([]libvirtxml.Network{
		network("default", "nat", "virbr0"), network("isolated", "", "virbr1"), network("routed", "route", "virbr2"), network("opened", "open", "virbr3"),
		network("sriov", "hostdev", ""), network("lan", "bridge", "br0"), network("macvtap", "private", ""), network("vepa", "vepa", ""),
		network("through", "passthrough", ""), network("br9", "nat", "virbr9"),
	}, []string{"br0", "br1", "br9", "virbr0", "virbr1"})
	want := []stat.Network{{Name: "br0", Shared: true}, {Name: "br1", Shared: true}, {Name: "br9"}, {Name: "default"}, {Name: "isolated"}, {Name: "lan", Shared: true},
		{Name: "macvtap", Shared: true}, {Name: "opened"}, {Name: "routed"}, {Name: "sriov"}, {Name: "through", Shared: true}, {Name: "vepa", Shared: true},
		{Name: "virbr0"}, {Name: "virbr1"}, {Name: "virbr2"}, {Name: "virbr3"}, {Name: "virbr9"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAPoolsSourceDoesNotDependOnTheOrderOfItsServers(t *testing.T) {
	for want, text := range map[string]string{
		"":            "<source/>",
		"vg0":         "<source><device path='/dev/sdb'/><name>vg0</name></source>",
		"/dev/sdb1":   "<source><device path='/dev/sdb1'/></source>",
		"a,b:images":  "<source><host name='b'/><host name='a'/><name>images</name></source>",
		"filer:/vol1": "<source><host name='filer'/><dir path='/vol1'/></source>",
	} {
		var def libvirtxml.StoragePool
		if err := def.Unmarshal(fmt.Sprintf("<pool type='x'>%s</pool>", text)); err != nil {
			t.Fatal(err)
		}
		if got := poolSource(*def.Source); got != want {
			t.Errorf("%s comes from %q, want %q", text, got, want)
		}
	}
}
