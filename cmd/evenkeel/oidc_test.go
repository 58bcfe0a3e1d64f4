package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/browsertest"
	"github.com/evenkeel/evenkeel/internal/relaytest"
)

// startProvider runs a certified OpenID provider that knows anna and otto, and returns its address.
func startProvider(t *testing.T, callback string) string {
	t.Helper()
	address := relaytest.FreeAddress(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("../../test/oidc/node_modules/oidc-provider"); err != nil {
		t.Fatalf("%v; test/install test installs it", err)
	}
	provider := exec.Command("node", "../../test/oidc/provider.js", port, callback)
	provider.Stderr = os.Stderr
	if err := provider.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = provider.Process.Kill() // it may have ended
		_ = provider.Wait()         // it was killed
	})
	issuer := "http://" + address
	await(t, "the OpenID provider", func() error {
		_, _, err := fetch(http.DefaultClient, issuer+"/.well-known/openid-configuration", "")
		return err
	})
	return issuer
}

// logsInAt goes from the console to the provider and, through its forms, back.
func (b tab) logsInAt(base, name string) {
	b.T.Helper()
	b.Do(chromedp.Navigate(base+"/recommendations"), chromedp.WaitVisible("a.me"), chromedp.Click("a.me"), chromedp.WaitVisible("a.button"), chromedp.Click("a.button"),
		chromedp.WaitVisible("input[name=login]"), chromedp.SendKeys("input[name=login]", name), chromedp.SendKeys("input[name=password]", "any"), chromedp.Click("button[type=submit]"))
	b.Sees("the question whether to go on", `document.querySelector("input[name=prompt]")?.value === "consent"`)
	b.Do(chromedp.Click("button[type=submit]"), chromedp.WaitVisible("#main"))
}

// The provider's name is an IP address and the console's is not, so that they are different sites to a browser.
func TestALoginAtAnOpenIDProviderInABrowser(t *testing.T) {
	dir, address := t.TempDir(), relaytest.FreeAddress(t)
	t.Setenv("TMPDIR", dir)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	base := "http://localhost:" + port
	issuer := startProvider(t, base+"/login/oidc/callback")
	background(t, "demo", "--web.listen-address", address)
	client := api.NewClient(base, "", nil)
	await(t, "the console", func() error {
		_, err := client.Status(t.Context())
		return err
	})
	found, err := filepath.Glob(filepath.Join(dir, "evenkeel-demo-*", "evenkeel.yml"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	file, token := found[0], filepath.Join(filepath.Dir(found[0]), "data", "token")
	demo, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(filepath.Dir(file), "secret"), "a-secret-of-the-test-1\n")
	trusts := func(group string) {
		t.Helper()
		write(t, file, string(demo)+fmt.Sprintf("\napi:\n  oidc: {issuer: %q, client_id: evenkeel, client_secret_file: secret, scopes: [openid, profile, groups], roles: {approver: [%s]}}\n", issuer, group))
		if out, err := execute(t, t.Context(), "reload", "--server", base, "--token-file", token); err != nil {
			t.Fatal(err, out)
		}
	}
	trusts("virtualisation")

	b := tab{browsertest.Open(t)}
	b.logsInAt(base, "anna")
	b.Sees("the page that was asked for, with the session", `location.pathname === "/recommendations" && document.querySelector("form.me span")?.textContent === "anna, approver"`)
	var id string
	await(t, "a yes that is taken", func() (err error) {
		id, err = b.approves(base)
		return err
	})
	c, err := client.Recommendation(t.Context(), id)
	if err != nil || c.Approval == nil || c.Approval.Who != "anna" || c.Approval.Via != "console (oidc)" {
		t.Errorf("%+v, %v", c.Approval, err)
	}

	stranger := tab{browsertest.Open(t)}
	stranger.logsInAt(base, "otto")
	stranger.Sees("a refusal that says why", `document.querySelector("[role=alert]").textContent.includes("You are otto, in the groups staff, and none of these has a role") && document.querySelector("form.me") === null && document.getElementById("token") !== null`)

	trusts("others")
	b.Do(chromedp.Navigate(base))
	b.Sees("that the role is gone", `document.querySelector("form.me span").textContent.trim() === ", viewer"`)
	trusts("virtualisation")
	b.Do(chromedp.Navigate(base))
	b.Sees("that it is back", `document.querySelector("form.me span").textContent === "anna, approver"`)
	b.Do(chromedp.Click("form.me button"), chromedp.WaitVisible("a.me"))

	b.looksAt(base, place{"login-openid", "/login"}, axe(t))
	b.IsContent(issuer, "fonts.googleapis.com") // the provider's forms want a font
}
