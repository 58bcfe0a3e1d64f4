package memory

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/recovery"
	"github.com/evenkeel/evenkeel/actuator/schedule"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

func full() recovery.Memory {
	at := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	return recovery.Memory{At: at, Homes: map[string]recovery.Home{"v1": {Host: "h1", Name: "web1", Since: at, Held: true}, "v2": {Host: "h2", Name: "db1", Left: true}},
		Troubles: map[string]recovery.Trouble{"v3": {VM: cluster.VM{ID: "v3", Name: "web3", MemoryBytes: 1 << 30, CPUPredictedCores: cluster.Known(2)}, Cause: recovery.HostOff, Host: "h3", Since: at}},
		Failed:   map[string][]time.Time{"h3": {at}}}
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	f := New[recovery.Memory](filepath.Join(t.TempDir(), "memory.json"), "where VMs run")
	if m, err := f.Load(); err != nil || !m.At.IsZero() {
		t.Errorf("where nothing is kept: %+v %v", m, err)
	}
	for range 2 {
		if err := f.Save(full()); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := f.Load(); err != nil || !reflect.DeepEqual(m, full()) {
		t.Errorf("%+v %v", m, err)
	}
	left, err := os.ReadDir(filepath.Dir(f.place.String()))
	if err != nil || len(left) != 1 {
		t.Errorf("it left files behind: %v %v", left, err)
	}
}

func TestWhatCannotBeReadOrWrittenIsNamed(t *testing.T) {
	f := New[recovery.Memory](filepath.Join(t.TempDir(), "memory.json"), "where VMs run")
	if err := os.WriteFile(f.place.String(), []byte(`{"homes": [`), 0o600); err != nil {
		t.Fatal(err)
	}
	if m, err := f.Load(); err == nil || !strings.Contains(err.Error(), f.place.String()) || m.Homes != nil {
		t.Errorf("a damaged file: %+v %v", m, err)
	}
	if err := New[recovery.Memory](filepath.Join(t.TempDir(), "gone", "memory.json"), "where VMs run").Save(full()); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("no directory: %v", err)
	}
}

func TestWhatCameOfTheSchedulesIsReadAgain(t *testing.T) {
	at := time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)
	turn := cluster.Turn{At: at, Begin: at, End: at.Add(time.Hour)}
	book := schedule.Book{Pages: map[string]schedule.Page{"patches": {Known: at, Last: &schedule.Ended{Turn: turn, Known: at, Result: cluster.ScheduleFailed, Reason: "h1 is not empty"},
		Open: &schedule.Open{Turn: turn, Late: "it began late", Entered: []string{"h1"}, Reached: []schedule.Mark{{Host: "h1", At: at}}, Short: []string{"h2"}, Troubles: map[string]string{"h2": "no"}}}}}
	f := New[schedule.Book](filepath.Join(t.TempDir(), "schedules.json"), "what came of the schedules")
	if b, err := f.Load(); err != nil || b.Pages != nil {
		t.Errorf("where nothing is kept: %+v %v", b, err)
	}
	if err := f.Save(book); err != nil {
		t.Fatal(err)
	}
	if b, err := f.Load(); err != nil || !reflect.DeepEqual(b, book) {
		t.Errorf("%+v %v", b, err)
	}
	if err := os.WriteFile(f.place.String(), []byte(`{"pages": {`), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := f.Load(); err == nil || !strings.Contains(err.Error(), f.place.String()) || !strings.Contains(err.Error(), "move it away") || b.Pages != nil {
		t.Errorf("a damaged file: %+v %v", b, err)
	}
	if err := New[schedule.Book](filepath.Join(t.TempDir(), "gone", "schedules.json"), "what came of the schedules").Save(book); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("no directory: %v", err)
	}
}
