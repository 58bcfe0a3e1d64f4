package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

func TestEveryKeyIsRead(t *testing.T) {
	// A checkout leaves files as the umask says, and passwords of BMCs are not for everybody.
	if err := os.Chmod(filepath.Join("testdata", "bmc.password"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(filepath.Join("testdata", "good.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Cluster != "prod" || len(c.Hosts) != 2 || c.Hosts[0].MigrationURI != "qemu+tls://host1/system" || c.Hosts[1].MigrationURI != "qemu+tls://host2/system" {
		t.Errorf("hosts: %+v", c.Hosts)
	}
	if c.Automation.Level.Level != cluster.LevelOff || c.Migration.Bandwidth != 512<<20 || c.Reserve.Memory != 4<<30 || c.Reserve.HostFailures != 2 || !c.Reserve.FailureDomain || c.Reserve.Percent != 25 || !slices.Equal(c.Reserve.SpareHosts, []string{"host2"}) || time.Duration(c.Scrape.Retention) != 30*24*time.Hour {
		t.Errorf("%+v", c)
	}
	if c.Scrape.HTTP.BasicAuth.Username != "evenkeel" || filepath.Base(c.Scrape.HTTP.BasicAuth.PasswordFile) != "good.yml" {
		t.Errorf("basic auth: %+v", c.Scrape.HTTP.BasicAuth)
	}
	a := c.Automation
	if level, earned := a.LevelOf("balance"); level != cluster.LevelFull || !earned {
		t.Errorf("balance: %s, earned %v", level, earned)
	}
	if level, earned := a.LevelOf("rules"); level != cluster.LevelOff || earned {
		t.Errorf("rules: %s, earned %v", level, earned)
	}
	if *c.Hosts[1].Automation != Level(cluster.LevelManual) || c.Hosts[0].Automation != nil || a.VMs["db1"] != Level(cluster.LevelManual) || a.LowRisk[0] != "evacuate" || a.Storm.Failures != 2 || c.Migration.Parallel.Host != 2 {
		t.Errorf("%+v", a)
	}
	begins, err := a.Freezes[0].Begins()
	if err != nil {
		t.Fatal(err)
	}
	// 18:00 in Berlin is 17:00 UTC in winter and 16:00 in summer.
	for after, want := range map[string]string{"2026-01-28T16:00:00Z": "2026-01-28T17:00:00Z", "2026-06-28T12:00:00Z": "2026-06-28T16:00:00Z"} {
		from, _ := time.Parse(time.RFC3339, after)
		if got := begins.Next(from).UTC().Format(time.RFC3339); got != want {
			t.Errorf("the freeze begins at %s, want %s", got, want)
		}
	}
	strip, bmc := c.Hosts[0].Fence[1], c.Hosts[1].Fence[0]
	if strip.Agent != "/opt/site/fence_strip" || strip.Options["plug"] != "3" || filepath.Base(strip.Secrets()["snmp_priv_passwd"]) != "bmc.password" || strip.Secrets()["snmp_priv_passwd"] == "bmc.password" {
		t.Errorf("fence: %+v", strip)
	}
	if bmc.Redfish != "https://bmc2" || bmc.Username != "admin" || bmc.System != "1" || filepath.Base(bmc.CAFile) != "ca.pem" || bmc.Retries != 3 || time.Duration(bmc.Timeout) != time.Minute || !c.Hosts[1].Fence[1].Insecure {
		t.Errorf("fence: %+v", bmc)
	}
	r := c.Runbooks[0]
	if m, err := r.Matchers(); err != nil || len(m) != 2 || r.VMLabel != "uuid" || r.HostLabel != "instance" || r.NameLabel != "domain" || !r.DryRun || r.BlastRadius != (BlastRadius{AtOnce: 2, PerHour: 6, Alerts: 4}) {
		t.Errorf("runbook: %v %+v", err, r)
	}
	if len(r.Steps) != 8 || time.Duration(r.Steps[1].Wait.Timeout) != 2*time.Minute || time.Duration(r.Steps[6].Evacuate.For) != 3*time.Hour {
		t.Errorf("steps: %+v", r.Steps)
	}
	if token, err := c.Alertmanager.ReadToken(); err != nil || token != "0123456789abcdef0123" {
		t.Errorf("the webhook's token: %q %v", token, err)
	}
	if s := c.Schedules; len(s) != 4 || s[0].NeverSleep.Hosts[0] != "host2" || time.Duration(s[1].Duration) != 2*time.Hour || s[2].Maintenance.Hosts[0] != "host1" || !s[3].Level.Automation.Earned || s[3].Level.Kinds["power"].Level != cluster.LevelFull {
		t.Errorf("schedules: %+v", s)
	}
	o := c.API.OIDC
	if secret, err := o.ReadSecret(); err != nil || secret != "0123456789abcdef0123" || o.Issuer != "https://login.example.org/realms/main" || o.NameClaim != "email" || o.RolesClaim != "realm_access.roles" || !slices.Equal(o.Roles["approver"], []string{"virtualisation", "on-call"}) || !slices.Equal(o.Scopes, []string{"openid", "groups"}) || filepath.Base(o.CAFile) != "good.yml" || o.CAFile == "good.yml" {
		t.Errorf("oidc: %v %+v", err, o)
	}
	rules := c.ClusterRules()
	if len(rules) != 2 || rules[0].Kind != cluster.VMVMAntiAffinity || rules[1].Strength != cluster.Should {
		t.Errorf("rules: %+v", rules)
	}
	secret, err := c.API.Tokens[0].Read()
	if err != nil || secret != "0123456789abcdef0123" {
		t.Errorf("token: %q %v", secret, err)
	}
}

func TestTheSmallestFileTakesTheDefaults(t *testing.T) {
	c, err := Parse("f.yml", []byte("hosts: [{name: h1, uri: 'qemu:///system'}]"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Automation.Level.Level != cluster.LevelManual || c.Analysis.MigrationThreshold != 3 || c.Migration.TLS != "require" || c.Cluster != "default" {
		t.Errorf("%+v", c)
	}
}

// Every fixture is named for its mistake and says in its first line what the error must say, after
// the name of the file: line, key and what to do.
func TestMistakesAreNamedByFileLineAndKey(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "bad", "*.yml"))
	if err != nil || len(files) < 15 {
		t.Fatalf("%d fixtures, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(text), "\n")
			want, ok := strings.CutPrefix(first, "# want: ")
			if !ok {
				t.Fatal("the first line must be # want: ...")
			}
			if _, err := Load(file); err == nil || !strings.Contains(err.Error(), file+":"+want) {
				t.Errorf("the error is\n%v\nwant\n%s:%s", err, file, want)
			}
		})
	}
}

func TestTheSmallestProviderTakesTheDefaults(t *testing.T) {
	for issuer, fine := range map[string]bool{"https://login.example.org": true, "http://127.0.0.1:8080": true, "http://[::1]/x": true, "http://localhost": true, "http://localhost.example.org": false, "ftp://localhost": false, "https://u:p@login.example.org": false} {
		c, err := Parse("f.yml", []byte("hosts: [{name: h1, uri: 'qemu:///system'}]\napi: {oidc: {issuer: '"+issuer+"', client_id: evenkeel, roles: {viewer: [staff]}}}"))
		if (err == nil) != fine {
			t.Errorf("%s: %v", issuer, err)
		}
		o := c.API.OIDC
		if secret, err := o.ReadSecret(); err != nil || secret != "" || o.RolesClaim != "groups" || o.NameClaim != "" || !slices.Equal(o.Scopes, []string{"openid", "profile", "email"}) {
			t.Errorf("%v %+v", err, o)
		}
	}
}

func TestAllMistakesAreNamedAtOnce(t *testing.T) {
	_, err := Parse("f.yml", []byte("hosts: [{name: h1}]\nanalysis:\n  max_moves: 0\n  migration_threshold: 9\n"))
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("%v", err)
	}
}

func TestSecretsThatCannotBeReadAreNamed(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"missing": {"", "no such file"}, "short": {"hunter2", "holds 7 characters, a token needs 16"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "evenkeel.yml")
			if c.text != "" {
				if err := os.WriteFile(filepath.Join(dir, "t"), []byte(c.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(file, []byte("hosts: [{name: h1, uri: 'qemu:///system'}]\napi: {tokens: [{name: a, file: t}]}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(file); err == nil || !strings.Contains(err.Error(), "api.tokens[0].file") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := Load(filepath.Join(t.TempDir(), "nothing.yml")); err == nil || !strings.Contains(err.Error(), "nothing.yml") {
		t.Errorf("%v", err)
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*", "*.yml"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, filepath.Join("testdata", "good.yml")) {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_, err := Parse("f.yml", text)
		if err != nil && !strings.Contains(err.Error(), "f.yml") {
			t.Errorf("the error does not name the file: %v", err)
		}
	})
}
