package journal

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// BenchmarkAppend writes intents as the actuator does: with the recommendation and the gates' verdicts.
func BenchmarkAppend(b *testing.B) {
	j := opened(b, filepath.Join(b.TempDir(), "journal.db"))
	defer j.Close()
	rec := cluster.Recommendation{Policy: "balance", Made: at(), Expires: at().Add(time.Hour),
		Action: cluster.Action{Kind: cluster.Migrate, VM: "4f6c2f0e-8a3c-4b0e-9d57-0f6f3c1f5d11", Name: "web1", From: "h1", To: "h2"}}.Identified()
	for _, h := range []string{"h1", "h2"} {
		for _, name := range []string{cluster.CPUUtilisation, cluster.MemoryUtilisation} {
			rec.Effects = append(rec.Effects, cluster.Effect{Host: h, Name: name, Before: 0.8123456789, After: 0.5123456789})
		}
	}
	e := cluster.Entry{At: at(), Kind: cluster.EntryIntent, ID: rec.ID, Recommendation: &rec, Approval: &cluster.Approval{Who: "alice", Via: "api", At: at(), Reason: "before the backup begins"}}
	for _, g := range []string{"level", "expiry", "freshness", "failures", "rejection", "world", "constraints"} {
		e.Verdicts = append(e.Verdicts, cluster.Verdict{Gate: g, Pass: true, Detail: "as it should be, in some words"})
	}
	b.ResetTimer()
	for range b.N {
		if _, err := j.Append(e); err != nil {
			b.Fatal(err)
		}
	}
	var record int
	if err := j.walk(b.Context(), 1, func(_ uint64, v []byte) error { record = len(v); return nil }); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(record), "record-B")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64(j.shelf.(*file).bytes.Load())/float64(b.N), "file-B/entry")
}
