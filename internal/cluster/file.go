package cluster

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"
)

// FileVersion is the version of the snapshot file that this package writes and reads.
const FileVersion = 1

type snapshotFile struct {
	Version int `json:"version"`
	Snapshot
}

// EncodeSnapshot writes the snapshot file: indented JSON, units in the names, unknowns left out.
func EncodeSnapshot(s Snapshot) ([]byte, error) {
	b, err := json.MarshalIndent(snapshotFile{Version: FileVersion, Snapshot: s}, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode snapshot: %w", err)
	}
	return append(b, '\n'), nil
}

// DecodeSnapshot reads a snapshot file, sorts its lists and validates it. An error names the line
// and the key.
func DecodeSnapshot(b []byte) (Snapshot, error) {
	var f snapshotFile
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return Snapshot{}, fmt.Errorf("line %d: %w", errorLine(b, d, err), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Snapshot{}, fmt.Errorf("line %d: more text after the snapshot", line(b, d.InputOffset()))
	}
	if f.Version != FileVersion {
		return Snapshot{}, fmt.Errorf("version: is %d, this program reads %d", f.Version, FileVersion)
	}
	f.Snapshot.Sort()
	return f.Snapshot, f.Snapshot.Validate()
}

func errorLine(b []byte, d *json.Decoder, err error) int {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return line(b, int64(len(b)))
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return line(b, syntax.Offset)
	}
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) {
		return line(b, typ.Offset)
	}
	if key, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		if at := bytes.Index(b, []byte(key)); at >= 0 {
			return line(b, int64(at))
		}
	}
	return line(b, d.InputOffset())
}

func line(b []byte, offset int64) int {
	return 1 + bytes.Count(b[:min(int(offset), len(b))], []byte("\n"))
}

// Sort brings every list into its order.
func (s *Snapshot) Sort() {
	slices.SortFunc(s.Hosts, func(a, b Host) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(s.VMs, func(a, b VM) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(s.Rules, func(a, b Rule) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Gaps, func(a, b Gap) int {
		return cmp.Or(cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Reason, b.Reason))
	})
	slices.SortFunc(s.Sources, func(a, b Source) int { return cmp.Compare(a.Number, b.Number) })
	for i := range s.Hosts {
		slices.Sort(s.Hosts[i].Storage)
		slices.Sort(s.Hosts[i].Networks)
		slices.Sort(s.Hosts[i].CPUModels)
		slices.Sort(s.Hosts[i].Tags)
		slices.SortFunc(s.Hosts[i].Faults, func(a, b Fault) int {
			return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Detail, b.Detail))
		})
	}
	slices.Sort(s.Servers)
	for i := range s.VMs {
		slices.Sort(s.VMs[i].Storage)
		slices.Sort(s.VMs[i].Networks)
		slices.Sort(s.VMs[i].Tags)
		slices.Sort(s.VMs[i].RecentHosts)
	}
}

// Validate says what is wrong with a snapshot: doubled or missing names, and numbers that no
// cluster can have. The error names the key.
func (s *Snapshot) Validate() error {
	if s.At.IsZero() {
		return errors.New("at: is missing")
	}
	hosts := make(map[string]bool, len(s.Hosts))
	for i, h := range s.Hosts {
		key := fmt.Sprintf("hosts[%d] (%s)", i, h.ID)
		if h.ID == "" || hosts[h.ID] {
			return fmt.Errorf("%s.id: is missing or stands twice", key)
		}
		hosts[h.ID] = true
		if err := h.validate(); err != nil {
			return fmt.Errorf("%s.%w", key, err)
		}
	}
	vms := make(map[string]bool, len(s.VMs))
	for i, v := range s.VMs {
		key := fmt.Sprintf("vms[%d] (%s)", i, v.Label())
		if v.ID == "" || vms[v.ID] {
			return fmt.Errorf("%s.id: is missing or stands twice", key)
		}
		vms[v.ID] = true
		if v.Host != "" && !hosts[v.Host] {
			return fmt.Errorf("%s.host: no host %q in the snapshot", key, v.Host)
		}
		if v.MigratingTo != "" && !hosts[v.MigratingTo] {
			return fmt.Errorf("%s.migrating_to: no host %q in the snapshot", key, v.MigratingTo)
		}
		if err := v.validate(); err != nil {
			return fmt.Errorf("%s.%w", key, err)
		}
	}
	return validateRules(s.Rules)
}

