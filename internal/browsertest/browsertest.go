// Package browsertest drives a real browser in tests of the console.
package browsertest

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Tab is a page of a real browser that notes what its console complains of.
type Tab struct {
	// T is the test that it is open for.
	T   testing.TB
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

// Open opens a page in a browser of its own, which is gone when the test ends.
func Open(t testing.TB) *Tab {
	t.Helper()
	if !strings.Contains(t.Name(), "InABrowser") {
		t.Fatal("what needs a browser has InABrowser in its name: make browser runs those, and make unit the others")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("the console is tested in a browser: %v; test/install test installs it", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1280, 800))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithErrorf(t.Logf))
	t.Cleanup(cancel)
	b := &Tab{T: t, ctx: ctx}
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
	b.Do(log.Enable())
	return b
}

// Do does something in the browser; it is given up when it takes too long.
func (b *Tab) Do(actions ...chromedp.Action) {
	b.T.Helper()
	done := make(chan error, 1)
	go func() { done <- chromedp.Run(b.ctx, actions...) }()
	select {
	case err := <-done:
		if err != nil {
			b.T.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		b.T.Fatal("the browser does not get there")
	}
}

// Says evaluates an expression in the page.
func (b *Tab) Says(expression string) string {
	b.T.Helper()
	var answer string
	b.Do(chromedp.Evaluate("String("+expression+")", &answer))
	return answer
}

// Sees waits until the expression is true in the page. One that is just being loaded has no parts to ask.
func (b *Tab) Sees(what, expression string) {
	b.T.Helper()
	deadline := time.Now().Add(time.Minute)
	for b.Says("(() => { try { return "+expression+" } catch { return false } })()") != "true" {
		if time.Now().After(deadline) {
			b.T.Fatalf("%s: the page has %.2000s", what, b.Says(`document.getElementById("main")?.innerText`))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// IsContent holds that the browser complained of nothing but of what has one of the words.
func (b *Tab) IsContent(but ...string) {
	b.T.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	ofOthers := func(complaint string) bool {
		return slices.ContainsFunc(but, func(word string) bool { return strings.Contains(complaint, word) })
	}
	if own := slices.DeleteFunc(slices.Clone(b.complaints), ofOthers); len(own) > 0 {
		b.T.Errorf("the browser's console has complaints:\n%s", strings.Join(own, "\n"))
	}
}
