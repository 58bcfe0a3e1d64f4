package deb

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

const server = "evenkeel-server"

// ask asks the server with this machine's curl, inside the other's network.
func (m machine) ask(path string) (string, error) {
	return attempt(m.t, "nsenter", "--target", m.pid, "--net", "--", "curl", "-sSf", "--max-time", "10", "http://127.0.0.1:9178"+path)
}

func (m machine) answers(path, want string) {
	m.t.Helper()
	m.eventually(path+" to answer", func() error {
		out, err := m.ask(path)
		if err == nil && !strings.Contains(out, want) {
			err = fmt.Errorf("it lacks %q", want)
		}
		if err != nil {
			return fmt.Errorf("%w: %.2000s\n%s", err, out, m.journal())
		}
		return nil
	})
}

// silent is a cluster of one host of which nothing is heard, so that its fence agent is asked. No packet leaves for it: there is no network.
const silent = `hosts:
  - {name: host1, uri: "qemu+tcp://192.0.2.1/system", exporter: "192.0.2.1:9177", fence: [{agent: /usr/local/sbin/fence_told, options: {ip: 127.0.0.1}, password_file: bmc.password}]}
migration: {tls: "off"}
failures: {max_silent: 1, grace: 1s}
`

// agent writes what it was told where only the service's user may write, as far as the sandbox lets it, and says that its host is on.
const agent = `#!/bin/sh
cat >> /var/lib/evenkeel/told
echo "Status: ON"
`

func TestTheServerRunsWhereItIsInstalled(t *testing.T) {
	m := start(t, deb(t, server))
	m.run("dpkg", "--install", "/tmp/p.deb")
	m.want("enabled", "systemctl", "is-enabled", server)
	m.want("inactive", "systemctl", "is-active", server) // it knows no hosts, and that is no failure
	m.want("evenkeel:640", "stat", "-c", "%G:%a", "/etc/evenkeel/evenkeel.yml")

	m.shell("cat > /usr/local/sbin/fence_told <<'E'\n" + agent + "E\nchmod 755 /usr/local/sbin/fence_told; echo hunter2 > /etc/evenkeel/bmc.password; chgrp evenkeel /etc/evenkeel/bmc.password; chmod 640 /etc/evenkeel/bmc.password")
	m.shell("cat >> /etc/evenkeel/evenkeel.yml <<'E'\n" + silent + "E")
	m.run("evenkeel", "check-config", "/etc/evenkeel/evenkeel.yml")
	m.run("systemctl", "start", server)
	m.answers("/-/healthy", "")
	m.answers("/metrics", "process_start_time_seconds")
	m.want("evenkeel", "sh", "-c", "stat -c %U /proc/$(systemctl show --value -p MainPID "+server+")")
	m.eventually("a fence agent to run in the sandbox, with its password", func() error {
		out, err := m.attempt("grep", "-m1", "hunter2", "/var/lib/evenkeel/told")
		if err != nil {
			return fmt.Errorf("%w: %s\n%s", err, out, m.journal())
		}
		return nil
	})
	m.run("systemctl", "reload", server)
	m.answers("/metrics", `evenkeel_config_last_reload_timestamp_seconds{result="success"} 1`)

	// An upgrade restarts it, and keeps what the administrator wrote and what it knew.
	before, pid := m.kept(), m.run("systemctl", "show", "--value", "--property=MainPID", server)
	m.run("dpkg", "--install", "/tmp/p.deb")
	if is := m.run("systemctl", "show", "--value", "--property=MainPID", server); is == pid || is == "0" {
		t.Errorf("the upgrade did not restart the service: its process was %s and is %s", pid, is)
	}
	m.answers("/-/healthy", "")
	if after := m.kept(); after != before {
		t.Errorf("the upgrade changed what was kept:\n%s\nis now\n%s", before, after)
	}

	exposure(t, m, server)
	m.run("dpkg", "--remove", server)
	m.run("sh", "-c", "test -e /etc/evenkeel/evenkeel.yml && test -e /var/lib/evenkeel/journal.db") // until a purge
	m.run("dpkg", "--purge", server)
	m.want("", "sh", "-c", "find / -xdev -name '*evenkeel*' -not -path '/proc/*' -not -path '/var/log/*'; dpkg-query -W 2>/dev/null | grep "+server)
	m.want("", "sh", "-c", "getent passwd evenkeel; getent group evenkeel")
	m.want("inactive", "systemctl", "is-active", server)
}

// kept is the configuration, the token, and what the journal says of the pause that was ordered first.
func (m machine) kept() string {
	m.t.Helper()
	if out, err := m.attempt("env", "EVENKEEL_TOKEN_FILE=/var/lib/evenkeel/token", "evenkeel", "pause", "--reason", "an upgrade"); err != nil && !strings.Contains(out, "already") {
		m.t.Fatalf("pause: %v: %s", err, out)
	}
	var journal struct {
		Entries []struct {
			Seq        uint64
			Hash, What string
		}
	}
	out, err := m.ask("/api/v1/journal")
	if err == nil {
		err = json.Unmarshal([]byte(out), &journal)
	}
	if err != nil || len(journal.Entries) == 0 {
		m.t.Fatalf("the journal: %v: %s", err, out)
	}
	first := journal.Entries[len(journal.Entries)-1]
	return fmt.Sprint(first, m.run("sha256sum", "/etc/evenkeel/evenkeel.yml", "/var/lib/evenkeel/token", "/var/lib/evenkeel/definitions.key"))
}
