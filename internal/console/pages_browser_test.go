package console_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/browsertest"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// What a demo has at no certain time: axe-core finds nothing in either colour, and nothing is wider than the window, nor than a telephone.
func TestWhatIsGoneUnderWayAndPutOffSuitsEverybodyInABrowser(t *testing.T) {
	h := newHouse(2, plainly)
	now := time.Now().Truncate(time.Second)
	vm := strings.Repeat("4f6c0b1e-7a55-4b5e-9d0c-0123456789ab|", 40) // a query about the VMs of a host is long
	for subject := range h.past {
		for i := range h.past[subject].Series {
			h.past[subject].Series[i].Query = `avg(evenkeel_vm_score{vm=~"` + vm + `"})`
		}
	}
	advised := h.cases[0]
	h.cases = append(h.cases, another(advised, "running", func(c *cluster.Case) {
		c.State, c.Approval = cluster.CaseRunning, &cluster.Approval{Who: "anna"}
		c.Progress = cluster.Progress{ElapsedSeconds: 12.5, TotalBytes: 8 << 30, TransferredBytes: 7 << 30, RemainingBytes: 2 << 30}
	}), another(advised, "later", func(c *cluster.Case) { c.Snoozed = &cluster.Approval{Who: "anna", Until: now.Add(time.Hour)} }))
	srv, _, s := open(t, h, api.Operator)
	s.SetWatch(watched{{Host: "h0000", Verdict: "alive", HeardAt: now, Exporter: "answers", Libvirt: "answers", Heartbeat: "fresh", Neighbours: "answer", Power: "on"}})
	s.SetPast(travelled{vm: "lost", name: "lost-web", seen: now.Add(-time.Hour), moves: []cluster.Move{{VM: "lost", Name: "lost-web", From: "h0000", To: "h0001", Last: now.Add(-2 * time.Hour), At: now.Add(-2 * time.Hour)}}})
	axe, err := os.ReadFile("../../test/console/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("axe-core is missing: %v; test/install test installs it", err)
	}
	b := browsertest.Open(t)
	for path, sign := range map[string]string{"/vms/lost": "#entries", "/vms/id-0-0": "#travels", "/hosts/h0000": "#travels", "/recommendations/running": "progress", "/recommendations/later": ".order", "/recommendations": "#busy"} {
		for _, theme := range []string{"light", "dark"} {
			b.Do(chromedp.Navigate(srv.URL+path), chromedp.Click("button[value="+theme+"]"))
			b.Sees(path+" in "+theme, `document.documentElement.dataset.theme === "`+theme+`" && document.querySelector("`+sign+`") !== null && document.getElementById("live").textContent.startsWith("Live")`)
			var found []struct {
				ID, Help string
				Nodes    []struct{ HTML string }
			}
			b.Do(chromedp.Evaluate(string(axe), nil), chromedp.Evaluate(`axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then((r) => r.violations)`, &found,
				func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
			for _, f := range found {
				t.Errorf("%s in %s: %s: %s: %v", path, theme, f.ID, f.Help, f.Nodes)
			}
		}
		for _, width := range []int64{1280, 390} {
			b.Do(emulation.SetDeviceMetricsOverride(width, 844, 1, false), chromedp.Navigate(srv.URL+path), chromedp.Evaluate(`document.querySelectorAll("details").forEach((d) => d.open = true)`, nil))
			if wide := b.Says(`document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide != "0" {
				t.Errorf("%s is %s pixels wider than %d", path, wide, width)
			}
		}
		b.Do(emulation.ClearDeviceMetricsOverride())
	}
	b.IsContent()
}
