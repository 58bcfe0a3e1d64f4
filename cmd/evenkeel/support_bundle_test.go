package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/command"
	"github.com/evenkeel/evenkeel/internal/relaytest"
)

// unpacked returns the files of a bundle by name.
func unpacked(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the bundle: %v (%v)", info.Mode(), err)
	}
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for archive := tar.NewReader(zip); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		name, inside := strings.CutPrefix(h.Name, "evenkeel-support/")
		if !inside {
			t.Errorf("%s lies beside the bundle's directory", h.Name)
		}
		files[name] = string(body)
	}
}

// planted is in every secret of the test, and in nothing else.
const planted = "pl4nted"

// plantedConfig is a configuration with a secret wherever one can stand, for hosts that are simulated.
func plantedConfig(t *testing.T, dir string, hosts, exporters []string) string {
	t.Helper()
	for _, name := range []string{"token", "bmc", "bot", "app", "signing", "hook", "oidc", "strip"} {
		write(t, filepath.Join(dir, name), name+"-"+planted+"-in-a-file\n")
	}
	text := demoConfig(hosts, exporters)
	first := fmt.Sprintf(`{name: %s, uri: "simulated://%s",`, hosts[0], hosts[0])
	if !strings.Contains(text, first) {
		t.Fatalf("the demo's configuration has no %s", first)
	}
	text = strings.Replace(text, first, fmt.Sprintf(`{name: %s, uri: "simulated://admin:%[2]s-in-uri@%[1]s/system?token=%[2]s-in-query", migration_uri: "qemu+tls://admin:%[2]s-in-migration@127.0.0.1/system",
     fence: [{agent: fence_ipmilan, options: {ip: 127.0.0.1, username: admin, login_key: %[2]s-in-options}, password_file: bmc, option_files: {snmp_priv_passwd: strip}}, {redfish: "https://127.0.0.1:9", username: admin, password_file: bmc}],
     shutdown: {command: [/usr/bin/true, --password, %[2]s-in-arguments]},`, hosts[0], planted), 1)
	text = strings.Replace(text, "retention: 2h}", "retention: 2h, http: {basic_auth: {username: u, password: "+planted+"-of-scrapes}}}", 1)
	return write(t, filepath.Join(dir, "evenkeel.yml"), text+strings.ReplaceAll(`
alerting: {alertmanagers: [{url: "http://127.0.0.1:9/PLANTED-in-path", http: {authorization: {credentials: PLANTED-of-alertmanager}}}]}
remote_write:
  - {url: "http://127.0.0.1:9/write/PLANTED-in-path", http: {basic_auth: {username: u, password: PLANTED-of-remote-write}}}
  - {url: "http://127.0.0.1:9/other", http: {oauth2: {client_id: c, client_secret: PLANTED-of-oauth, token_url: "http://127.0.0.1:9/token"}}}
  - {url: "http://127.0.0.1:9/proxied", http: {proxy_url: "http://u:PLANTED-of-proxy@127.0.0.1:9", http_headers: {X-Key: {secrets: [PLANTED-in-header]}}}}
alertmanager: {token_file: hook}
api:
  tokens: [{name: alice, file: token, role: admin}]
  oidc: {issuer: "http://127.0.0.1:9", client_id: evenkeel, client_secret_file: oidc, redirect_url: "http://127.0.0.1/login/oidc/callback", roles: {viewer: [staff]}}
slack: {bot_token_file: bot, app_token_file: app, signing_secret_file: signing, channel: C012AB3CD, approvers: [{user: U012AB3CD, name: alice}], api_url: "http://127.0.0.1:9/api/"}
runbooks:
  - {name: told, match: '{alertname="X"}', steps: [{notify: {text: "see https://hooks.slack.com/services/T0/B0/PLANTED-hook"}}]}
`, "PLANTED", planted))
}

// bundled makes a bundle and returns what is in it.
func bundled(t *testing.T, line ...string) map[string]string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "bundle.tar.gz")
	said, err := execute(t, t.Context(), append([]string{"support-bundle", "-o", file}, line...)...)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said, file) {
		t.Errorf("it does not say what it wrote: %s", said)
	}
	return unpacked(t, file)
}

