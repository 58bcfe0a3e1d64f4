package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/browsertest"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/command"
	"github.com/evenkeel/evenkeel/internal/relaytest"
)

// tab is a page of the demo's console.
type tab struct{ *browsertest.Tab }

// demo starts one, and returns its address, the file with its token, and what is in it.
func demo(t *testing.T, more ...string) (base, file, secret string) {
	t.Helper()
	dir, address := t.TempDir(), relaytest.FreeAddress(t)
	t.Setenv("TMPDIR", dir)
	background(t, append([]string{"demo", "--web.listen-address", address}, more...)...)
	base = "http://" + address
	await(t, "the console", func() error {
		_, err := api.NewClient(base, "", nil).Status(t.Context())
		return err
	})
	files, err := filepath.Glob(filepath.Join(dir, "evenkeel-demo-*", "data", "token"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return base, files[0], strings.TrimSpace(string(b))
}

// logsIn logs in with a token, from whatever page it is on.
func (b tab) logsIn(secret string) {
	b.T.Helper()
	b.Do(chromedp.Click("a.me"), chromedp.SendKeys("#token", secret), chromedp.Click(".login button"), chromedp.WaitVisible("form.me"))
}

// The whole way in a browser: what is seen comes by itself, a person logs in, reads, says yes, and sees it done.
func TestTheConsoleInABrowser(t *testing.T) {
	b := tab{browsertest.Open(t)}
	base, token, secret := demo(t)
	client := api.NewClient(base, "", nil)

	b.Do(chromedp.Navigate(base), chromedp.Evaluate("window.loaded = 'once'", nil))
	b.Sees("the overview fills by itself", `document.querySelectorAll(".tile").length === 9 && document.querySelectorAll("a.vm").length === 60`)
	b.Sees("something is advised", `document.querySelector("main a[href^='/recommendations/']") !== null`)
	if b.Says("window.loaded") != "once" {
		t.Error("the page was loaded again, where it should only have been brought up to date")
	}
	b.Do(chromedp.SendKeys("#q", "node3"))
	b.Sees("the filter filters while it is typed", `document.querySelectorAll(".tile").length === 1 && location.search.includes("node3") && document.activeElement.id === "q" && window.loaded === "once"`)

	b.Do(chromedp.Click("button[value=dark]"))
	b.Sees("the dark colours", `document.documentElement.dataset.theme === "dark"`)

	b.logsIn(secret)
	if who := b.Says(`document.querySelector("form.me span").textContent`); who != "operator, admin" {
		t.Errorf("logged in as %q", who)
	}
	if out, err := execute(t, t.Context(), "whoami", "--server", base, "--token-file", token); err != nil || out != "operator, admin\n" {
		t.Errorf("whoami says %q, %v", out, err)
	}
	await(t, "typed text that stays", func() error { return b.keeps(base) })
	var id string
	await(t, "a yes that is taken", func() (err error) {
		id, err = b.approves(base)
		return err
	})
	b.Sees("the move is done", `document.querySelector("h1 .state").textContent === "done"`)
	if b.Says("window.loaded") != "here" {
		t.Error("the page of the recommendation was loaded again")
	}
	c, err := client.Recommendation(t.Context(), id)
	if err != nil || c.State != cluster.CaseDone || c.Approval == nil || c.Approval.Who != "operator" || c.Approval.Reason != "said in a browser" {
		t.Errorf("%+v, %v", c, err)
	}
	a := c.Recommendation.Action
	await(t, "it to be on "+a.To+" alone", func() error {
		places, err := client.Where(t.Context(), a.VM, time.Time{})
		if err == nil && (len(places) != 1 || places[0].Host != a.To || places[0].Gap != "") {
			err = fmt.Errorf("it is at %+v", places)
		}
		return err
	})
	b.Do(chromedp.Navigate(base + "/vms/" + a.VM))
	b.Sees("the VM on its new host", `document.querySelector("main a[href='/hosts/`+a.To+`']") !== null`)
	b.Do(chromedp.Click("form.me button"), chromedp.WaitVisible("a.me"))
	b.isNobody(base, id)
	b.IsContent("403 (Forbidden)", "409 (Conflict)") // a yes to what was not advised any more, which was said again to what is
}

// The plots that the server draws become such that one can point at, which grow by themselves.
func TestThePlotsInABrowser(t *testing.T) {
	b := tab{browsertest.Open(t)}
	base, _, _ := demo(t, "--yes")
	client := api.NewClient(base, "", nil)
	await(t, "the first look", func() error {
		_, err := client.Board(t.Context())
		return err
	})

	b.Do(chromedp.Navigate(base))
	b.Sees("three plots", `document.querySelectorAll("figure.plot .live canvas").length === 3`)
	if seen := b.Says(`[...document.querySelectorAll(".drawing")].map((d) => getComputedStyle(d).display)`); seen != "none,none,none" {
		t.Errorf("what the server drew is shown as well: %s", seen)
	}
	b.Do(chromedp.Evaluate(`window.canvas = document.querySelector("#plot-score canvas"); window.known = document.getElementById("plot-score").dataset.plot; document.getElementById("plot-score-numbers").open = true`, nil))
	b.Sees("a plot that grows and stays the same", `document.getElementById("plot-score").dataset.plot !== window.known && document.querySelector("#plot-score canvas") === window.canvas && document.querySelector("#plot-score .live").text === document.getElementById("plot-score").dataset.plot && document.getElementById("plot-score-numbers").open`)
	b.Sees("what is under the cursor", `(() => {
		const over = document.querySelector("#plot-lost .u-over"), at = over.getBoundingClientRect();
		over.dispatchEvent(new MouseEvent("mousemove", { bubbles: true, clientX: at.left + at.width - 2, clientY: at.top + 9 }));
		return /^\d+ \w+ \d\d:\d\d:\d\d: .*(cpu|memory) \w+ [\d.]+/.test(document.querySelector("#plot-lost .cursor").textContent);
	})()`)
	colours := `(() => {
		const c = document.querySelector("#plot-score canvas"), all = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
		const line = getComputedStyle(document.querySelector("#plot-score .line.p1")).stroke.match(/\d+/g).map(Number);
		for (let i = 0; i < all.length; i += 4) if (line.every((v, n) => all[i + n] === v)) return true;
		return false;
	})()`
	b.Sees("a line in the colour of the theme", colours)
	b.Do(chromedp.Click("button[value=dark]"))
	b.Sees("the same in the dark", `document.documentElement.dataset.theme === "dark" && `+colours)

	b.Do(chromedp.Navigate(base + "/hosts/node1"))
	b.Sees("the plots of a host", `document.querySelectorAll("figure.plot .live canvas").length === 5`)
	places, err := client.Where(t.Context(), "web1", time.Time{})
	if err != nil || len(places) != 1 {
		t.Fatal(places, err)
	}
	b.Do(chromedp.Navigate(base + "/vms/" + places[0].VM))
	b.Sees("the plots of a VM", `document.querySelectorAll("figure.plot .live canvas").length === 5`)
	b.IsContent()

	out, err := execute(t, t.Context(), "trends", "vm", "web1", "--hours=1", "--server", base)
	if err != nil || !strings.Contains(out, "cpu demand") || !strings.Contains(out, "steal") || !strings.Contains(out, "vm/"+places[0].VM) {
		t.Errorf("%v\n%s", err, out)
	}
}

// Who may only look is refused although the form is one of their own.
func TestTheWrongRoleInABrowser(t *testing.T) {
	b := tab{browsertest.Open(t)}
	s := startScraped(t)
	dir, listen := t.TempDir(), relaytest.FreeAddress(t)
	text, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	secret := "a-token-to-look-with"
	write(t, filepath.Join(dir, "vera"), secret+"\n")
	if err := os.Chmod(filepath.Join(dir, "vera"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := write(t, filepath.Join(dir, "evenkeel.yml"), string(text)+fmt.Sprintf("api: {tokens: [{name: vera, file: %q, role: viewer}]}\n", filepath.Join(dir, "vera")))
	n, err := buildNode(serverFlags{web: command.Web{Listen: []string{listen}}, config: file, storage: filepath.Join(dir, "data")}, simulated{s.live}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	inBackground(t, n.run)
	base := "http://" + listen
	client := api.NewClient(base, secret, nil)
	open := (&member{client: client}).open(t)
	b.Do(chromedp.Navigate(base))
	b.logsIn(secret)
	for path, form := range map[string]string{"/recommendations/" + open.Recommendation.ID: "decision=approve", "/orders": "kind=pause&subject=cluster", "/act": "kind=shutdown&vm=web1"} {
		var said string
		b.Do(chromedp.Evaluate(`fetch("`+path+`", {method: "POST", headers: {"Content-Type": "application/x-www-form-urlencoded"}, body: "`+form+`&csrf=" + document.querySelector("form.me input[name=csrf]").value}).then(async (r) => r.status + " " + await r.text())`, &said, awaited))
		if !strings.HasPrefix(said, "403 ") || !strings.Contains(said, "takes the role") {
			t.Errorf("%s by who may look: %.600s", path, said)
		}
	}
	if now, err := client.Recommendation(t.Context(), open.Recommendation.ID); err != nil || now.Approval != nil {
		t.Errorf("it was approved: %+v, %v", now.Approval, err)
	}
	b.IsContent("403 (Forbidden)")
}

// isNobody holds that who is logged out may look, is offered nothing to decide or to do, and is refused when they ask for it all the same.
func (b tab) isNobody(base, id string) {
	b.T.Helper()
	for path, want := range map[string]string{"/": "", "/recommendations/" + id: "", "/hosts/node1": "This takes the role operator"} {
		b.Do(chromedp.Navigate(base+path), chromedp.WaitVisible("main h1"))
		if offered := b.Says(`document.querySelector("main form[method=post]") !== null`); offered != "false" || !strings.Contains(b.Says(`document.querySelector("main").textContent`), want) {
			b.T.Errorf("%s offers something to who is logged out: %s", path, offered)
		}
	}
	for path, form := range map[string]string{"/recommendations/" + id: "decision=reject", "/orders": "kind=pause&subject=cluster", "/act": "kind=shutdown&vm=web1"} {
		var status int
		b.Do(chromedp.Evaluate(`fetch("`+path+`", {method: "POST", headers: {"Content-Type": "application/x-www-form-urlencoded"}, body: "`+form+`&csrf=0"}).then((r) => r.status)`, &status, awaited))
		if status != 403 {
			b.T.Errorf("a forged %s to %s is answered with %d", form, path, status)
		}
	}
	if orders, err := api.NewClient(base, "", nil).Orders(b.T.Context()); err != nil || len(orders) > 0 {
		b.T.Errorf("after that %+v are in force, %v", orders, err)
	}
}

// reads opens a recommendation that waits for a word, and returns its ID. Loads change fast in the demo: what is not advised any more
// while it is being read is left, and another one taken.
func (b tab) reads(base string) (id string, err error) {
	b.T.Helper()
	b.Do(chromedp.Navigate(base + "/recommendations"))
	if b.Says(`document.querySelector("section[aria-labelledby=open] a") !== null`) != "true" {
		return "", errors.New("nothing is advised")
	}
	b.Do(chromedp.Click("section[aria-labelledby=open] a"), chromedp.WaitVisible("#because"), chromedp.Evaluate("window.loaded = 'here'", nil))
	if b.Says(`document.getElementById("reason") !== null`) != "true" {
		return "", errors.New("it is not open any more")
	}
	b.Do(chromedp.SendKeys("#reason", "said in a browser"))
	return b.Says(`location.pathname.split("/").pop()`), nil
}

// keeps has the page brought up to date while somebody types.
func (b tab) keeps(base string) error {
	b.T.Helper()
	if _, err := b.reads(base); err != nil {
		return err
	}
	b.Do(chromedp.Evaluate(`window.shown = document.getElementById("main").dataset.state`, nil))
	b.Sees("an update", `document.getElementById("main").dataset.state !== window.shown`)
	if b.Says(`document.getElementById("reason") === null`) == "true" {
		return errors.New("it was withdrawn meanwhile")
	}
	if typed := b.Says(`document.getElementById("reason").value + "|" + document.activeElement.id`); typed != "said in a browser|reason" {
		b.T.Errorf("after an update the form has %q", typed)
	}
	return nil
}

// approves says yes to a recommendation, and sees that it was taken.
func (b tab) approves(base string) (string, error) {
	b.T.Helper()
	id, err := b.reads(base)
	if err != nil {
		return "", err
	}
	b.Do(chromedp.Evaluate(`document.querySelector("button[value=approve]")?.click()`, nil))
	state := ""
	for range 60 {
		if state = b.Says(`document.querySelector("h1 .state")?.textContent`); slices.Contains([]string{"approved", "running", "done"}, state) {
			return id, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return "", fmt.Errorf("%s is %s: %s", id, state, b.Says(`document.querySelector(".notice")?.textContent`))
}
