package alerts_test

import (
	"os/exec"
	"testing"
)

// VictoriaMetrics' rule evaluator takes the same files; what it cannot parse it refuses.
func TestVmalertTakesTheRules(t *testing.T) {
	if out, err := exec.Command("vmalert", "-dryRun", "-rule=*.yml").CombinedOutput(); err != nil {
		t.Errorf("%v; where it is missing: test/install test\n%s", err, out)
	}
}
