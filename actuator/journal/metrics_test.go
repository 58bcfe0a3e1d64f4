package journal

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestTheMetricsTellWhatIsThereAndWhatFailed(t *testing.T) {
	path, _ := journalOf(t, 3)
	j := opened(t, path)
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(j.Collector())
	if _, err := j.Append(entry(4)); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(entry(5)); err == nil {
		t.Error("a closed journal takes an entry")
	}
	want := fmt.Sprintf(`# HELP evenkeel_journal_appends_total Entries that were to be written to the journal, by result. Nothing is done whose entry fails.
# TYPE evenkeel_journal_appends_total counter
evenkeel_journal_appends_total{result="failure"} 1
evenkeel_journal_appends_total{result="success"} 1
# HELP evenkeel_journal_bytes Size of the journal's file, where it has one. It does not shrink when entries are moved out, their room is used again.
# TYPE evenkeel_journal_bytes gauge
evenkeel_journal_bytes %d
# HELP evenkeel_journal_entries Number of the journal's last entry: as many were written since its beginning, those included that were moved out since.
# TYPE evenkeel_journal_entries gauge
evenkeel_journal_entries 4
`, j.shelf.(*file).bytes.Load())
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "evenkeel_journal_appends_total", "evenkeel_journal_bytes", "evenkeel_journal_entries"); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	if n, err := testutil.GatherAndCount(reg, "evenkeel_journal_append_duration_seconds"); err != nil || n != 1 {
		t.Error(n, err)
	}
}
