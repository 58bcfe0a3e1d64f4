package definitions_test

import (
	"path/filepath"
	"testing"

	"github.com/evenkeel/evenkeel/actuator/definitions"
	"github.com/evenkeel/evenkeel/actuator/definitions/definitionstest"
)

func TestTheFileKeepsTheContract(t *testing.T) {
	definitionstest.Run(t, func(t *testing.T) definitionstest.Opener {
		path := filepath.Join(t.TempDir(), "definitions.db")
		return func() definitions.Shelf {
			s, err := definitions.OpenFile(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() }) // most are closed already
			return s
		}
	})
}
