package fence

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ipmi is a fence_ipmilan whose ipmitool is a script: $COMMAND is what it is to do.
func ipmi(t *testing.T, script string) *Agent {
	t.Helper()
	dir := t.TempDir()
	tool := file(t, dir, "ipmitool", fmt.Sprintf("#!/bin/bash\nD=%q\necho \"$*\" >> $D/asked\nCOMMAND=\"${*: -3}\"\n%s\n", dir, script), 0o700)
	return &Agent{Name: "fence_ipmilan", Options: map[string]string{"ip": "10.0.0.3", "username": "admin", "lanplus": "1", "ipport": "6230", "ipmitool_path": tool},
		OptionFiles: map[string]string{"password": file(t, dir, "password", password+"\n", 0o600)}}
}

func watts(t *testing.T, m Method) (float64, string, error) {
	t.Helper()
	m.Timeout = 5 * time.Second
	return New([]Host{{Name: "host1", Methods: []Method{m}}}).Watts(within(t, 10*time.Second), "host1")
}

// dcmi is what ipmitool prints.
const dcmi = `
    Instantaneous power reading:                   %s Watts
    Minimum during sampling period:                 76 Watts
    Maximum during sampling period:                312 Watts
    IPMI timestamp:                           Fri Nov 27 10:00:00 2026
    Power reading state is:                   %s
`

func TestWhatABMCSaysOfWatts(t *testing.T) {
	sensors := `case "$COMMAND" in "sdr list full"*|*"list full") printf 'Temp,24,degrees C,ok\nPSU1 In,88,Watts,ok\nPwr Consumption,168,Watts,ok\nFailed,900,Watts,ns\n';; *) echo "DCMI request failed because: Invalid command" >&2; exit 1;; esac`
	for name, c := range map[string]struct {
		script string
		watts  float64
		source string
		err    string
	}{
		"dcmi":               {fmt.Sprintf("cat <<'X'%sX", fmt.Sprintf(dcmi, "168", "activated")), 168, "dcmi", ""},
		"dcmi, switched off": {fmt.Sprintf("cat <<'X'%sX", fmt.Sprintf(dcmi, "168", "deactivated")), 0, "", "not activated"},
		"a sensor":           {sensors, 168, "ipmi", ""},
		"neither":            {`echo "Unable to establish IPMI v2 / RMCP+ session" >&2; exit 1`, 0, "", "by DCMI: exit status 1: Unable to establish"},
		"nonsense":           {"echo hello", 0, "", "named no reading"},
		"zero":               {fmt.Sprintf("cat <<'X'%sX", fmt.Sprintf(dcmi, "0", "activated")), 0, "", "no server that is plugged in"},
	} {
		t.Run(name, func(t *testing.T) {
			a := ipmi(t, c.script)
			got, source, err := watts(t, Method{Agent: a})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("%g %s %v", got, source, err)
				}
				return
			}
			if err != nil || got != c.watts || source != c.source {
				t.Fatalf("%g %s %v", got, source, err)
			}
			asked, err := os.ReadFile(filepath.Join(filepath.Dir(a.Options["ipmitool_path"]), "asked"))
			if asked := string(asked); err != nil || strings.Contains(asked, password) || !strings.Contains(asked, "-I lanplus -H 10.0.0.3 ") || !strings.Contains(asked, "-p 6230") {
				t.Errorf("it was asked by %s", asked)
			}
		})
	}
}

func TestWhoCanSayWhatIsDrawn(t *testing.T) {
	for name, m := range map[string]Method{"another agent": {Agent: &Agent{Name: "fence_apc"}}, "nothing": {}} {
		f := New([]Host{{Name: "host1", Methods: []Method{m}}})
		if _, _, err := f.Watts(within(t, time.Second), "host1"); err == nil || f.Measures("host1") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, m := range []Method{{Agent: &Agent{Name: "/usr/sbin/fence_idrac"}}, {Redfish: &Redfish{}}} {
		if !New([]Host{{Name: "host1", Methods: []Method{{Agent: &Agent{Name: "fence_apc"}}, m}}}).Measures("host1") {
			t.Errorf("%+v", m)
		}
	}
}

// Older services have it under Power, newer ones under EnvironmentMetrics.
func TestRedfishSaysWhatIsDrawn(t *testing.T) {
	for name, c := range map[string]struct {
		chassis map[string]any
		want    float64
	}{
		"Power":              {map[string]any{"Power": link("/redfish/v1/Chassis/1/Power")}, 233},
		"EnvironmentMetrics": {map[string]any{"EnvironmentMetrics": link("/redfish/v1/Chassis/1/EnvironmentMetrics")}, 241.5},
		"neither":            {map[string]any{}, 0},
	} {
		b := &bmc{power: "On"}
		b.before = func(w http.ResponseWriter, r *http.Request) bool {
			switch strings.TrimSuffix(r.URL.Path, "/") {
			case "/redfish/v1/Systems/1":
				reply(w, map[string]any{"@odata.id": "/redfish/v1/Systems/1", "Id": "1", "PowerState": "On", "Links": map[string]any{"Chassis": []any{link("/redfish/v1/Chassis/1")}}})
			case "/redfish/v1/Chassis/1":
				c.chassis["@odata.id"], c.chassis["Id"] = "/redfish/v1/Chassis/1", "1"
				reply(w, c.chassis)
			case "/redfish/v1/Chassis/1/Power":
				reply(w, map[string]any{"@odata.id": "/redfish/v1/Chassis/1/Power", "Id": "Power", "PowerControl": []any{map[string]any{"MemberId": "0", "PowerConsumedWatts": 233}}})
			case "/redfish/v1/Chassis/1/EnvironmentMetrics":
				reply(w, map[string]any{"@odata.id": "/redfish/v1/Chassis/1/EnvironmentMetrics", "Id": "EnvironmentMetrics", "PowerWatts": map[string]any{"Reading": 241.5}})
			default:
				return false
			}
			return true
		}
		s := serve(t, b)
		got, source, err := watts(t, Method{Redfish: &s})
		if got != c.want || (err == nil) != (c.want > 0) || err == nil && source != "redfish" {
			t.Errorf("%s: %g %s %v", name, got, source, err)
		}
	}
}
