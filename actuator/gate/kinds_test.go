package gate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// of is a question about an action of that kind for which all is well.
func of(kind cluster.Kind) gate.Question {
	q := good()
	q.Rec.Policy, q.Rec.Action.Kind, q.Rec.Action.To = kind.Policy(), kind, ""
	q.Sighting.Hosts[0].Defined = true
	switch kind {
	case cluster.Start:
		q.Rec.Action.From, q.Rec.Action.To = "", "h1"
		q.Snapshot.VMs[0].State, q.Sighting.Hosts[0].State = cluster.VMShutoff, cluster.VMShutoff
		q.Sighting.Hosts = append(q.Sighting.Hosts, cluster.SightingHost{Host: "h3", State: cluster.VMShutoff})
	case cluster.Resume:
		q.Snapshot.VMs[0].State, q.Sighting.Hosts[0].State = cluster.VMPaused, cluster.VMPaused
		q.Sighting.Hosts = append(q.Sighting.Hosts, cluster.SightingHost{Host: "h3", State: cluster.VMShutoff})
	case cluster.MoveStorage:
		q.Rec.Action.Pool, q.Sighting.Hosts[0].Elsewhere = "fast", []string{"vda"}
	case cluster.Maintenance:
		q.Rec.Action.VM, q.Rec.Action.Name, q.Sighting = "", "", cluster.Sighting{}
	case cluster.Migrate:
		q.Rec.Action.To = "h2"
	case cluster.KindNone, cluster.Shutdown, cluster.Reset, cluster.Suspend:
	}
	return q
}

func TestEachKindOfActionPassesWhenAllIsWell(t *testing.T) {
	for kind := cluster.Migrate; kind <= cluster.Maintenance; kind++ {
		if no := gate.Refusals(gate.Ask(gate.All(), of(kind))); len(no) > 0 {
			t.Errorf("%s: %+v", kind, no)
		}
	}
}