func (h Host) validate() error {
	for i, watts := range h.PowerCurve {
		if err := firstBad(number{fmt.Sprintf("power_curve[%d]", i), watts}); err != nil {
			return err
		}
	}
	return firstBad(
		number{"cpu_cores", h.CPUCores}, number{"memory_bytes", float64(h.MemoryBytes)},
		number{"reserved_cpu_cores", h.ReservedCPUCores}, number{"reserved_memory_bytes", float64(h.ReservedMemoryBytes)},
		number{"idle_watts", h.IdleWatts.Value}, number{"peak_watts", h.PeakWatts.Value},
		number{"cpu_pressure_ratio", h.CPUPressureRatio.Value}, number{"memory_pressure_ratio", h.MemoryPressureRatio.Value},
		number{"io_pressure_ratio", h.IOPressureRatio.Value})
}

func (v VM) validate() error {
	var last MigrationCost
	if v.LastMigration != nil {
		last = *v.LastMigration
	}
	return firstBad(
		number{"last_migration.seconds", last.Seconds}, number{"last_migration.downtime_seconds", last.DowntimeSeconds},
		number{"last_migration.transferred_bytes", float64(last.TransferredBytes)},
		number{"moves_last_day", float64(v.MovesLastDay)}, number{"cpu_peak_cores", v.CPUPeakCores.Value},
		number{"memory_peak_bytes", v.MemoryPeakBytes.Value}, number{"io_bytes_per_second", v.IOBytesPerSecond.Value},
		number{"memory_balloon_bytes", v.MemoryBalloonBytes.Value}, number{"swap_bytes_per_second", v.SwapBytesPerSecond.Value},
		number{"cpu_predicted_error_cores", v.CPUPredictedErrorCores.Value}, number{"cpu_persistence_error_cores", v.CPUPersistenceErrorCores.Value},
		number{"vcpus", float64(v.VCPUs)}, number{"memory_bytes", float64(v.MemoryBytes)},
		number{"cpu_demand_cores", v.CPUDemandCores}, number{"memory_demand_bytes", float64(v.MemoryDemandBytes)},
		number{"cpu_predicted_cores", v.CPUPredictedCores.Value}, number{"cpu_steal_ratio", v.CPUStealRatio.Value},
		number{"dirty_bytes_per_second", v.DirtyBytesPerSecond.Value})
}

type number struct {
	key   string
	value float64
}

// maxNumber is more than any cluster has of anything, and small enough that sums stay finite.
const maxNumber = 1e18

func firstBad(numbers ...number) error {
	for _, n := range numbers {
		if math.IsNaN(n.value) || n.value < 0 || n.value > maxNumber {
			return fmt.Errorf("%s: %g is not between 0 and %g", n.key, n.value, maxNumber)
		}
	}
	return nil
}

func validateRules(rules []Rule) error {
	for i, r := range rules {
		key := fmt.Sprintf("rules[%d] (%s)", i, r.Name)
		if r.Name == "" || i > 0 && rules[i-1].Name == r.Name {
			return fmt.Errorf("%s.name: is missing or stands twice", key)
		}
		if field, what := r.Problem(); what != "" {
			return fmt.Errorf("%s.%s: %s", key, field, what)
		}
	}
	return nil
}

// Problem says what makes no sense about a rule by itself, and under which key.
func (r Rule) Problem() (key, what string) {
	hosts := len(r.Hosts) + len(r.HostTags) + len(r.FailureDomains)
	switch {
	case r.Kind == RuleNone:
		return "kind", "is missing; use one of " + strings.Join(ruleKinds()[1:], ", ")
	case len(r.VMs)+len(r.VMTags)+len(r.VMNames) == 0:
		return "vms", "is empty; list VMs by name or UUID, or give vm_tags or vm_names"
	case r.Kind.aboutHosts() && hosts == 0:
		return "hosts", fmt.Sprintf("is empty; a %s rule needs hosts, host_tags or failure_domains", r.Kind)
	case !r.Kind.aboutHosts() && hosts > 0:
		return "hosts", fmt.Sprintf("is given; a %s rule takes no hosts", r.Kind)
	}
	for i, pattern := range r.VMNames {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Sprintf("vm_names[%d]", i), fmt.Sprintf("%q is no pattern: * stands for any text, ? for one character, [ab] for one of them", pattern)
		}
	}
	return "", ""
}
