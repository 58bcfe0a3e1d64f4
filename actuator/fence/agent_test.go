package fence

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

const password = "s3cr3t & more"

func file(t *testing.T, dir, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// agent is one whose program is a shell script. It finds what it read in $IN and its state in the file $D/power.
func agent(t *testing.T, script string) Agent {
	t.Helper()
	dir := t.TempDir()
	file(t, dir, "power", "on", 0o600)
	program := file(t, dir, "fence_test", fmt.Sprintf("#!/bin/bash\nD=%q\nIN=$(cat)\nprintf '%%s\\n' \"$IN\" >> \"$D/asked\"\nACTION=$(sed -n 's/^action=//p' <<<\"$IN\")\n%s\n", dir, script), 0o700)
	return Agent{Name: program, Options: map[string]string{"ip": "bmc1", "username": "admin"}, OptionFiles: map[string]string{"password": file(t, dir, "password", password+"\n", 0o600)}}
}

// honest is the script of an agent that does what it is told.
const honest = `case $ACTION in
status) if [ "$(cat $D/power)" = on ]; then echo "Status: ON"; exit 0; else echo "Status: OFF"; exit 2; fi;;
*) echo $ACTION > $D/power; echo "Success: Powered ${ACTION^^}";; esac`

// within is a context that ends before the test would be tedious.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestWhatAnAgentsStatusProves(t *testing.T) {
	for _, c := range []struct {
		name, script string
		want         cluster.PowerState
		err          string
	}{
		{"on", `echo "Status: ON"`, cluster.PowerOn, ""},
		{"off", `echo "Status: OFF"; exit 2`, cluster.PowerOff, ""},
		{"off among warnings", `echo "warning" >&2; echo "something"; echo "Status: OFF"; exit 2`, cluster.PowerOff, ""},
		{"an error", `echo "2026-01-02 03:04:05,678 ERROR: Connection timed out" >&2; echo >&2; echo "Please use '-h' for usage" >&2; exit 1`, 0, "exit status 1: Connection timed out"},
		{"the status of off without its word", `echo "usage: ..."; exit 2`, 0, `exit status 2 without the line "Status: OFF" proves nothing: usage: ...`},
		{"a shell that cannot read the script", `exec bash /nonexistent`, 0, "No such file"},
		{"a Python that cannot read the program", `echo "can't open file" >&2; exit 2`, 0, "proves nothing: can't open file"},
		{"a word that the exit status denies", `echo "Status: OFF"`, 0, "exit status 0 without the line"},
		{"on that the exit status denies", `echo "Status: ON"; exit 2`, 0, "exit status 2 without the line"},
		{"nothing at all", `exit 0`, 0, "it said nothing"},
		{"a strange exit", `echo "Status: OFF"; exit 7`, 0, "exit status 7"},
		{"a signal", `kill -SEGV $$`, 0, "ended by a signal"},
		{"more than a screen", `echo "Status: OFF"; head -c 200000 /dev/zero | tr '\0' x; exit 2`, 0, "printed more than 65536 bytes"},
		{"much on the other output", `head -c 200000 /dev/zero | tr '\0' x >&2; echo "Status: OFF"; exit 2`, 0, "printed more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := agent(t, c.script).status(within(t, 20*time.Second))
			if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s, %v; want %s, %q", got, err, c.want, c.err)
			}
		})
	}
}

