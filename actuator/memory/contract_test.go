package memory_test

import (
	"path/filepath"
	"testing"

	"github.com/evenkeel/evenkeel/actuator/memory"
	"github.com/evenkeel/evenkeel/actuator/memory/memorytest"
)

func TestTheFileKeepsTheContract(t *testing.T) {
	memorytest.Run(t, func(t *testing.T) memorytest.Opener {
		path := filepath.Join(t.TempDir(), "memory.json")
		return func() memory.Place { return memory.File(path) }
	})
}
