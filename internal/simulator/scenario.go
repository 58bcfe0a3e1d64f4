package simulator

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Scenario is everything that a simulated cluster is made from. The same scenario gives the same cluster,
// to the last bit.
type Scenario struct {
	// Seed is what all chance comes from: noise, the lengths of migrations and their failures.
	Seed uint64 `yaml:"seed"`
	// Start is the time at which the simulation begins, Duration how long it lasts.
	Start    time.Time `yaml:"start"`
	Duration Duration  `yaml:"duration"`
	// Step is for how long loads stay as they are.
	Step Duration `yaml:"step"`
	// Speed is how much faster than time the loads go: with 360 a day of loads passes in four minutes.
	// Migrations and everything else take their time.
	Speed float64 `yaml:"speed"`
	// Past is for how long before the start the VMs ran as they do: it is known then what they used in each of its hours. Of
	// squares and traces nothing is known of before the start.
	Past      Duration  `yaml:"past"`
	Migration Migration `yaml:"migration"`
	Power     Power     `yaml:"power"`
	// RestartAfter is how long after its host failed a VM is started on another one that has room; 0 for never.
	RestartAfter Duration `yaml:"restart_after"`
	Hosts        []Host   `yaml:"hosts"`
	VMs          []VM     `yaml:"vms"`
	Rules        []Rule   `yaml:"rules"`
	Events       []Event  `yaml:"events"`
	Crowds       []Crowd  `yaml:"crowds"`

	// dir is where the files of traces are looked for.
	dir string
}

// Migration says how VMs move.
type Migration struct {
	// Bandwidth is what one migration copies in a second.
	Bandwidth Bytes `yaml:"bandwidth"`
	// FailureRatio is the share of migrations that fail after having copied everything.
	FailureRatio float64 `yaml:"failure_ratio"`
}

// Power says how hosts fall asleep and wake.
type Power struct {
	// Shutdown and Boot are how long it takes; each is drawn anew, by up to a third shorter or longer.
	Shutdown Duration `yaml:"shutdown"`
	Boot     Duration `yaml:"boot"`
	// WakeFailureRatio is the share of the wakes after which the host has power and is not back. A person turns it on by hand
	// MendAfter later.
	WakeFailureRatio float64  `yaml:"wake_failure_ratio"`
	MendAfter        Duration `yaml:"mend_after"`
}

// Host is a group of hosts that are alike. A group of several is numbered from 1.
type Host struct {
	Name   string  `yaml:"name"`
	Count  int     `yaml:"count"`
	Cores  float64 `yaml:"cores"`
	Memory Bytes   `yaml:"memory"`
	// OverheadCores is what the host itself uses all the time.
	OverheadCores float64 `yaml:"overhead_cores"`
	// Watts is what it draws at 0, 10, … 100 % of its cores in use; IdleWatts and PeakWatts are the ends of
	// a straight line where the curve is not known.
	Watts         []float64 `yaml:"watts"`
	IdleWatts     float64   `yaml:"idle_watts"`
	PeakWatts     float64   `yaml:"peak_watts"`
	FailureDomain string    `yaml:"failure_domain"`
	Storage       []string  `yaml:"storage"`
	Networks      []string  `yaml:"networks"`
	Tags          []string  `yaml:"tags"`
	// Standby tells that it begins asleep.
	Standby bool `yaml:"standby"`
	// Unproven tells that it was never tried whether it wakes.
	Unproven bool `yaml:"unproven"`
}

// VM is a group of VMs that are alike. A group of several is numbered from 1.
type VM struct {
	Name   string `yaml:"name"`
	Count  int    `yaml:"count"`
	VCPUs  int    `yaml:"vcpus"`
	Memory Bytes  `yaml:"memory"`
	// MemoryUse is the share of its memory that the guest uses.
	MemoryUse float64 `yaml:"memory_use"`
	// DirtyRate is how much of its memory the guest writes anew in a second.
	DirtyRate Bytes    `yaml:"dirty_rate"`
	Tags      []string `yaml:"tags"`
	Storage   []string `yaml:"storage"`
	Networks  []string `yaml:"networks"`
	// Place is where they start: spread (each on the host with most memory left), packed (on the first host
	// with room), or the name of a host.
	Place string `yaml:"place"`
	// From is how long after the start they come, Until when they go; 0 for from the start, and to the end. One that comes while no
	// host has room waits for that.
	From  Duration `yaml:"from"`
	Until Duration `yaml:"until"`
	Load  Load     `yaml:"load"`
}

// Load is what a VM wants of its vCPUs over time: exactly one of these.
type Load struct {
	Constant *float64 `yaml:"constant"`
	Noise    *Noise   `yaml:"noise"`
	Square   *Square  `yaml:"square"`
	Daily    *Daily   `yaml:"daily"`
	Trace    *Trace   `yaml:"trace"`
}

// Noise is a normally distributed share of the vCPUs, drawn anew every minute.
type Noise struct {
	Mean float64 `yaml:"mean"`
	SD   float64 `yaml:"sd"`
}

