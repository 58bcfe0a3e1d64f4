package main

import (
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/browsertest"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

var screenshots = flag.String("screenshots", "", "directory to which TestEverybodyCanUseTheConsoleInABrowser writes what it saw")

// flaw is what axe-core finds.
type flaw struct {
	ID, Impact, Help string
	Nodes            []struct {
		HTML           string
		FailureSummary string
	}
}

// place is a page of the console.
type place struct{ name, path string }

// Every page in both colours: axe-core finds nothing, and nothing is wider than the window, nor than a telephone.
func TestEverybodyCanUseTheConsoleInABrowser(t *testing.T) {
	b := tab{browsertest.Open(t)}
	base, _, secret := demo(t)
	script := axe(t)
	b.Do(chromedp.Navigate(base))
	b.logsIn(secret)
	for _, p := range lived(t, base, secret) {
		b.looksAt(base, p, script)
	}
	b.IsContent()
	b.looksAt(base, place{"nowhere", "/nowhere"}, script) // the browser complains of that it is not there
}

// axe is the script of axe-core.
func axe(t *testing.T) string {
	t.Helper()
	script, err := os.ReadFile("../../test/console/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("axe-core is missing: %v; test/install test installs it", err)
	}
	return string(script)
}

// looksAt holds one page in both colours against axe-core and the width of the window, and of a telephone.
func (b tab) looksAt(base string, p place, axe string) {
	b.T.Helper()
	for _, theme := range []string{"light", "dark"} {
		b.Do(chromedp.Navigate(base+p.path), chromedp.Click("button[value="+theme+"]"))
		b.Sees(p.name+" in "+theme, `document.documentElement.dataset.theme === "`+theme+`" && document.querySelector("main h1") !== null && (document.getElementById("live").textContent.startsWith("Live") || !document.querySelector("main[data-state]"))`)
		b.Do(chromedp.Evaluate(axe, nil))
		var found []flaw
		b.Do(chromedp.Evaluate(`axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then((r) => r.violations)`, &found, awaited))
		for _, f := range found {
			b.T.Errorf("%s in %s: %s (%s): %s", p.name, theme, f.ID, f.Impact, f.Help)
			for _, n := range f.Nodes[:min(3, len(f.Nodes))] {
				b.T.Logf("  %s\n  %s", n.HTML, n.FailureSummary)
			}
		}
		b.fits(p.name)
		b.keep(p.name + "-" + theme)
	}
	b.Do(emulation.SetDeviceMetricsOverride(390, 844, 1, true), chromedp.Navigate(base+p.path))
	b.Sees(p.name+" on a telephone", `document.querySelector("main h1") !== null`)
	b.fits(p.name + " on a telephone")
	b.Do(emulation.ClearDeviceMetricsOverride())
}

// awaited has the browser wait for the promise.
func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// lived waits until the demo has something to show on every page, and returns the pages.
func lived(t *testing.T, base, secret string) []place {
	t.Helper()
	client := api.NewClient(base, secret, nil)
	var done, open string
	var moved cluster.Action
	await(t, "a move that is done, and one that is advised", func() error {
		cases, err := client.Recommendations(t.Context(), "all")
		if err != nil {
			return err
		}
		for _, c := range cases {
			switch c.State {
			case cluster.CaseDone:
				if c.Measured != nil {
					done, moved = c.Recommendation.ID, c.Recommendation.Action
				}
			case cluster.CaseOpen:
				open = c.Recommendation.ID
			}
		}
		if open != "" && !slices.ContainsFunc(cases, func(c cluster.Case) bool { return c.Approval != nil }) {
			_, err = client.Approve(t.Context(), open, "it is time")
		}
		if done == "" || open == "" {
			return fmt.Errorf("of %d: done %q, open %q, %v", len(cases), done, open, err)
		}
		return nil
	})
	return []place{
		{"overview", "/"}, {"groups", "/?group=state"}, {"recommendations", "/recommendations"}, {"recommendation", "/recommendations/" + open}, {"done", "/recommendations/" + done},
		{"host", "/hosts/" + moved.From}, {"machine", "/hosts/" + demoMachineName}, {"vm", "/vms/" + url.PathEscape(moved.VM)},
		{"dry-run", "/try?kind=migrate&to=" + moved.From + "&vm=" + url.QueryEscape(moved.VM)}, {"maintenance", "/try?kind=maintenance&host=" + moved.From},
		{"map", "/map"}, {"past", "/map?at=30s"}, {"changes", "/map?from=1m&to=1s"}, {"journal", "/journal"}, {"chain", "/journal?verify=1"}, {"autonomy", "/autonomy"}, {"settings", "/settings"},
		{"login", "/login"},
	}
}

// fits holds that nothing is wider than the window: what is wide scrolls by itself.
func (b tab) fits(name string) {
	b.T.Helper()
	if wide := b.Says(`document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide != "0" {
		b.T.Errorf("%s is %s pixels wider than the window: %s", name, wide, b.Says(`[...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !e.closest(".scroll")).slice(0, 3).map((e) => e.outerHTML.slice(0, 120)).join("\n")`))
	}
}

// keep writes what is seen, if that is asked for.
func (b tab) keep(name string) {
	b.T.Helper()
	if *screenshots == "" {
		return
	}
	var picture []byte
	b.Do(chromedp.FullScreenshot(&picture, 100))
	if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), picture, 0o644); err != nil {
		b.T.Fatal(err)
	}
}

// The way to a yes without a mouse.
func TestKeysSufficeInABrowser(t *testing.T) {
	b := tab{browsertest.Open(t)}
	base, _, secret := demo(t)
	b.Do(chromedp.Navigate(base + "/recommendations"))
	b.logsIn(secret)
	b.Sees("something is advised", `document.querySelector("section[aria-labelledby=open] a") !== null`)
	b.Do(chromedp.Navigate(base+"/recommendations"), chromedp.KeyEvent(kb.Tab))
	if at := b.Says(`document.activeElement.textContent`); at != "Skip to content" {
		t.Errorf("the first key leads to %q", at)
	}
	b.Do(chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.Tab))
	if at := b.Says(`document.activeElement.getAttribute("href")`); !strings.HasPrefix(at, "/recommendations/") {
		t.Errorf("behind the navigation is %q", at)
	}
	if b.Says(`getComputedStyle(document.activeElement).outlineStyle`) == "none" {
		t.Error("what has the focus does not show it")
	}
	b.Do(chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible("#reason"))
	for tabs := 0; b.Says(`document.activeElement.id`) != "reason"; tabs++ {
		if tabs == 60 {
			t.Fatalf("after %d keys the focus is on %q, not where a reason is given", tabs, b.Says(`document.activeElement.textContent`))
		}
		b.Do(chromedp.KeyEvent(kb.Tab))
	}
	b.Do(chromedp.KeyEvent("by hand"), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	b.Sees("the yes is taken", `["approved", "running", "done"].includes(document.querySelector("h1 .state").textContent) && document.getElementById("became").parentElement.textContent.includes("by hand")`)
	b.IsContent()
}
