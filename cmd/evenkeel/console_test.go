package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// tab is a page of a real browser that notes what its console complains of.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

func newTab(t *testing.T) *tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("the console is tested in a browser: %v; test/install test installs it", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1280, 800))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithErrorf(t.Logf))
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.complaints = append(b.complaints, e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
				for _, a := range e.Args {
					b.complaints = append(b.complaints, string(a.Value)+a.Description)
				}
			}
		case *log.EventEntryAdded:
			b.complaints = append(b.complaints, e.Entry.Text+" "+e.Entry.URL)
		}
	})
	b.do(log.Enable())
	return b
}

// do does something in the browser; it is given up when it takes too long.
func (b *tab) do(actions ...chromedp.Action) {
	b.t.Helper()
	done := make(chan error, 1)
	go func() { done <- chromedp.Run(b.ctx, actions...) }()
	select {
	case err := <-done:
		if err != nil {
			b.t.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		b.t.Fatal("the browser does not get there")
	}
}

// says evaluates an expression in the page.
func (b *tab) says(expression string) string {
	b.t.Helper()
	var answer string
	b.do(chromedp.Evaluate("String("+expression+")", &answer))
	return answer
}

// sees waits until the expression is true in the page. One that is just being loaded has no parts to ask.
func (b *tab) sees(what, expression string) {
	b.t.Helper()
	await(b.t, what, func() error {
		if b.says("(() => { try { return "+expression+" } catch { return false } })()") != "true" {
			return fmt.Errorf("the page has %.2000s", b.says(`document.getElementById("main")?.innerText`))
		}
		return nil
	})
}

// The whole way in a browser: what is seen comes by itself, a person logs in, reads, says yes, and sees it done.
func TestTheConsoleInABrowser(t *testing.T) {
	dir, address := t.TempDir(), freePort(t)
	t.Setenv("TMPDIR", dir)
	b := newTab(t)
	background(t, "demo", "--web.listen-address", address)
	base := "http://" + address
	client := api.NewClient(base, "", nil)
	await(t, "the console", func() error {
		_, err := client.Status(t.Context())
		return err
	})

	b.do(chromedp.Navigate(base), chromedp.Evaluate("window.loaded = 'once'", nil))
	b.sees("the overview fills by itself", `document.querySelectorAll(".tile").length === 9 && document.querySelectorAll("a.vm").length === 60`)
	b.sees("something is advised", `document.querySelector("main a[href^='/recommendations/']") !== null`)
	if b.says("window.loaded") != "once" {
		t.Error("the page was loaded again, where it should only have been brought up to date")
	}
	b.do(chromedp.SendKeys("#q", "node3"))
	b.sees("the filter filters while it is typed", `document.querySelectorAll(".tile").length === 1 && location.search.includes("node3") && document.activeElement.id === "q" && window.loaded === "once"`)

	b.do(chromedp.Click("button[value=dark]"))
	b.sees("the dark colours", `document.documentElement.dataset.theme === "dark"`)

	token, err := filepath.Glob(filepath.Join(dir, "evenkeel-demo-*", "data", "token"))
	if err != nil || len(token) != 1 {
		t.Fatal(token, err)
	}
	secret, err := os.ReadFile(token[0])
	if err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Click("a.me"), chromedp.SendKeys("#token", strings.TrimSpace(string(secret))), chromedp.Click(".login button"), chromedp.WaitVisible("form.me"))
	if who := b.says(`document.querySelector("form.me span").textContent`); who != "operator, admin" {
		t.Errorf("logged in as %q", who)
	}
	if out, err := execute(t, t.Context(), "whoami", "--server", base, "--token-file", token[0]); err != nil || out != "operator, admin\n" {
		t.Errorf("whoami says %q, %v", out, err)
	}
	await(t, "typed text that stays", func() error { return b.keeps(base) })
	var id string
	await(t, "a yes that is taken", func() (err error) {
		id, err = b.approves(base)
		return err
	})
	b.sees("the move is done", `document.querySelector("h1 .state").textContent === "done"`)
	if b.says("window.loaded") != "here" {
		t.Error("the page of the recommendation was loaded again")
	}
	c, err := client.Recommendation(t.Context(), id)
	if err != nil || c.State != cluster.CaseDone || c.Approval == nil || c.Approval.Who != "operator" || c.Approval.Reason != "said in a browser" {
		t.Errorf("%+v, %v", c, err)
	}
	b.do(chromedp.Click("form.me button"), chromedp.WaitVisible("a.me"))
	b.isContent()
}

// isContent holds that the browser complained of nothing.
func (b *tab) isContent() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.complaints) > 0 {
		b.t.Errorf("the browser's console has complaints:\n%s", strings.Join(b.complaints, "\n"))
	}
}