// Square is a share that is high for the first part of every period and low for the rest.
type Square struct {
	Low    float64  `yaml:"low"`
	High   float64  `yaml:"high"`
	Period Duration `yaml:"period"`
	// Duty is the share of the period that is high.
	Duty float64 `yaml:"duty"`
	// Phase is how much earlier it begins, and Stagger how much earlier still each further VM of the group.
	Phase   Duration `yaml:"phase"`
	Stagger Duration `yaml:"stagger"`
}

// Daily is a share that follows a cosine through the day, with noise on it.
type Daily struct {
	Low  float64 `yaml:"low"`
	High float64 `yaml:"high"`
	// PeakHour is the hour (UTC) at which it is highest.
	PeakHour float64 `yaml:"peak_hour"`
	// Noise is the standard deviation of what is drawn every minute, Sway that of what the height of a whole day is multiplied by.
	Noise float64 `yaml:"noise"`
	Sway  float64 `yaml:"sway"`
	// Weekend is the share of the height that is left on Saturdays and Sundays, 1 where it is not said.
	Weekend *float64 `yaml:"weekend"`
}

// Trace is a recorded load: a file with one whole number a line, a percentage of the vCPUs. Of a directory
// each VM of the group takes the next file. What has ended begins again.
type Trace struct {
	File      string `yaml:"file"`
	Directory string `yaml:"directory"`
	// Interval is the time between two lines.
	Interval Duration `yaml:"interval"`
}

// Rule is a rule of placement: see cluster.Rule.
type Rule struct {
	Name           string   `yaml:"name"`
	Kind           RuleKind `yaml:"kind"`
	Strength       Strength `yaml:"strength"`
	VMs            []string `yaml:"vms"`
	VMTags         []string `yaml:"vm_tags"`
	VMNames        []string `yaml:"vm_names"`
	Hosts          []string `yaml:"hosts"`
	HostTags       []string `yaml:"host_tags"`
	FailureDomains []string `yaml:"failure_domains"`
}

// Event is something that happens to a host.
type Event struct {
	// At is how long after the start.
	At   Duration  `yaml:"at"`
	Host string    `yaml:"host"`
	Do   EventKind `yaml:"do"`
}

// Crowd is a flash crowd: some VMs want much all of a sudden, whatever they wanted before.
type Crowd struct {
	// At is how long after the start it comes, Rise how long it takes to be there, Lasts how long it stays after that.
	At    Duration `yaml:"at"`
	Rise  Duration `yaml:"rise"`
	Lasts Duration `yaml:"lasts"`
	// Share of the VMs, drawn by chance, want at least To of their vCPUs.
	Share float64 `yaml:"share"`
	To    float64 `yaml:"to"`
}

// The sizes of what is left out.
const (
	usualStep      = 30 * time.Second
	usualDuration  = 24 * time.Hour
	usualBandwidth = 1 << 30
	usualMemoryUse = 0.7
	usualTrace     = 5 * time.Minute
	usualShutdown  = 90 * time.Second
	usualBoot      = 135 * time.Second
	usualMend      = 4 * time.Hour
)

// LoadScenario reads a scenario file. Files of traces are looked for in the directory traces or, when it is
// empty, beside the scenario. The error holds everything that is wrong: file, line, key and what to do.
func LoadScenario(path, traces string) (Scenario, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Scenario{}, fmt.Errorf("read scenario: %w", err)
	}
	if traces == "" {
		traces = filepath.Dir(path)
	}
	return ParseScenario(path, traces, text)
}

// complete fills in what was left out.
func (s *Scenario) complete() {
	if s.Start.IsZero() {
		s.Start = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	}
	s.Start = s.Start.UTC()
	for i := range s.Hosts {
		h := &s.Hosts[i]
		h.Count = max(h.Count, 1)
		if len(h.Watts) == 0 {
			h.Watts = line(h.IdleWatts, h.PeakWatts)
		}
	}
	for i := range s.VMs {
		v := &s.VMs[i]
		v.Count = max(v.Count, 1)
		if v.Place == "" {
			v.Place = placeSpread
		}
		if v.MemoryUse == 0 {
			v.MemoryUse = usualMemoryUse
		}
		if v.Load.Trace != nil && v.Load.Trace.Interval == 0 {
			v.Load.Trace.Interval = Duration(usualTrace)
		}
	}
}

// clusterRules returns the rules in the vocabulary of the rest.
func (s Scenario) clusterRules() []cluster.Rule {
	var rules []cluster.Rule
	for _, r := range s.Rules {
		rules = append(rules, cluster.Rule{Name: r.Name, Kind: cluster.RuleKind(r.Kind), Strength: cluster.RuleStrength(r.Strength), VMs: r.VMs, VMTags: r.VMTags,
			VMNames: r.VMNames, Hosts: r.Hosts, HostTags: r.HostTags, FailureDomains: r.FailureDomains})
	}
	return rules
}

// members are the names of a group of count.
func members(name string, count int) []string {
	if count <= 1 {
		return []string{name}
	}
	var names []string
	for i := 1; i <= count; i++ {
		names = append(names, fmt.Sprintf("%s%d", name, i))
	}
	return names
}

// HostCount is how many hosts there are.
func (s Scenario) HostCount() int {
	n := 0
	for _, h := range s.Hosts {
		n += h.Count
	}
	return n
}

// VMCount is how many VMs there are.
func (s Scenario) VMCount() int {
	n := 0
	for _, v := range s.VMs {
		n += v.Count
	}
	return n
}
