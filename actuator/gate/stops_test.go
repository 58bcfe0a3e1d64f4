package gate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
)

// What stops everything is told without a recommendation, in the words of the gate that would refuse one.
func TestWhatStopsEverything(t *testing.T) {
	q := good()
	q.Approval = nil
	if got := gate.Stops(q.Policy, nil, q.Now); len(got) != 0 {
		t.Errorf("nothing stops, and it says %+v", got)
	}
	now, before := every{q.Now}, every{q.Now.Add(-2 * time.Hour)}
	q.Policy.Freezes = []gate.Freeze{{Name: "audit", Schedule: now, Duration: time.Hour}, {Name: "over", Schedule: before, Duration: time.Hour},
		{Name: "backup", Schedule: now, Duration: time.Hour, Kinds: []string{"rules", "storage"}}}
	q.Policy.StormFailures, q.Policy.StormWindow = 2, time.Hour
	q.Storm = []time.Time{q.Now.Add(-2 * time.Minute), q.Now.Add(-time.Minute)}
	got := gate.Stops(q.Policy, q.Storm, q.Now)
	if len(got) != 3 || !strings.HasSuffix(got[1].Detail, ", for rules, storage") {
		t.Fatalf("it says %+v", got)
	}
	for i, name := range map[int]string{0: "freeze", 2: "storm"} {
		for _, said := range gate.Ask(gate.All(), q) {
			if said.Gate == name && said != got[i] {
				t.Errorf("it says %+v, and the gate %+v", got[i], said)
			}
		}
	}
	if got := gate.Stops(q.Policy, q.Storm[:1], q.Now); len(got) != 2 {
		t.Errorf("one failure is no storm: %+v", got)
	}
	if got[0].Pass || got[0].RetryAfter != q.Now.Add(time.Hour) {
		t.Errorf("until when: %+v", got)
	}
}
