package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// strip writes an agent that keeps what it switches in a file, and a configuration with two hosts that it switches.
func strip(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	agent := write(t, filepath.Join(dir, "fence_strip"), `#!/bin/sh
D=$(dirname "$0"); IN=$(cat)
ACTION=$(echo "$IN" | sed -n 's/^action=//p'); PLUG=$D/plug$(echo "$IN" | sed -n 's/^plug=//p')
[ -e "$PLUG" ] || echo on > "$PLUG"
case $ACTION in
metadata) echo '<resource-agent><parameters><parameter name="plug"/></parameters></resource-agent>';;
status) if [ "$(cat "$PLUG")" = on ]; then echo "Status: ON"; else echo "Status: OFF"; exit 2; fi;;
*) echo "$ACTION" > "$PLUG";;
esac
`)
	if err := os.Chmod(agent, 0o700); err != nil {
		t.Fatal(err)
	}
	return write(t, filepath.Join(dir, "evenkeel.yml"), fmt.Sprintf(`
hosts:
  - {name: h1, uri: 'qemu+tls://h1/system', fence: [{agent: %[1]s, options: {plug: 1}}]}
  - {name: h2, uri: 'qemu+tls://h2/system', fence: [{agent: %[1]s, options: {plug: 2, plugg: 7}}]}
  - {name: h3, uri: 'qemu+tls://h3/system'}
`, agent))
}

func TestFence(t *testing.T) {
	file := strip(t)
	for _, c := range []struct {
		args, want, err string
	}{
		{"status", "host h1: on, by the status of fence_strip 1 (level 1)", ""},
		{"status", "host h2: it knows no option plugg", "-"},
		{"off h1", "", "this takes the power from host h1 at once, and from every VM on it; if that is what you want, say so with --yes"},
		{"status h1", "host h1: on", ""},
		{"off h1 --yes", "host h1: off, by the status of fence_strip 1 (level 1)", ""},
		{"status h1", "host h1: off", ""},
		{"on h1", "host h1: on", ""},
		{"status h3", "host h3: NOT KNOWN", "nobody can say whether host h3 has power: host h3 has no way to be fenced; add fence to it under hosts"},
		{"off h9 --yes", "host h9: NOT KNOWN", "host h9 is not in the configuration"},
		{"status -o xml", "", "use table or json"},
	} {
		out, err := execute(t, context.Background(), append(append([]string{"fence"}, strings.Fields(c.args)...), "--config.file="+file)...)
		if c.err == "-" {
			c.err = ""
			out = strings.ReplaceAll(out, "fence_strip 2: ", "")
		}
		if !strings.Contains(out, c.want) || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("fence %s:\n%s%v\nwant %q, %q", c.args, out, err, c.want, c.err)
		}
	}
	out, err := execute(t, context.Background(), "fence", "off", "h2", "--yes", "-o", "json", "--config.file="+file)
	if err != nil {
		t.Fatal(err)
	}
	var r cluster.PowerReport
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.State != cluster.PowerOff || r.Level != 1 || len(r.Steps) != 2 || r.Steps[0].Did != "off" || r.Steps[1].State != cluster.PowerOff {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestFenceWithoutAnything(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "evenkeel.yml"), "hosts: [{name: h1, uri: 'qemu:///system'}]")
	if _, err := execute(t, context.Background(), "fence", "status", "--config.file="+file); err == nil || !strings.Contains(err.Error(), "no host in "+file+" can be fenced") {
		t.Errorf("%v", err)
	}
}
