package console_test

import (
	"net/url"
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/browsertest"
)

// A browser runs nothing of what stands in names, and shows it as text.
func TestHostileNamesRunNothingInABrowser(t *testing.T) {
	const evil = `"><script>window.pwned=1</script><img src=x onerror=window.pwned=1>'-alert(1)-'{{.}}`
	h := newHouse(2, func(what string) string { return what + evil })
	srv, _, _ := open(t, h, api.Operator)
	b := browsertest.Open(t)
	host, vm := url.PathEscape(h.judged.Snapshot.Hosts[0].ID), url.PathEscape(h.judged.Snapshot.VMs[0].ID)
	for path, sign := range map[string]string{
		"/": "#hosts", "/?group=tag": "#hosts", "/recommendations": "#open", "/recommendations/done": "#because", "/recommendations/" + h.cases[0].Recommendation.ID: "#because",
		"/hosts/" + host: "#rules", "/vms/" + vm: "#kept", "/try?kind=shutdown&vm=" + url.QueryEscape(h.judged.Snapshot.VMs[0].ID): "#do",
		"/map": "#map", "/journal": "main h1", "/autonomy": "main h1", "/settings": "main h1",
	} {
		b.Do(chromedp.Navigate(srv.URL + path))
		b.Sees(path, `document.querySelector("`+sign+`") !== null && document.getElementById("live").textContent.startsWith("Live")`)
		if b.Says(`window.pwned === undefined && document.querySelector("main img, main script") === null`) != "true" {
			t.Errorf("%s runs what stands in a name", path)
		}
	}
	b.Do(chromedp.Navigate(srv.URL + "/vms/" + vm))
	if text := b.Says(`document.querySelector("h1").textContent`); len(text) < len(evil) {
		t.Errorf("the name is shown as %q", text)
	}
	b.IsContent()
}

// BenchmarkTheOverviewInABrowser tells how long it takes until the overview of 1,000 hosts and 10,000 VMs can be used: from the request until the
// page is loaded and its scripts have run, and from a key in the filter until the page shows what is left.
func BenchmarkTheOverviewInABrowser(b *testing.B) {
	srv, _, _ := open(b, newHouseOf(1000, 10, plainly), api.Viewer)
	tab := browsertest.Open(b)
	var load, filter float64
	for b.Loop() {
		tab.Do(chromedp.Navigate(srv.URL + "/"))
		tab.Sees("the overview", `document.querySelectorAll(".tile").length === 240 && performance.getEntriesByType("navigation")[0].loadEventEnd > 0`)
		load += number(b, tab.Says(`performance.getEntriesByType("navigation")[0].loadEventEnd`))
		tab.Do(chromedp.Evaluate(`window.typed = performance.now(); window.shown = 0;
			new MutationObserver(() => { if (!window.shown && document.querySelectorAll(".tile").length === 1) window.shown = performance.now() }).observe(document.body, {childList: true, subtree: true});
			document.getElementById("q").value = "h0700"; document.getElementById("q").dispatchEvent(new Event("input", {bubbles: true})); 0`, nil))
		tab.Sees("one host", `window.shown > 0`)
		filter += number(b, tab.Says(`window.shown - window.typed`))
	}
	b.ReportMetric(load/float64(b.N), "ms/load")
	b.ReportMetric(filter/float64(b.N), "ms/filter")
	b.ReportMetric(0, "ns/op")
}

func number(b *testing.B, text string) float64 {
	b.Helper()
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}
