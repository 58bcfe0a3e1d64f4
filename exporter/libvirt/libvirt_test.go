package libvirt

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/google/go-cmp/cmp"
)

func TestADefinitionIsReadForWhatMattersToMovingIt(t *testing.T) {
	h := stat.Host{CPU: stat.HostCPU{Compat: "c0ffee00"}, Pools: []stat.Pool{{Name: "nfs", Path: "/nfs"}, {Name: "nfs-other", Path: "/nfs-other/"}, {Name: "inner", Path: "/nfs/inner"}, {Name: "root", Path: "/"}}}
	for name, c := range map[string]struct {
		devices string
		cpu     string
		want    stat.Definition
	}{
		"disks": {
			devices: `<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/nfs/a.qcow2'/><target dev='vda'/></disk>
				<disk type='file' device='disk'><source file='/nfs-other/b.img'/><target dev='vdb'/></disk>
				<disk type='file' device='disk'><source file='/nfs/inner/f.img'/><target dev='vdf'/></disk>
				<disk type='block' device='disk'><source dev='/dev/sdb'/><target dev='vdc'/></disk>
				<disk type='volume' device='disk'><source pool='lvm' volume='c'/><target dev='vdd'/></disk>
				<disk type='network' device='disk'><source protocol='rbd' name='pool/img'/><target dev='vde'/></disk>
				<disk type='file' device='cdrom'><target dev='sda'/></disk>`,
			want: stat.Definition{Machine: "q35", Disks: []stat.Disk{
				{Type: "file", Device: "vda", Path: "/nfs/a.qcow2", Format: "qcow2", Pool: "nfs"}, {Type: "file", Device: "vdb", Path: "/nfs-other/b.img", Pool: "nfs-other"},
				{Type: "file", Device: "vdf", Path: "/nfs/inner/f.img", Pool: "inner"},
				{Type: "block", Device: "vdc", Path: "/dev/sdb", Pool: "root"}, {Type: "volume", Device: "vdd", Path: "c", Pool: "lvm"}, {Type: "network", Device: "vde", Path: "rbd:pool/img", Shared: true}}},
		},
		"networks": {
			devices: `<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/></interface>
				<interface type='network'><source network='default'/></interface><interface type='direct'><source dev='eth0'/></interface><interface type='user'/>`,
			want: stat.Definition{Machine: "q35", NICs: []stat.NIC{{Index: 0, MAC: "52:54:00:00:00:01", Network: "br0"}, {Index: 1, Network: "default"}, {Index: 2, Network: "eth0"}, {Index: 3}}},
		},
		"an interface into nowhere known": {devices: `<interface type='null'/><interface type='ethernet'><target dev='tap7'/></interface>`,
			want: stat.Definition{Machine: "q35", NICs: []stat.NIC{{Index: 0}, {Index: 1}}, Immovable: []string{"its network interface 1 is plugged into something that other hosts are not known to have"}}},
		"the host's CPU":      {cpu: `<cpu mode='host-passthrough'/>`, want: stat.Definition{Machine: "q35", CPUMode: "host-passthrough", CPUCompat: "c0ffee00"}},
		"a model":             {cpu: `<cpu mode='custom'><model>EPYC</model></cpu>`, want: stat.Definition{Machine: "q35", CPUMode: "custom", CPUModel: "EPYC", CPUCompat: "c0ffee00"}},
		"passthrough":         {devices: `<hostdev mode='subsystem' type='pci'><source><address domain='0' bus='1' slot='0' function='0'/></source></hostdev>`, want: stat.Definition{Machine: "q35", Immovable: []string{"it has a passed-through device"}}},
		"a shared directory":  {devices: `<filesystem type='mount'><source dir='/srv'/><target dir='srv'/></filesystem>`, want: stat.Definition{Machine: "q35", Immovable: []string{"it has a file system of its host"}}},
		"shared memory":       {devices: `<shmem name='x'/>`, want: stat.Definition{Machine: "q35", Immovable: []string{"it shares memory with its host"}}},
		"an SR-IOV interface": {devices: `<interface type='hostdev'><source><address type='pci' domain='0' bus='1' slot='0' function='1'/></source></interface>`, want: stat.Definition{Machine: "q35", NICs: []stat.NIC{{}}, Immovable: []string{"it has a passed-through or vhost-user network interface"}}},
	} {
		t.Run(name, func(t *testing.T) {
			xml := "<domain type='kvm'><name>x</name><os><type machine='q35'>hvm</type></os>" + c.cpu + "<devices>" + c.devices + "</devices></domain>"
			got, err := parseDefinition(xml, h)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := parseDefinition("<domain", h); err == nil {
		t.Error("half a definition is read without an error")
	}
}

func TestOnlyThisMachineIsLocal(t *testing.T) {
	for uri, want := range map[string]bool{"qemu:///system": true, "test:///default": true, "xen:///system": true, "qemu+tcp://10.0.0.1/system": false, "qemu+tls://h1/system": false} {
		if Local(uri) != want {
			t.Errorf("local(%s) is %v", uri, !want)
		}
	}
}

// libvirt's test driver is the real library and a host in a file: for the wiring, not for numbers.
const testHost = `<node><domain type='test'><name>web1</name><uuid>11111111-1111-4111-8111-111111111111</uuid><memory>1048576</memory><vcpu>2</vcpu>
	<os><type>hvm</type></os></domain>
	<pool type='dir'><name>local</name><target><path>/local</path></target></pool><network><name>private</name><ip address='10.1.2.1'/></network>
	<pool type='netfs'><name>nfs</name><source><host name='filer'/><dir path='/vol1'/></source><target><path>/nfs</path></target></pool>
	<network><name>lan</name><forward mode='bridge'/><bridge name='br7'/></network></node>`

func TestAHostIsReadThroughTheRealLibrary(t *testing.T) {
	file := filepath.Join(t.TempDir(), "node.xml")
	if err := os.WriteFile(file, []byte(testHost), 0o600); err != nil {
		t.Fatal(err)
	}
	r := New("test://"+file, Options{Log: slog.New(slog.DiscardHandler)})
	defer r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	go r.Run(ctx)
	h := readUntil(ctx, t, r, func(h stat.Host) bool { return len(h.VMs) == 1 && h.VMs[0].Definition != nil })
	if h.Hypervisor != "TEST" || h.Name == "" || h.CPU.Logical == 0 || !h.Local {
		t.Fatalf("%+v", h)
	}
	vm := h.VMs[0]
	if vm.Name != "web1" || vm.State != cluster.VMRunning || vm.Persistent == nil || vm.Definition.VCPUs != 2 || vm.Memory.Maximum != cluster.Known(1<<30) || !vm.CPUSeconds.Known {
		t.Errorf("%+v", vm)
	}
	pools := map[string]stat.Pool{}
	for _, p := range h.Pools {
		pools[p.Name] = p
	}
	if p := pools["local"]; p.Type != "dir" || p.Path != "/local" || p.State != "running" || !p.Capacity.Known {
		t.Errorf("pool %+v", p)
	}
	if p := pools["nfs"]; p.Source != "filer:/vol1" || !p.Shared {
		t.Errorf("pool %+v", p)
	}
	if !slices.Contains(h.Networks, stat.Network{Name: "private"}) || !slices.Contains(h.Networks, stat.Network{Name: "lan", Shared: true}) {
		t.Errorf("networks %v", h.Networks)
	}
}

// readUntil reads until the background has done what is waited for.
func readUntil(ctx context.Context, t *testing.T, r *Reader, enough func(stat.Host) bool) stat.Host {
	t.Helper()
	for {
		h, err := r.Read(ctx)
		if err != nil {
			t.Fatalf("%v (Debian package libvirt0 is needed)", err)
		}
		if enough(h) {
			return h
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestADaemonThatIsNotThereIsAnErrorThatNamesIt(t *testing.T) {
	r := New("qemu+unix:///system?socket=/nonexistent/libvirt-sock", Options{Log: slog.New(slog.DiscardHandler)})
	defer r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := r.Read(ctx); err == nil || !strings.Contains(err.Error(), "/nonexistent/libvirt-sock") {
		t.Errorf("%v", err)
	}
}