func TestAnAgentThatHangsIsKilledWithItsChildren(t *testing.T) {
	a := agent(t, `sleep 600 & echo $! > "$D/child"; echo $$ >> "$D/child"; wait`)
	began := time.Now()
	_, err := a.status(within(t, 500*time.Millisecond))
	if err == nil || !strings.Contains(err.Error(), "no answer within 500ms") {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	dead(t, filepath.Join(filepath.Dir(a.Name), "child"))
}

func TestWhatAnAgentLeavesRunningIsKilled(t *testing.T) {
	a := agent(t, `sleep 600 & echo $! > "$D/child"; echo "Status: OFF"; exit 2`)
	if state, err := a.status(within(t, 20*time.Second)); state != cluster.PowerOff || err != nil {
		t.Errorf("%s, %v", state, err)
	}
	dead(t, filepath.Join(filepath.Dir(a.Name), "child"))
}

// dead wants the processes in the file to be gone.
func dead(t *testing.T, pids string) {
	t.Helper()
	text, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range strings.Fields(string(text)) {
		deadline := time.Now().Add(5 * time.Second)
		for {
			stat, err := os.ReadFile("/proc/" + pid + "/stat")
			if err != nil || strings.Contains(string(stat), ") Z ") { // nobody may have looked after it yet
				break
			}
			if time.Now().After(deadline) {
				t.Errorf("process %s still runs: %s", pid, stat)
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

func TestTheProtocolAndItsSecrets(t *testing.T) {
	a := agent(t, `tr '\0' ' ' < /proc/$$/cmdline > $D/cmdline; printf 'no %s, no YWRtaW46czNjcjN0ICYgbW9yZQ== either\n' "$(sed -n 's/^password=//p' <<<"$IN")" >&2; exit 1`)
	a.Options["lanplus"] = "1"
	dir := filepath.Dir(a.Name)
	err := a.turn(within(t, 20*time.Second), cluster.PowerOff)
	if err == nil || err.Error() != "exit status 1: no [hidden], no [hidden] either" {
		t.Errorf("%v", err)
	}
	asked, _ := os.ReadFile(filepath.Join(dir, "asked"))
	if want := "action=off\nip=bmc1\nlanplus=1\npassword=" + password + "\nusername=admin\n"; string(asked) != want {
		t.Errorf("it read %q, want %q", asked, want)
	}
	if line, _ := os.ReadFile(filepath.Join(dir, "cmdline")); strings.Contains(string(line), "s3cr3t") || strings.Contains(string(line), "ip") {
		t.Errorf("the command line is %q", line)
	}
	// A new password counts at once.
	file(t, dir, "password", "another", 0o600)
	_ = a.turn(within(t, 20*time.Second), cluster.PowerOn)
	if asked, _ := os.ReadFile(filepath.Join(dir, "asked")); !strings.Contains(string(asked), "password=another\n") {
		t.Errorf("it read %q", asked)
	}
}

func TestWhatIsNeverSentToAnAgent(t *testing.T) {
	a := agent(t, honest)
	if err := os.Chmod(a.OptionFiles["password"], 0o644); err != nil {
		t.Fatal(err)
	}
	if err := a.turn(within(t, 20*time.Second), cluster.PowerOff); err == nil || !strings.Contains(err.Error(), "everybody on this machine may use it; chmod 600") {
		t.Errorf("%v", err)
	}
	b := agent(t, honest)
	b.Options["ip"] = "bmc1\naction=on"
	if err := b.turn(within(t, 20*time.Second), cluster.PowerOff); err == nil || !strings.Contains(err.Error(), "holds a line break") {
		t.Errorf("%v", err)
	}
	for _, one := range []Agent{a, b} {
		if _, err := os.Stat(filepath.Join(filepath.Dir(one.Name), "asked")); err == nil {
			t.Errorf("%s was run", one)
		}
	}
	if _, err := (Agent{Name: "fence_that_nobody_has"}).status(within(t, time.Second)); err == nil || !strings.Contains(err.Error(), "apt install fence-agents") {
		t.Errorf("%v", err)
	}
}

func TestCheckNamesOptionsThatTheAgentDoesNotKnow(t *testing.T) {
	a := agent(t, `cat <<X
<?xml version="1.0" ?>
<resource-agent name="fence_test"><parameters>
<parameter name="action"/><parameter name="ip"/><parameter name="username"/><parameter name="password"/><parameter name="power-wait"/>
</parameters></resource-agent>
X`)
	a.Options["power_wait"] = "3"
	f := New([]Host{{Name: "host1", Methods: []Method{{Agent: &a, Timeout: 20 * time.Second}}}})
	if err := f.Check(within(t, 20*time.Second), "host1"); err != nil {
		t.Error(err)
	}
	a.Options["lanpuls"] = "1"
	if err := f.Check(within(t, 20*time.Second), "host1"); err == nil || !strings.Contains(err.Error(), "fence_test bmc1: it knows no option lanpuls and passes over it") {
		t.Errorf("%v", err)
	}
	b := agent(t, `echo nothing; exit 1`)
	if err := b.check(within(t, 20*time.Second)); err == nil || !strings.Contains(err.Error(), "does not describe its options (exit status 1): nothing") {
		t.Errorf("%v", err)
	}
}
