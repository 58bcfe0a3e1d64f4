package api_test

import (
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// A dry run asks the gates in the caller's name and tells what would be; nothing is asked of anybody.
func TestADryRunTellsWhatWouldBe(t *testing.T) {
	h := full()
	_, srv := serve(t, h, nil)
	c := api.NewClient(srv.URL, secret, nil)
	d, err := c.DryRun(t.Context(), api.ActionRequest{Kind: cluster.Migrate, VM: "web1", To: "h2", Reason: "why not"})
	if err != nil {
		t.Fatal(err)
	}
	if a := d.Recommendation.Action; a.Kind != cluster.Migrate || a.To != "h2" || len(d.Recommendation.Effects) != 4 || len(d.Verdicts) == 0 || len(d.Moves) != 0 {
		t.Errorf("%+v", d)
	}
	if len(h.said) != 1 || !strings.HasPrefix(h.said[0], "try migrate") || !strings.HasSuffix(h.said[0], "alice api why not") {
		t.Errorf("said: %q", h.said)
	}
	h.said = nil
	d, err = c.DryRun(t.Context(), api.ActionRequest{Kind: cluster.Maintenance, Host: "h1"})
	if err != nil {
		t.Fatal(err)
	}
	on := 0
	for _, v := range h.judged.Snapshot.VMs {
		if v.Host == "h1" && v.State.Active() {
			on++
		}
	}
	if len(d.Moves)+1 < on && d.Stay == "" || len(d.Moves) > on || len(d.Verdicts) != 0 || len(h.said) != 0 {
		t.Errorf("%d VMs are on h1: %+v, said %q", on, d, h.said)
	}
}
