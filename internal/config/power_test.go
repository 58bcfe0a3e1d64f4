package config_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/config"
)

const sleeper = `cluster: c
hosts:
  - name: h1
    uri: qemu+tls://h1/system
    exporter: h1:9177
    fence: [{redfish: "https://bmc1", username: u, password_file: p}]
`

func TestWhatIsWrongAboutStandbyIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		"power: {min_hosts_on: 0}":                                              "power.min_hosts_on: is 0; it runs from 1",
		"power: {min_hosts_on: 2}":                                              "power.min_hosts_on: is 2",
		"power: {target: 63}":                                                   "power.target: is 63; it is a ratio",
		"power: {target: 0.9, tolerance: 0.2}":                                  "power.tolerance: is 0.2",
		"power: {wake_after: 1s}":                                               "power.wake_after: is 1s",
		"power: {wake_after: 1h}":                                               "power.sleep_after: is 40m0s; it is not shorter than wake_after (1h0m0s)",
		"power: {horizon: 0s}":                                                  "power.horizon",
		"power: {cycle_wh: -1}":                                                 "power.cycle_wh: is -1",
		"power: {max_proof_age: -1h}":                                           "power.max_proof_age",
		"power: {empty_timeout: 30s}":                                           "power.empty_timeout: is 30s; moving VMs takes minutes",
		"power: {wake_timeout: 10s}":                                            "power.wake_timeout: is 10s",
		"    shutdown: {command: []}":                                           "hosts[0].shutdown.command: is empty",
		"    shutdown: {command: [\"\"]}":                                       "hosts[0].shutdown.command: is empty",
		"    shutdown: {command: [ssh, h1], timeout: 10ms}":                     "hosts[0].shutdown.timeout: is 10ms",
		"    wake_on_lan: {mac: 52:54}":                                         `hosts[0].wake_on_lan.mac: is "52:54"; write a hardware address`,
		"    wake_on_lan: {mac: \"52:54:00:12:34:56\", broadcast: x}":           `hosts[0].wake_on_lan.broadcast: is "x"; write an address and a port`,
		"power: {curves: {g5: [100]}}":                                          "power.curves.g5: has 1 numbers",
		"power: {curves: {g5: [100, 90]}}":                                      "power.curves.g5: falls from 100 to 90",
		"power: {curves: {g5: [-1, 90]}}":                                       "power.curves.g5: holds -1",
		"    power_curve: g5":                                                   `hosts[0].power_curve: names "g5", and power.curves has none`,
		"    peak_watts: 200\n    power_curve: a\npower: {curves: {a: [1, 2]}}": "hosts[0].power_curve: stands beside",
		"power: {quorums: [[h1]]}":                                              "power.quorums[0]: names 1 hosts",
		"power: {quorums: [[h1, h1, h7]]}":                                      "power.quorums[0]: names \"h7\", and there is no such host",
		"power: {asleep_watts: -5}":                                             "power.asleep_watts: is -5",
		"power: {price_per_kwh: 0.3}":                                           "power.currency: is missing",
		"power: {price_per_kwh: -1, currency: EUR}":                             "power.price_per_kwh: is -1",
		"power: {carbon_per_kwh: -1}":                                           "power.carbon_per_kwh: is -1",
		"    shutdown: {cmd: [ssh]}":                                            "cmd",
	} {
		_, err := config.Parse("evenkeel.yml", []byte(sleeper+text+"\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	without := strings.Replace(sleeper, `    fence: [{redfish: "https://bmc1", username: u, password_file: p}]`+"\n", "", 1)
	for _, text := range []string{"    shutdown: {command: [ssh, h1]}", "    wake_on_lan: {mac: \"52:54:00:12:34:56\"}"} {
		if _, err := config.Parse("evenkeel.yml", []byte(without+text+"\n")); err == nil || !strings.Contains(err.Error(), "goes with fence") {
			t.Errorf("%s without fence: %v", text, err)
		}
	}
}

func TestStandbyHasDefaults(t *testing.T) {
	c, err := config.Parse("evenkeel.yml", []byte(sleeper+"    shutdown: {command: [ssh, h1]}\n    wake_on_lan: {mac: \"52:54:00:12:34:56\"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	h := c.Hosts[0]
	if h.Shutdown.Timeout != config.Duration(3*time.Minute) || h.WakeOnLAN.Broadcast != "255.255.255.255:9" || h.WakeOnLAN.Address().String() != "52:54:00:12:34:56" || c.Power.MinHostsOn != 1 {
		t.Errorf("%+v %+v %+v", h.Shutdown, h.WakeOnLAN, c.Power)
	}
}

func TestWhatAHostDrawsIsACurveOrALine(t *testing.T) {
	for text, want := range map[string][]float64{
		"    power_curve: g5\npower: {curves: {g5: [93.7, 97, 135]}}\n": {93.7, 97, 135},
		"    idle_watts: 90\n    peak_watts: 200\n":                     {90, 200},
		"": nil,
	} {
		c, err := config.Parse("evenkeel.yml", []byte(sleeper+text))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Curve(c.Hosts[0]); !slices.Equal(got, want) || c.Power.AsleepWatts != 5 {
			t.Errorf("%q: %v, asleep %g", text, got, c.Power.AsleepWatts)
		}
	}
}
