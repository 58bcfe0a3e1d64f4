package fence

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/stmcginnis/gofish/common"
	"github.com/stmcginnis/gofish/redfish"
)

// Watts asks what the host draws: the methods in order, until one says. The source is redfish, dcmi (the Data Center
// Manageability Interface of IPMI) or ipmi (a sensor of it).
func (f *Fencer) Watts(ctx context.Context, name string) (watts float64, source string, err error) {
	h, err := f.host(name)
	if err != nil {
		return 0, "", err
	}
	var errs []error
	for _, m := range h.methods {
		meter, can := m.way.(meter)
		if !can || !meter.measures() {
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, m.timeout)
		watts, source, err := meter.watts(bounded)
		cancel()
		if err == nil {
			return watts, source, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", m, err))
	}
	if len(errs) == 0 {
		return 0, "", fmt.Errorf("nothing that fences host %s says what it draws", name)
	}
	return 0, "", both(errs)
}

// Measures tells whether one of the host's methods may say what it draws.
func (f *Fencer) Measures(name string) bool {
	h, err := f.host(name)
	return err == nil && slices.ContainsFunc(h.methods, func(m method) bool {
		meter, can := m.way.(meter)
		return can && meter.measures()
	})
}

// meter is a way that can say what the host draws.
type meter interface {
	measures() bool
	watts(ctx context.Context) (watts float64, source string, err error)
}

// maxWatts is more than any server draws: what a BMC says beyond it, or below nothing, is no reading.
const maxWatts = 100e3

func plausible(watts float64) error {
	if !(watts > 0 && watts <= maxWatts) {
		return fmt.Errorf("it says that %g W are drawn, which no server that is plugged in does", watts)
	}
	return nil
}

func (Redfish) measures() bool { return true }

// watts asks every chassis of the system, by the older resource Power and by the newer EnvironmentMetrics.
func (s Redfish) watts(ctx context.Context) (watts float64, source string, err error) {
	err = s.do(ctx, func(system *redfish.ComputerSystem) error {
		var in struct {
			Links struct{ Chassis common.Links }
		}
		if err := json.Unmarshal(system.RawData, &in); err != nil {
			return fmt.Errorf("the links of the system: %w", err)
		}
		for _, uri := range in.Links.Chassis.ToStrings() {
			chassis, err := redfish.GetChassis(system.GetClient(), uri)
			if err != nil {
				return err
			}
			if drawn, err := drawnBy(chassis); err != nil || drawn > 0 {
				watts = drawn
				return err
			}
		}
		return errors.New("no chassis of the system says what it draws")
	})
	if err == nil {
		err = plausible(watts)
	}
	return watts, "redfish", err
}

func drawnBy(chassis *redfish.Chassis) (float64, error) {
	power, err := chassis.Power()
	if err == nil && power != nil {
		for _, control := range power.PowerControl {
			if control.PowerConsumedWatts > 0 {
				return float64(control.PowerConsumedWatts), nil
			}
		}
	}
	metrics, newer := chassis.EnvironmentMetrics()
	if newer == nil && metrics != nil {
		return float64(metrics.PowerWatts.Reading), nil
	}
	return 0, errors.Join(err, newer)
}

// ipmiAgents are the agents that are fence_ipmilan by other names.
var ipmiAgents = regexp.MustCompile(`^fence_(ipmilan(plus)?|idrac|ilo(3|4|5)(_ssh)?|imm)$`)

func (a Agent) measures() bool {
	return ipmiAgents.MatchString(filepath.Base(a.Name)) && !strings.HasSuffix(a.Name, "_ssh")
}

// watts asks the BMC with the program that the agent itself uses: first by DCMI, and where it does not speak that for its sensors.
func (a Agent) watts(ctx context.Context) (watts float64, source string, err error) {
	if watts, err = a.dcmi(ctx); err == nil {
		return watts, "dcmi", plausible(watts)
	}
	watts, other := a.sensor(ctx)
	if other != nil {
		return 0, "", fmt.Errorf("by DCMI: %w; by its sensors: %w", err, other)
	}
	return watts, "ipmi", plausible(watts)
}

// instantaneous is the line of ipmitool's answer that counts.
var instantaneous = regexp.MustCompile(`Instantaneous power reading:\s*([0-9]+) Watts`)

func (a Agent) dcmi(ctx context.Context) (float64, error) {
	o, err := a.ipmitool(ctx, "dcmi", "power", "reading")
	if err != nil {
		return 0, err
	}
	found := instantaneous.FindStringSubmatch(o.stdout)
	if found == nil {
		return 0, fmt.Errorf("ipmitool named no reading: %s", o.words())
	}
	if !strings.Contains(o.stdout, "activated") || strings.Contains(o.stdout, "deactivated") {
		return 0, errors.New("its power measurement is not activated")
	}
	return strconv.ParseFloat(found[1], 64)
}

// sensor takes the sensor in watts that reads most: a server has one for all of it, and may have others for its parts.
func (a Agent) sensor(ctx context.Context) (float64, error) {
	o, err := a.ipmitool(ctx, "-c", "sdr", "list", "full")
	if err != nil {
		return 0, err
	}
	lines := csv.NewReader(strings.NewReader(o.stdout))
	lines.FieldsPerRecord = -1
	records, err := lines.ReadAll()
	if err != nil {
		return 0, fmt.Errorf("ipmitool's list of sensors: %w", err)
	}
	most := 0.0
	for _, r := range records {
		if len(r) < 4 || r[2] != "Watts" || r[3] != "ok" {
			continue
		}
		if w, err := strconv.ParseFloat(r[1], 64); err == nil {
			most = max(most, w)
		}
	}
	if most <= 0 {
		return 0, errors.New("no sensor of it reads in watts")
	}
	return most, nil
}

// ipmitool runs it as the agent does, but for the password, which other users of this machine cannot see.
func (a Agent) ipmitool(ctx context.Context, command ...string) (outcome, error) {
	option := func(names ...string) string {
		for _, name := range names {
			if v := a.Options[name]; v != "" {
				return v
			}
		}
		return ""
	}
	args := []string{"-I", "lan", "-H", option("ip", "ipaddr")}
	if v := option("lanplus"); v != "" && v != "0" && v != "false" || filepath.Base(a.Name) != "fence_ipmilan" {
		args[1] = "lanplus"
	}
	for flag, value := range map[string]string{"-U": option("username", "login"), "-p": option("ipport"), "-C": option("cipher"), "-L": strings.ToUpper(option("privlvl")), "-f": a.OptionFiles["password"]} {
		if value != "" {
			args = append(args, flag, value)
		}
	}
	path := option("ipmitool_path")
	if path == "" {
		path = "ipmitool"
	}
	o, err := run(ctx, path, "", append(args, command...)...)
	switch {
	case err != nil:
		return outcome{}, err
	case o.code != 0:
		return outcome{}, o.failure()
	}
	return o, nil
}