func TestEachKindOfActionIsRefusedForWhatMustBeSo(t *testing.T) {
	shut := func(q *gate.Question) { q.Sighting.Hosts[0].State = cluster.VMShutoff }
	hung := func(agent string) func(*gate.Question) {
		return func(q *gate.Question) {
			q.Rec.Because, q.Sighting.Hosts[0].Agent = []cluster.Finding{{Detector: cluster.GuestHung}}, agent
			q.WatchBegan = q.Now.Add(-time.Hour)
		}
	}
	xen := func(q *gate.Question) { q.Snapshot.Hosts[0].Hypervisor = "Xen" }
	for _, c := range []struct {
		what                 string
		kind                 cluster.Kind
		spoil                func(*gate.Question)
		gate, reason, detail string
	}{
		{"it runs elsewhere", cluster.Start, func(q *gate.Question) { q.Sighting.Hosts[2].State = cluster.VMRunning }, "world", "runs", "h3 has the VM already"},
		{"it is paused elsewhere", cluster.Start, func(q *gate.Question) { q.Sighting.Hosts[1].State = cluster.VMPaused }, "world", "runs", "h2"},
		{"a host is silent", cluster.Start, func(q *gate.Question) { q.Sighting.Hosts = q.Sighting.Hosts[:2] }, "world", "host-silent", "h3 does not answer"},
		{"its host is silent", cluster.Start, func(q *gate.Question) { q.Sighting.Hosts = q.Sighting.Hosts[1:] }, "world", "source-silent", "h1 does not answer"},
		{"no definition", cluster.Start, func(q *gate.Question) { q.Sighting.Hosts[0].Defined = false }, "world", "not-defined", "h1 does not know the VM"},
		{"Prometheus has it running", cluster.Start, func(q *gate.Question) { q.Snapshot.VMs[0].State = cluster.VMRunning }, "world", "runs", "Prometheus has the VM on h1"},
		{"no memory", cluster.Start, func(q *gate.Question) { q.Snapshot.VMs[2].MemoryBytes = 13 * gib }, "world", "no-fit", "memory"},
		{"another VM by name", cluster.Reset, func(q *gate.Question) { q.Sighting.Hosts[0].Name = "web2" }, "world", "renamed", `h1 calls the VM "web2"`},
		{"another VM by name, off", cluster.Start, func(q *gate.Question) { q.Sighting.Hosts[0].Name = "web2" }, "world", "renamed", "web2"},
		{"its guest hung and answers", cluster.Reset, hung(cluster.AgentAnswers), "world", "alive", "its agent answers"},
		{"whether its guest hangs cannot be told", cluster.Reset, hung(""), "world", "cannot-tell", "could not be found out"},
		{"its guest hung and was reset", cluster.Reset, func(q *gate.Question) {
			hung(cluster.AgentSilent)(q)
			q.Begun = []gate.Begun{{At: q.Rec.Made.Add(time.Second), Action: q.Rec.Action}}
		}, "world", "reset-already", "after this was advised"},
		{"its guest hangs in a freeze", cluster.Reset, func(q *gate.Question) {
			hung(cluster.AgentSilent)(q)
			q.Policy.Freezes = []gate.Freeze{{Name: "month-end", Schedule: every{q.Now.Add(-time.Minute)}, Duration: time.Hour}}
		}, "freeze", "frozen", ""},
		{"it is off", cluster.Reset, shut, "world", "not-running", "the VM is shutoff on h1"},
		{"it is off", cluster.Shutdown, shut, "world", "not-running", ""},
		{"it runs", cluster.Resume, func(q *gate.Question) { q.Sighting.Hosts[0].State = cluster.VMRunning }, "world", "not-paused", "the VM is running"},
		{"it has moved", cluster.Suspend, func(q *gate.Question) { q.Sighting.Hosts[1].State = cluster.VMRunning }, "world", "moved", "h2"},
		{"its disks are there", cluster.MoveStorage, func(q *gate.Question) { q.Sighting.Hosts[0].Elsewhere = nil }, "world", "there-already", "fast"},
		{"no room for its disks", cluster.MoveStorage, func(q *gate.Question) { q.Sighting.Hosts[0].Obstacle = "h1 has no storage pool \"fast\"" }, "world", "no-fit", "no storage pool"},
		{"a block commit", cluster.Migrate, func(q *gate.Question) { q.Sighting.Hosts[0].Copying = true }, "job", "job", "block copy"},
		{"a host is silent", cluster.Resume, func(q *gate.Question) { q.Sighting.Hosts = q.Sighting.Hosts[:2] }, "world", "host-silent", "h3 does not answer"},
		{"it runs elsewhere", cluster.Resume, func(q *gate.Question) { q.Sighting.Hosts[2].State = cluster.VMRunning }, "world", "moved", "h3"},
		{"in maintenance by order", cluster.Maintenance, ordered(cluster.Order{Kind: cluster.OrderMaintenance, Subject: "host/h1"}), "world", "there-already", "carol"},
		{"a backup", cluster.MoveStorage, func(q *gate.Question) { q.Sighting.Hosts[0].Job = true }, "job", "job", "block copy"},
		{"Xen", cluster.Reset, xen, "capability", "unable", "libvirt cannot reset"},
		{"Xen", cluster.MoveStorage, xen, "capability", "unable", "libvirt cannot copy"},
		{"in maintenance", cluster.Maintenance, func(q *gate.Question) { q.Snapshot.Hosts[0].State = cluster.HostMaintenance }, "world", "there-already", "h1"},
		{"a host that is not there", cluster.Maintenance, func(q *gate.Question) { q.Rec.Action.From = "h9" }, "capability", "unknown-host", "h9"},
		{"the host is paused by order", cluster.Reset, ordered(cluster.Order{Kind: cluster.OrderPause, Subject: "host/h1"}), "pause", "paused", "host/h1"},
		{"another action", cluster.Reset, inFlight(gate.Parallel{}, cluster.Action{Kind: cluster.Migrate, VM: "v1", From: "h1", To: "h2"}), "concurrency", "busy", "same VM"},
	} {
		q := of(c.kind)
		c.spoil(&q)
		no := gate.Refusals(gate.Ask(gate.All(), q))
		if len(no) == 0 || no[0].Gate != c.gate || no[0].Reason != c.reason || !strings.Contains(no[0].Detail, c.detail) {
			t.Errorf("%s, %s: %+v", c.kind, c.what, no)
		}
	}
}

func TestWhatIsNotOfferedOnXenIsStillDoneThere(t *testing.T) {
	for kind := cluster.Migrate; kind <= cluster.Maintenance; kind++ {
		q := of(kind)
		for i := range q.Snapshot.Hosts {
			q.Snapshot.Hosts[i].Hypervisor = "Xen"
		}
		if unable := kind == cluster.Reset || kind == cluster.MoveStorage; gate.Open(gate.Ask(gate.All(), q)) == unable {
			t.Errorf("%s on Xen: %+v", kind, gate.Refusals(gate.Ask(gate.All(), q)))
		}
	}
}
