package libvirt

import (
	"fmt"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/google/go-cmp/cmp"
	"libvirt.org/go/libvirt"
)

func domain(inside string) string { return "<domain type='kvm'><name>x</name>" + inside + "</domain>" }

func TestEverythingThatTiesAVMToItsHostIsNamed(t *testing.T) {
	for inside, want := range map[string][]string{
		"": nil,
		"<devices><interface type='user'/><input type='mouse' bus='ps2'/><tpm model='tpm-crb'><backend type='emulator'/></tpm></devices>": nil,
		"<launchSecurity type='sev'><policy>0x1</policy></launchSecurity>":                                                                {"its memory is encrypted by its host"},
		"<cpu mode='host-passthrough' migratable='off'/>":                                                                                 {"its CPU is declared as not migratable"},
		"<cpu mode='custom'><model>EPYC</model><feature policy='require' name='invtsc'/></cpu>":                                           {"its CPU promises a clock that keeps its rate (invtsc)"},
		"<cpu mode='custom'><model>EPYC</model><feature policy='disable' name='invtsc'/></cpu>":                                           nil,
		"<devices><tpm model='tpm-tis'><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm></devices>":                  {"it has its host's TPM"},
		"<devices><input type='evdev'><source dev='/dev/input/event0'/></input></devices>":                                                {"it has an input device of its host"},
		"<devices><smartcard mode='host'/></devices>":                                                                                     {"it has a smart card of its host"},
		"<devices><memory model='sgx-epc'><target><size unit='KiB'>16384</size></target></memory></devices>":                              {"it has memory that only its host's CPU can read (SGX)"},
		"<devices><serial type='dev'><source path='/dev/ttyS0'/></serial></devices>":                                                      {"it has a serial port of its host"},
		"<devices><disk type='block' device='lun'><source dev='/dev/sdb'/><target dev='sda'/></disk></devices>":                           {"it has a passed-through disk"},
		"<devices><disk type='block' device='cdrom'><source dev='/dev/sr0'/><target dev='sda'/></disk></devices>":                         {"it has its host's CD drive"},
		"<devices><disk type='file'><source file='/a'/><mirror type='file' job='copy'/><target dev='vda'/></disk></devices>":              {"a disk of it is being copied"},
		"<devices><lease><lockspace>x</lockspace><key>k</key><target path='/l'/></lease></devices>":                                       {"it holds a lease that only its host manages"},
		"<devices><shmem name='x'/><shmem name='y'/><filesystem type='mount'><source dir='/srv'/><target dir='srv'/></filesystem></devices>": {
			"it shares memory with its host", "it has a file system of its host"},
		"<devices><interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/></interface></devices>": {"it has a passed-through or vhost-user network interface"},
	} {
		d, err := parseDefinition(domain(inside), stat.Host{})
		if err != nil {
			t.Fatalf("%s: %v", inside, err)
		}
		if diff := cmp.Diff(want, d.Immovable); diff != "" {
			t.Errorf("%s: %s", inside, diff)
		}
	}
}

func TestADefinitionsSizeLimitsAndDisks(t *testing.T) {
	d, err := parseDefinition(domain(`<memory unit='GiB'>2</memory><vcpu current='2'>8</vcpu>
		<memoryBacking><hugepages><page size='1' unit='G'/></hugepages></memoryBacking>
		<memtune><hard_limit unit='M'>3000</hard_limit><soft_limit unit='KiB'>9007199254740991</soft_limit></memtune>
		<devices><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel>
		<memballoon model='virtio'><stats period='5'/></memballoon>
		<disk type='file'><source file='/a'/><backingStore type='file'><format type='qcow2'/><source file='/b'/><backingStore type='file'><format type='raw'/><source file='/c'/><backingStore/></backingStore></backingStore><target dev='vda'/></disk>
		<disk type='file'><source file='/d'/><backingStore/><target dev='vdb'/></disk><disk type='file'><source file='/e'/><target dev='vdc'/></disk></devices>`), stat.Host{})
	if err != nil {
		t.Fatal(err)
	}
	if d.MemoryBytes != 2<<30 || d.VCPUs != 2 || d.HugePageBytes != 1<<30 || !d.AgentChannel || d.BalloonStats == nil || !*d.BalloonStats {
		t.Errorf("%+v", d)
	}
	if d.Resources.HardLimit != cluster.Known(3000<<20) || d.Resources.SoftLimit.Known || d.Resources.Guaranteed.Known {
		t.Errorf("%+v", d.Resources)
	}
	for i, want := range []cluster.Number{cluster.Known(2), cluster.Known(0), {}} {
		if d.Disks[i].Depth != want {
			t.Errorf("disk %s stands on %v images, want %v", d.Disks[i].Device, d.Disks[i].Depth, want)
		}
	}
	for inside, want := range map[string]float64{"": 0, "<memoryBacking><locked/></memoryBacking>": 0, "<memoryBacking><hugepages/></memoryBacking>": 2 << 20} {
		if d, err := parseDefinition(domain(inside), stat.Host{}); err != nil || d.HugePageBytes != want || d.BalloonStats != nil {
			t.Errorf("%s: pages of %v bytes, balloon %v, %v", inside, d.HugePageBytes, d.BalloonStats, err)
		}
	}
}

