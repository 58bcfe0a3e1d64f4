package journal_test

import (
	"path/filepath"
	"testing"

	"github.com/evenkeel/evenkeel/actuator/journal"
	"github.com/evenkeel/evenkeel/actuator/journal/journaltest"
)

func TestTheFileKeepsTheContract(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) journaltest.Opener {
		path := filepath.Join(t.TempDir(), "journal.db")
		return func() *journal.Journal {
			j, err := journal.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = j.Close() }) // most are closed already
			return j
		}
	})
}
