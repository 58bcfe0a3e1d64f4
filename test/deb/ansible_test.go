package deb

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// play is a machine that is both, which is enough to try every task.
const play = `- hosts: localhost
  connection: local
  gather_facts: false
  vars:
    level: manual
    exporter_args: ["--libvirt.uri=test:///default"]
  roles:
    - role: evenkeel
      vars:
        evenkeel_exporter: true
        evenkeel_exporter_deb: /tmp/exporter.deb
        evenkeel_exporter_args: "{{ exporter_args }}"
        evenkeel_server: true
        evenkeel_server_deb: /tmp/p.deb
        evenkeel_secret_files: {bmc.password: hunter2hunter2}
        evenkeel_config:
          hosts:
            - name: host1
              uri: qemu+tcp://192.0.2.1/system
              exporter: 192.0.2.1:9177
              fence: [{agent: /usr/local/sbin/fence_none, options: {ip: 127.0.0.1}, password_file: bmc.password}]
          migration: {tls: "off"}
          automation: {level: "{{ level }}"}
`

var recap = regexp.MustCompile(`localhost +: ok=\d+ +changed=(\d+) +unreachable=0 +failed=(\d+)`)

// The Ansible role, for real: it installs, changes nothing the second time, and puts no wrong configuration in place of a right one.
func TestTheAnsibleRole(t *testing.T) {
	m := start(t, deb(t, server), "ansible-core", "python3-apt")
	m.put(deb(t, service), "/tmp/exporter.deb")
	files := filepath.Join(t.TempDir(), "ansible.tar")
	run(t, "tar", "--create", "--file", files, "--directory", "../../packaging/ansible", ".")
	m.put(files, "/tmp/ansible.tar")
	book := filepath.Join(t.TempDir(), "play.yml")
	if err := os.WriteFile(book, []byte(play), 0o600); err != nil {
		t.Fatal(err)
	}
	m.shell("printf '#!/bin/sh\nexit 1\n' > /usr/local/sbin/fence_none; chmod 755 /usr/local/sbin/fence_none; mkdir /root/a && tar --extract --file /tmp/ansible.tar --directory /root/a")
	m.put(book, "/root/a/play.yml")
	apply := func(args ...string) (changed, failed, out string) {
		t.Helper()
		out, _ = m.attempt(append([]string{"env", "HOME=/root", "ANSIBLE_NOCOLOR=1", "ansible-playbook", "--inventory", "localhost,", "/root/a/play.yml"}, args...)...)
		numbers := recap.FindStringSubmatch(out)
		if numbers == nil {
			t.Fatalf("ansible-playbook %q: %s", args, out)
		}
		return numbers[1], numbers[2], out
	}
	pid := func(unit string) string { return m.run("systemctl", "show", "--value", "--property=MainPID", unit) }

	if changed, failed, out := apply("--check"); changed == "0" || failed != "0" {
		t.Errorf("in check mode before the first time: %s changes, %s failed\n%s", changed, failed, out)
	}
	m.want("", "sh", "-c", "ls -d /etc/evenkeel /etc/default/evenkeel-* /usr/bin/evenkeel* 2>/dev/null")

	if changed, failed, out := apply(); changed == "0" || failed != "0" {
		t.Fatalf("the first time: %s changes, %s failed\n%s\n%s", changed, failed, out, m.journal())
	}
	m.want("active\nactive", "systemctl", "is-active", server, service)
	m.want("enabled\nenabled", "systemctl", "is-enabled", server, service)
	m.want("root:evenkeel:640", "stat", "-c", "%U:%G:%a", "/etc/evenkeel/bmc.password")
	m.answers("/-/healthy", "")
	m.eventually("the exporter to read what the role told it", func() error {
		out, err := m.scrape()
		if err == nil && !strings.Contains(out, "evenkeel_vm_state{") {
			return os.ErrNotExist
		}
		return err
	})

	was, kept := pid(server), m.run("sha256sum", "/etc/evenkeel/evenkeel.yml")
	for _, args := range [][]string{nil, {"--check"}} {
		if changed, failed, out := apply(args...); changed != "0" || failed != "0" {
			t.Errorf("once more, %q: %s changes, %s failed\n%s", args, changed, failed, out)
		}
	}
	if _, failed, out := apply("--extra-vars", "level=sometimes"); failed != "1" || !strings.Contains(out, "automation.level") {
		t.Errorf("a wrong configuration: %s failed\n%s", failed, out)
	}
	m.want(kept, "sha256sum", "/etc/evenkeel/evenkeel.yml")
	m.want("", "sh", "-c", "ls /etc/evenkeel/.checked.yml 2>/dev/null")

	if changed, failed, out := apply("--extra-vars", "level=partial"); changed == "0" || failed != "0" {
		t.Errorf("another configuration: %s changes, %s failed\n%s", changed, failed, out)
	}
	m.answers("/metrics", `evenkeel_config_last_reload_timestamp_seconds{result="success"} 1`)
	if is := pid(server); is != was {
		t.Errorf("another configuration restarted the server: its process was %s and is %s", was, is)
	}
	was = pid(service)
	if changed, failed, out := apply("--extra-vars", `{"level": "partial", "exporter_args": ["--libvirt.uri=test:///default", "--log.level=debug"]}`); changed == "0" || failed != "0" {
		t.Errorf("another command line: %s changes, %s failed\n%s", changed, failed, out)
	}
	if is := pid(service); is == was || is == "0" {
		t.Errorf("another command line did not restart the exporter: its process was %s and is %s", was, is)
	}
}