func TestTheTightestCPULimitCounts(t *testing.T) {
	for _, c := range []struct {
		p    libvirt.DomainSchedulerParameters
		want cluster.Number
	}{
		{p: libvirt.DomainSchedulerParameters{}},
		{p: libvirt.DomainSchedulerParameters{VcpuPeriodSet: true, VcpuPeriod: 100000, VcpuQuota: -1, GlobalPeriodSet: true, GlobalPeriod: 100000}},
		{p: libvirt.DomainSchedulerParameters{VcpuPeriodSet: true, VcpuPeriod: 100000, VcpuQuota: 50000}, want: cluster.Known(2)},
		{p: libvirt.DomainSchedulerParameters{VcpuPeriodSet: true, VcpuPeriod: 100000, VcpuQuota: 50000, GlobalPeriodSet: true, GlobalPeriod: 100000, GlobalQuota: 150000}, want: cluster.Known(1.5)},
		{p: libvirt.DomainSchedulerParameters{VcpuPeriodSet: true, VcpuPeriod: 100000, VcpuQuota: 17592186044415}}, // cgroup v2's "max" in libvirt 9
		{p: libvirt.DomainSchedulerParameters{CapSet: true, Cap: 250}, want: cluster.Known(2.5)},
	} {
		if got := cpuLimit(&c.p, 4); got != c.want {
			t.Errorf("%+v gives %v, want %v", c.p, got, c.want)
		}
	}
}

func TestSettingsInTheMetadata(t *testing.T) {
	element := func(attributes, inside string) string {
		return fmt.Sprintf(`<other:x xmlns:other="urn:x"><tag>not ours</tag></other:x><ek:vm xmlns:ek="https://evenkeel.dev/vm/1"%s>%s</ek:vm>`, attributes, inside)
	}
	for _, c := range []struct {
		metadata string
		want     stat.Settings
		problem  string
	}{
		{metadata: ""},
		{metadata: `<vm xmlns="urn:other" automation="full"/>`},
		{metadata: element("", "")},
		{metadata: element(` automation="manual" restart-priority="high"`, "<ek:tag>web</ek:tag><ek:tag> db </ek:tag><ek:tag>web</ek:tag><ek:tag/>"),
			want: stat.Settings{Automation: "manual", RestartPriority: "high", Tags: []string{"db", "web"}}},
		{metadata: element(` automation="Manual" restart-priority="low"`, ""), want: stat.Settings{Automation: "off", RestartPriority: "low"}, problem: `automation "Manual" is not off, manual, partial or full, and counts as off`},
		{metadata: element(` restart-priority="urgent"`, "<ek:tag>a</ek:tag>"), want: stat.Settings{Tags: []string{"a"}}, problem: `restart-priority "urgent" is not one of`},
		{metadata: element(` restart-priority="disabled"`, ""), want: stat.Settings{RestartPriority: "disabled"}},
		{metadata: element(` colour="red"`, ""), problem: `attribute "colour" is not known`},
		{metadata: element("", "<ek:label>x</ek:label>"), problem: "element <label> is not known"},
		{metadata: `<vm xmlns="https://evenkeel.dev/vm/1"><tag>`, problem: "cannot be read"},
	} {
		got := parseSettings(c.metadata)
		if !strings.Contains(got.Problem, c.problem) || c.problem == "" && got.Problem != "" {
			t.Errorf("%s: the problem is %q, want %q", c.metadata, got.Problem, c.problem)
		}
		got.Problem = ""
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.metadata, diff)
		}
	}
	d, err := parseDefinition(domain("<metadata>"+element(` automation="off"`, "")+"</metadata>"), stat.Host{})
	if err != nil || d.Settings.Automation != "off" {
		t.Errorf("%+v %v", d.Settings, err)
	}
}

func FuzzParseDefinition(f *testing.F) {
	f.Add(domain("<memory unit='GiB'>2</memory><vcpu>2</vcpu><metadata><vm xmlns='https://evenkeel.dev/vm/1' automation='off'><tag>a</tag></vm></metadata>"))
	f.Add(domain("<devices><disk type='file'><source file='/a'/><backingStore/></disk><interface type='bridge'/></devices>"))
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = parseDefinition(text, stat.Host{Name: "h1"}) // it may refuse and must not panic
	})
}