func TestASupportBundleHoldsNoSecret(t *testing.T) {
	long(t)
	t.Parallel()
	live, hosts, err := demoCluster(60)
	if err != nil {
		t.Fatal(err)
	}
	exporters, err := listenExporters(live, hosts, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	inBackground(t, exporters.run, clockwork(live))
	dir, storage, listen := t.TempDir(), t.TempDir(), relaytest.FreeAddress(t)
	configFile := plantedConfig(t, dir, hosts, exporters.addresses())
	if text, err := os.ReadFile(configFile); err != nil || strings.Count(string(text), planted) < 14 {
		t.Fatalf("too few secrets are planted: %v\n%s", err, text)
	}
	n, err := buildNode(serverFlags{web: command.Web{Listen: []string{listen}}, config: configFile, storage: storage}, simulated{live}, slog.New(slog.NewTextHandler(&lines{t: t, name: "server"}, nil)))
	if err != nil {
		t.Fatal(err)
	}
	inBackground(t, n.run)
	server, token := "http://"+listen, filepath.Join(dir, "token")
	client := api.NewClient(server, "token-"+planted+"-in-a-file", nil)
	await(t, "a snapshot of every host", func() error {
		b, err := client.Snapshot(t.Context(), time.Time{})
		if err != nil {
			return err
		}
		s, err := cluster.DecodeSnapshot(b)
		if err == nil && (len(s.Hosts) != len(hosts) || len(s.VMs) != 60) {
			err = fmt.Errorf("%d hosts, %d VMs", len(s.Hosts), len(s.VMs))
		}
		return err
	})
	// What people write stays in the journal, a password that they should not have written as well.
	said := "it said password=" + planted + "-said at https://u:" + planted + "-said@bmc1/?key=" + planted + ", xoxb-1234-" + planted
	if _, err := client.Order(t.Context(), api.OrderRequest{Kind: cluster.OrderPause, Subject: "cluster", Reason: said}); err != nil {
		t.Fatal(err)
	}

	from := []string{"--server", server, "--token-file", token}
	all := bundled(t, append(from, "--config.file", configFile, "--storage.path", storage)...)
	key, err := os.ReadFile(filepath.Join(storage, "definitions.key"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range all {
		for _, secret := range []string{planted, strings.TrimSpace(string(key)), "<domain"} {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%s holds a secret: …%s…", name, text[max(0, at-120):min(len(text), at+80)])
			}
		}
	}
	for name, want := range map[string]string{
		"version.txt": "this program", "status.json": `"`, "board.json": hosts[0], "snapshot.json": `"web1"`, "journal.json": "it said password", "metrics.txt": "\ngo_goroutines ", "storage.txt": "journal.db",
		"config.json": `"hosts[0].uri"`, "config-file.json": `"slack.bot_token_file"`, "whoami.json": "alice", "orders.json": "pause", "MANIFEST": "snapshot.json",
	} {
		if !strings.Contains(all[name], want) {
			t.Errorf("%s lacks %q: %.300s", name, want, all[name])
		}
	}
	if strings.Contains(all["MANIFEST"], "not there") {
		t.Errorf("something could not be had:\n%s", all["MANIFEST"])
	}
	if _, err := cluster.DecodeSnapshot([]byte(all["snapshot.json"])); err != nil {
		t.Errorf("evenkeel plan could not read the snapshot: %v", err)
	}
	hidesNames(t, all, bundled(t, append(from, "--anonymise")...), hosts)
}

// hidesNames looks for the names of a bundle in the one that was made with --anonymise.
func hidesNames(t *testing.T, open, hidden map[string]string, hosts []string) {
	t.Helper()
	was, err := cluster.DecodeSnapshot([]byte(open["snapshot.json"]))
	if err != nil {
		t.Fatal(err)
	}
	is, err := cluster.DecodeSnapshot([]byte(hidden["snapshot.json"]))
	if err != nil {
		t.Fatalf("evenkeel plan could not read the snapshot: %v", err)
	}
	names := append([]string{"alice", demoMachineName}, hosts...)
	for _, vm := range was.VMs {
		names = append(names, vm.Name)
	}
	any := regexp.MustCompile(`\b(` + strings.Join(names, "|") + `)\b`)
	for _, file := range slices.Sorted(maps.Keys(hidden)) {
		if found := any.FindStringIndex(hidden[file]); found != nil {
			t.Errorf("%s names %s", file, hidden[file][max(0, found[0]-80):min(len(hidden[file]), found[1]+40)])
		}
	}
	aliases := map[string]bool{}
	for _, vm := range is.VMs {
		aliases[vm.Name] = true
	}
	if len(aliases) != len(was.VMs) {
		t.Errorf("%d VMs have %d names", len(was.VMs), len(aliases))
	}
	if !strings.Contains(hidden["metrics.txt"], `"host-1"`) || !strings.Contains(hidden["config.json"], `"host-1"`) {
		t.Error("a host is not called the same everywhere")
	}
}

func TestASupportBundleWithoutAServerSaysSo(t *testing.T) {
	server := "http://" + relaytest.FreeAddress(t)
	bad := write(t, filepath.Join(t.TempDir(), "evenkeel.yml"), "cluster: {password: "+planted+"}\n")
	got := bundled(t, "--server", server, "--config.file", bad, "--storage.path", "/nowhere")
	for _, want := range []string{"snapshot.json +not there: no server at " + server, "config-file.json +not there: .*check-config", "storage.txt +not there: .*/nowhere", "version.txt +[0-9]+ bytes"} {
		if !regexp.MustCompile(want).MatchString(got["MANIFEST"]) {
			t.Errorf("MANIFEST lacks %q:\n%s", want, got["MANIFEST"])
		}
	}
	if len(got) != 2 || strings.Contains(got["MANIFEST"], planted) {
		t.Errorf("more than can be: %v", got)
	}
	if _, err := execute(t, context.Background(), "support-bundle", "-o", bad, "--server", server); err == nil || !strings.Contains(err.Error(), "is there already; name another file with -o") {
		t.Errorf("a file that was there: %v", err)
	}
	if _, err := execute(t, context.Background(), "support-bundle", "-o", filepath.Join(t.TempDir(), "b"), "--server", server, "--anonymise"); err == nil || !strings.Contains(err.Error(), "--anonymise takes a snapshot") {
		t.Errorf("names that are not known cannot be hidden: %v", err)
	}
}
