package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/browsertest"
)

// Dragging the slider of the map shows another time, while it keeps the focus and its place; and what shows the past is not replaced by what is
// new. The other pages are read as well.
func TestThePastInABrowser(t *testing.T) {
	b := tab{browsertest.Open(t)}
	base, _, _ := demo(t, "--yes")
	client := api.NewClient(base, "", nil)
	await(t, "a past", func() error {
		places, err := client.Where(t.Context(), "", time.Now().Add(-30*time.Second))
		if err == nil && len(places) == 0 {
			err = errors.New("nothing was seen half a minute ago")
		}
		return err
	})
	b.Do(chromedp.Navigate(base+"/map?span=hour"), chromedp.Evaluate("window.loaded = 'once'", nil))
	b.Sees("the map of now", `document.querySelectorAll("#map .tile").length === 8 && document.querySelectorAll("#map .chip").length >= 60 && document.getElementById("slid").textContent === "now"`)
	b.Do(chromedp.Focus("#ago"), chromedp.SendKeys("#ago", strings.Repeat(kb.ArrowLeft, 2)))
	const there = `document.activeElement.id === "ago" && document.activeElement.value === "-20" && window.loaded === "once"`
	b.Sees("the map of then", `document.getElementById("places").textContent.includes("Where everything was") && document.getElementById("places").textContent.includes("20 seconds ago") && `+there)
	b.Sees("what the slider says", `document.getElementById("slid").textContent === "20 seconds ago" && document.getElementById("ago").getAttribute("aria-valuetext") === "20 seconds ago"`)
	b.Do(chromedp.Evaluate(`window.shown = document.getElementById("main").dataset.state; window.then = document.querySelector("#places time").dateTime; window.asked = location.search`, nil))
	b.Sees("news of the server", `document.getElementById("main").dataset.state !== window.shown`)
	b.Sees("the same time as before", `document.querySelector("#places time").dateTime === window.then && location.search === window.asked && location.search.includes("ago=-20") && document.querySelectorAll("#map .tile").length === 8 && `+there)
	b.Do(chromedp.SendKeys("#ago", strings.Repeat(kb.ArrowRight, 2)))
	b.Sees("now again", `document.getElementById("places").textContent.includes("Where everything is") && document.querySelector("[data-still]") === null && document.getElementById("ago").value === "0"`)
	b.Sees("a move, and who made it", `document.querySelector("#map table a[href^='/recommendations/']") !== null`)
	b.Do(chromedp.Navigate(base+"/map?from=10m&to=1s"), chromedp.WaitVisible("#compare"))
	b.Sees("what changed between two times", `/\d+ moves, \d+ VMs arrived/.test(document.querySelector("section[aria-labelledby=compare]").textContent)`)
	b.Do(chromedp.Navigate(base+"/journal"), chromedp.Click(`a[href="/journal?verify=1"]`))
	b.Sees("a whole chain", `document.querySelector(".notice.good").textContent.includes("Yes.")`)
	b.Do(chromedp.Navigate(base+"/autonomy"), chromedp.WaitVisible("#asking"), chromedp.Navigate(base+"/settings"), chromedp.WaitVisible("#s-automation"))
	b.IsContent()
}
