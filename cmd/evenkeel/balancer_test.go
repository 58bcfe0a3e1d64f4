package main

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/internal/api"
)

// balanced starts Debian's HAProxy in front of the servers, with what docs/scaling.md shows of its configuration.
func balanced(t *testing.T, all map[string]*member) string {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "scaling.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(doc), "    # haproxy.cfg\n")
	text, _, ended := strings.Cut(text, "\n\n")
	if !found || !ended {
		t.Fatal("docs/scaling.md shows no haproxy.cfg")
	}
	text = strings.ReplaceAll(text, "\n    ", "\n")
	swap := func(from, to string) {
		if !strings.Contains(text, from) {
			t.Fatalf("docs/scaling.md's haproxy.cfg has no %q:\n%s", from, text)
		}
		text = strings.ReplaceAll(text, from, to)
	}
	for name, m := range all {
		swap(name+":9178", strings.TrimPrefix(m.url, "http://"))
	}
	// The certificates are not what is tried here.
	swap(" secure", "")
	swap("X-Forwarded-Proto https", "X-Forwarded-Proto http")
	swap(" ssl verify required ca-file /etc/ssl/certs/ca-certificates.crt", "")
	return "http://" + startOther(t, other{name: "HAProxy", program: "/usr/sbin/haproxy", answers: "/-/ready", args: func(dir, address string) []string {
		swap("bind :443 ssl crt /etc/haproxy/evenkeel.pem", "bind "+address)
		return []string{"-db", "-f", write(t, filepath.Join(dir, "haproxy.cfg"), text+"\n")}
	}})
}

// Behind a load balancer a browser stays at one server while that is there, and finds the other when it is not.
func TestTwoServersBehindALoadBalancer(t *testing.T) {
	long(t)
	t.Parallel()
	f, _ := newCompany(t)
	all := map[string]*member{"server1": f.start(t, "server1")}
	leader(t, all["server1"])
	all["server2"] = f.start(t, "server2")
	leader(t, all["server2"])
	base := balanced(t, all)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	at, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	here := func() string {
		for _, c := range jar.Cookies(at) {
			if c.Name == "SERVER" {
				return c.Value
			}
		}
		return ""
	}
	if _, _, err := fetch(browser, base+"/login", ""); err != nil {
		t.Fatal(err)
	}
	first := all[here()]
	if first == nil {
		t.Fatalf("the browser is kept at %q", here())
	}
	secret, err := os.ReadFile(filepath.Join(first.node.flags.storage, "token"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := browser.PostForm(base+"/login", url.Values{"token": {strings.TrimSpace(string(secret))}, "back": {"/"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	for range 10 {
		if code, page, err := fetch(browser, base+"/settings", ""); err != nil || code != http.StatusOK || !strings.Contains(page, "operator, admin") {
			t.Fatalf("the login is lost on the way: %d %v\n%.400s", code, err, page)
		}
	}
	left := here()
	all[left].end()
	delete(all, left)
	for name, m := range all {
		await(t, name+" to answer in its place", func() error {
			_, page, err := fetch(browser, base+"/", "")
			if err == nil && (here() != name || !strings.Contains(page, "answered by the server "+m.node.id)) {
				err = fmt.Errorf("the browser is at %q", here())
			}
			return err
		})
		secret, err := os.ReadFile(filepath.Join(m.node.flags.storage, "token"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := api.NewClient(base, strings.TrimSpace(string(secret)), nil).Approve(t.Context(), "none", ""); err == nil || !strings.Contains(err.Error(), "none") {
			t.Errorf("what is approved there gives %v", err)
		}
	}
}