// The plots that the server draws become such that one can point at, which grow by themselves.
func TestThePlotsInABrowser(t *testing.T) {
	dir, address := t.TempDir(), freePort(t)
	t.Setenv("TMPDIR", dir)
	b := newTab(t)
	background(t, "demo", "--yes", "--web.listen-address", address)
	base := "http://" + address
	client := api.NewClient(base, "", nil)
	await(t, "the first look", func() error {
		_, err := client.Board(t.Context())
		return err
	})

	b.do(chromedp.Navigate(base))
	b.sees("three plots", `document.querySelectorAll("figure.plot .live canvas").length === 3`)
	if seen := b.says(`[...document.querySelectorAll(".drawing")].map((d) => getComputedStyle(d).display)`); seen != "none,none,none" {
		t.Errorf("what the server drew is shown as well: %s", seen)
	}
	b.do(chromedp.Evaluate(`window.canvas = document.querySelector("#plot-score canvas"); window.known = document.getElementById("plot-score").dataset.plot; document.getElementById("plot-score-numbers").open = true`, nil))
	b.sees("a plot that grows and stays the same", `document.getElementById("plot-score").dataset.plot !== window.known && document.querySelector("#plot-score canvas") === window.canvas && document.querySelector("#plot-score .live").text === document.getElementById("plot-score").dataset.plot && document.getElementById("plot-score-numbers").open`)
	b.sees("what is under the cursor", `(() => {
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
	b.sees("a line in the colour of the theme", colours)
	b.do(chromedp.Click("button[value=dark]"))
	b.sees("the same in the dark", `document.documentElement.dataset.theme === "dark" && `+colours)

	b.do(chromedp.Navigate(base + "/hosts/node1"))
	b.sees("the plots of a host", `document.querySelectorAll("figure.plot .live canvas").length === 3`)
	places, err := client.Where(t.Context(), "web1", time.Time{})
	if err != nil || len(places) != 1 {
		t.Fatal(places, err)
	}
	b.do(chromedp.Navigate(base + "/vms/" + places[0].VM))
	b.sees("the plots of a VM", `document.querySelectorAll("figure.plot .live canvas").length === 5`)
	b.isContent()

	out, err := execute(t, t.Context(), "trends", "vm", "web1", "--hours=1", "--server", base)
	if err != nil || !strings.Contains(out, "cpu demand") || !strings.Contains(out, "steal") || !strings.Contains(out, "vm/"+places[0].VM) {
		t.Errorf("%v\n%s", err, out)
	}
}

// reads opens a recommendation that waits for a word, and returns its ID. Loads change fast in the demo: what is not advised any more
// while it is being read is left, and another one taken.
func (b *tab) reads(base string) (id string, err error) {
	b.t.Helper()
	b.do(chromedp.Navigate(base + "/recommendations"))
	if b.says(`document.querySelector("section[aria-labelledby=open] a") !== null`) != "true" {
		return "", errors.New("nothing is advised")
	}
	b.do(chromedp.Click("section[aria-labelledby=open] a"), chromedp.WaitVisible("#because"), chromedp.Evaluate("window.loaded = 'here'", nil))
	if b.says(`document.getElementById("reason") !== null`) != "true" {
		return "", errors.New("it is not open any more")
	}
	b.do(chromedp.SendKeys("#reason", "said in a browser"))
	return b.says(`location.pathname.split("/").pop()`), nil
}

// keeps has the page brought up to date while somebody types.
func (b *tab) keeps(base string) error {
	b.t.Helper()
	if _, err := b.reads(base); err != nil {
		return err
	}
	b.do(chromedp.Evaluate(`window.shown = document.getElementById("main").dataset.state`, nil))
	b.sees("an update", `document.getElementById("main").dataset.state !== window.shown`)
	if b.says(`document.getElementById("reason") === null`) == "true" {
		return errors.New("it was withdrawn meanwhile")
	}
	if typed := b.says(`document.getElementById("reason").value + "|" + document.activeElement.id`); typed != "said in a browser|reason" {
		b.t.Errorf("after an update the form has %q", typed)
	}
	return nil
}

// approves says yes to a recommendation, and sees that it was taken.
func (b *tab) approves(base string) (string, error) {
	b.t.Helper()
	id, err := b.reads(base)
	if err != nil {
		return "", err
	}
	b.do(chromedp.Evaluate(`document.querySelector("button[value=approve]")?.click()`, nil))
	state := ""
	for range 60 {
		if state = b.says(`document.querySelector("h1 .state")?.textContent`); slices.Contains([]string{"approved", "running", "done"}, state) {
			return id, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return "", fmt.Errorf("%s is %s: %s", id, state, b.says(`document.querySelector(".notice")?.textContent`))
}
