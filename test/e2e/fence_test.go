package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// bmc is the address of host3's; at nobody's there is none.
const (
	bmc    = "10.77.0.53"
	nobody = "10.77.0.69"
)

// fenced is a configuration in which host3 is fenced by Debian's fence_ipmilan at these addresses, one after the other.
func fenced(t *testing.T, text string, addresses ...string) string {
	t.Helper()
	return fence(t, text, "host3", addresses...)
}

// fencedAll is a configuration in which every host is fenced by its BMC.
func fencedAll(t *testing.T, text string) string {
	t.Helper()
	for i := 1; i <= hosts; i++ {
		text = fence(t, text, fmt.Sprintf("host%d", i), fmt.Sprintf("10.77.0.5%d", i))
	}
	return text
}

func fence(t *testing.T, text, host string, addresses ...string) string {
	t.Helper()
	dir := t.TempDir()
	agent := filepath.Join(dir, "fence_ipmilan")
	// The lab unpacks fence-agents instead of installing it.
	packages := filepath.Join(labDir(), "pkgs", "root")
	writeFile(t, agent, fmt.Sprintf("#!/bin/sh\nPYTHONPATH=%[1]s/usr/share/fence exec /usr/bin/python3 -W ignore %[1]s/usr/sbin/fence_ipmilan\n", packages))
	if err := os.Chmod(agent, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "password"), "hostlab\n")
	var ways []string
	for _, ip := range addresses {
		timeout := "15s"
		if ip == nobody {
			timeout = "5s" // it is waited for in vain
		}
		ways = append(ways, fmt.Sprintf("{agent: %s, options: {ip: %s, username: admin}, password_file: %s, timeout: %s, retries: 0}", agent, ip, filepath.Join(dir, "password"), timeout))
	}
	return strings.Replace(text, "name: "+host+",", "name: "+host+", fence: ["+strings.Join(ways, ", ")+"],", 1)
}

// fencing returns how to run evenkeel fence on such a configuration.
func fencing(t *testing.T, addresses ...string) func(args ...string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "evenkeel.yml")
	writeFile(t, file, fenced(t, config(), addresses...))
	return func(args ...string) (string, error) {
		out, err := command(append(append([]string{"fence"}, args...), "--config.file="+file)...)
		if strings.Contains(out, "hostlab\n") || strings.Contains(out, "password=") {
			t.Errorf("the password is told: %s", out)
		}
		return out, err
	}
}

// hostIs tells whether the lab says that host3 has this power and this system.
func hostIs(power, system string) error {
	out, err := hostlab("status")
	if err == nil && !regexp.MustCompile(`(?m)^host3 +`+power+` +`+system+` `).MatchString(out) {
		err = fmt.Errorf("want host3 %s and %s: %s", power, system, out)
	}
	return err
}

func TestFencingAHost(t *testing.T) {
	home(t) // no guest may be on the host that goes
	fence := fencing(t, bmc)
	defer lab(t, "revive", "host3")
	want := func(state string, args ...string) {
		t.Helper()
		out, err := fence(args...)
		if err != nil || !strings.Contains(out, "host host3: "+state+", by the status of fence_ipmilan "+bmc) {
			t.Fatalf("fence %v: %v\n%s", args, err, out)
		}
		t.Logf("fence %s\n%s", strings.Join(args, " "), out)
	}
	want("on", "status", "host3")
	if out, err := fence("status"); err != nil || strings.Contains(out, "knows no option") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := fence("off", "host3"); err == nil || !strings.Contains(out, "say so with --yes") {
		t.Errorf("%v\n%s", err, out)
	}
	if err := hostIs("on", "up"); err != nil {
		t.Fatal(err)
	}
	want("off", "off", "host3", "--yes")
	if err := hostIs("off", "down"); err != nil {
		t.Error(err)
	}
	want("off", "status", "host3")
	want("on", "on", "host3")
	eventually(t, 30*time.Second, "host3's libvirt", func() error {
		_, err := hostlab("vir", "host3", "uri")
		return err
	})
}

func TestFencingPastADarkBMC(t *testing.T) {
	home(t)
	defer lab(t, "revive", "host3")
	out, err := fencing(t, nobody, bmc)("off", "host3", "--yes", "-o", "json")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r := decode[cluster.PowerReport](t, out)
	if r.State != cluster.PowerOff || r.Level != 2 || r.Steps[0].Error == "" || r.Steps[0].Level != 1 {
		t.Errorf("%+v", r)
	}
	t.Logf("%s", out)
	if err := hostIs("off", "down"); err != nil {
		t.Error(err)
	}
}

func TestFencingWithoutABMCIsAClearErrorInTime(t *testing.T) {
	fence := fencing(t, bmc)
	lab(t, "cut", "host3", "bmc")
	defer lab(t, "heal", "host3", "bmc")
	for _, args := range [][]string{{"off", "host3", "--yes"}} { // which asks for the status as well
		began := time.Now()
		out, err := fence(args...)
		took := time.Since(began)
		t.Logf("fence %s, %s\n%s", strings.Join(args, " "), took, out)
		if err == nil || !strings.Contains(out, "host host3: NOT KNOWN") || !strings.Contains(out, "fence_ipmilan "+bmc+": ") {
			t.Errorf("%v\n%s", err, out)
		}
		if took > 2*15*time.Second+5*time.Second {
			t.Errorf("it took %s", took)
		}
	}
	if err := hostIs("on", "up"); err != nil {
		t.Error(err)
	}
}
