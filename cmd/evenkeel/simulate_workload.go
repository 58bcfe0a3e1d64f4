package main

import (
	"errors"
	"fmt"

	"github.com/evenkeel/evenkeel/internal/planetlab"
)

// workloadRun is a published workload's outcome with evenkeel's consolidation and with nothing that moves.
type workloadRun struct {
	Workload string           `json:"workload"`
	Traces   string           `json:"traces"`
	Memory   string           `json:"memory"`
	With     planetlab.Report `json:"with_evenkeel"`
	Without  planetlab.Report `json:"without"`
	// NonPowerAwareKWh is what all hosts draw at full load.
	NonPowerAwareKWh float64 `json:"non_power_aware_kwh"`
}

// simulateWorkload replays the workload. Others are the flags that are not for it, and should be empty.
func simulateWorkload(workload, others, traces, memory string) (workloadRun, error) {
	switch {
	case workload != "planetlab":
		return workloadRun{}, fmt.Errorf("--workload %s is not known; there is planetlab", workload)
	case others != "":
		return workloadRun{}, errors.New("--scenario and --policy are not for --workload, which has its own")
	case traces == "":
		return workloadRun{}, errors.New("--traces names the traces of a day: a directory or a .tar.gz with a file a VM")
	case memory != "enforce" && memory != "ignore":
		return workloadRun{}, fmt.Errorf("--memory is %q; it may be enforce or ignore", memory)
	}
	day, err := planetlab.Read(traces)
	if err != nil {
		return workloadRun{}, err
	}
	enforce := memory == "enforce"
	packed := planetlab.Published(day, enforce, planetlab.FirstFit)
	return workloadRun{
		Workload: workload, Traces: traces, Memory: memory,
		With:             planetlab.Run(planetlab.Published(day, enforce, planetlab.PowerAware), planetlab.Consolidation()),
		Without:          planetlab.Run(packed, nil),
		NonPowerAwareKWh: planetlab.NonPowerAwareKWh(packed),
	}, nil
}

func (r workloadRun) draw(t *table) {
	t.line("%s: %d hosts, %d VMs, memory: %s", r.Traces, r.With.Hosts, r.With.VMs, r.Memory)
	t.line("")
	t.row("", "EVENKEEL", "NOTHING", "")
	for _, line := range []struct {
		what, unit string
		of         func(planetlab.Report) string
	}{
		{"energy", "kWh", func(r planetlab.Report) string { return fmt.Sprintf("%.2f", r.EnergyKWh) }},
		{"migrations", "", func(r planetlab.Report) string { return fmt.Sprint(r.Migrations) }},
		{"", "refused", func(r planetlab.Report) string { return fmt.Sprint(r.Refused) }},
		{"SLATAH", "% of the active hosts' time", func(r planetlab.Report) string { return fmt.Sprintf("%.3f", 100*r.SLATAH) }},
		{"PDM", "% of the demand", func(r planetlab.Report) string { return fmt.Sprintf("%.4f", 100*r.PDM) }},
		{"SLAV", "% (SLATAH x PDM)", func(r planetlab.Report) string { return fmt.Sprintf("%.6f", 100*r.SLAV) }},
		{"not had", "% of the demand", func(r planetlab.Report) string { return fmt.Sprintf("%.4f", 100*r.Contended) }},
		{"active hosts, mean", "", func(r planetlab.Report) string { return fmt.Sprintf("%.1f", r.ActiveHosts) }},
	} {
		t.row(line.what, line.of(r.With), line.of(r.Without), line.unit)
	}
	t.line("")
	t.line("All hosts on at full load would draw %.2f kWh.", r.NonPowerAwareKWh)
}
