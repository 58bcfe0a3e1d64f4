package etcdstore

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/journal"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// BenchmarkAppend writes an intent as the actuator does, with the gates' verdicts, to a bbolt file, one etcd and three, in one run.
func BenchmarkAppend(b *testing.B) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	rec := cluster.Recommendation{Policy: "balance", Made: at, Expires: at.Add(time.Hour),
		Action: cluster.Action{Kind: cluster.Migrate, VM: "4f6c2f0e-8a3c-4b0e-9d57-0f6f3c1f5d11", Name: "web1", From: "h1", To: "h2"}}.Identified()
	e := cluster.Entry{At: at, Kind: cluster.EntryIntent, ID: rec.ID, Recommendation: &rec, Approval: &cluster.Approval{Who: "alice", Via: "api", At: at, Reason: "before the backup begins"}}
	for n := range 20 {
		e.Verdicts = append(e.Verdicts, cluster.Verdict{Gate: fmt.Sprintf("gate-%d", n), Pass: true, Detail: "as it should be, in some words"})
	}
	b.Run("bbolt", func(b *testing.B) {
		j, err := journal.Open(filepath.Join(b.TempDir(), "journal.db"))
		if err != nil {
			b.Fatal(err)
		}
		defer j.Close() //nolint:errcheck // nothing is read again
		appends(b, j, e)
	})
	for _, size := range []int{1, 3} {
		b.Run(fmt.Sprintf("etcd-%d", size), func(b *testing.B) {
			s := connected(b, etcd(b, size), "c", 60)
			appends(b, opened(b, s, leading(b, s, "a"), b.TempDir()), e)
		})
	}
}

func appends(b *testing.B, j *journal.Journal, e cluster.Entry) {
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		if _, err := j.Append(e); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
}
