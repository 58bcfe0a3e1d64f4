// Package config reads evenkeel's configuration: one YAML file, strict, with every default in one
// value. An error names file, line and key. The package says what the operator wrote and whether
// that makes sense; what follows from it is for the rooms that use it.
package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	promconfig "github.com/prometheus/common/config"
)

// Config is the whole file.
type Config struct {
	// Cluster is the name that evenkeel calls the cluster by.
	Cluster string `yaml:"cluster"`
	Hosts   []Host `yaml:"hosts"`
	// SharedStorage names storage pools that are the same storage on every host that has them.
	// Pools of kinds that are shared by nature (netfs, rbd, iscsi, …) need not be named.
	SharedStorage []string    `yaml:"shared_storage"`
	Reserve       Reserve     `yaml:"reserve"`
	Scrape        Scrape      `yaml:"scrape"`
	Analysis      Analysis    `yaml:"analysis"`
	Stability     Stability   `yaml:"stability"`
	Limits        Limits      `yaml:"limits"`
	Automation    Automation  `yaml:"automation"`
	Migration     Migration   `yaml:"migration"`
	Failures      Failures    `yaml:"failures"`
	Power         Power       `yaml:"power"`
	Rightsizing   Rightsizing `yaml:"rightsizing"`
	Schedules     []Schedule  `yaml:"schedules"`
	API           API         `yaml:"api"`
	Journal       Journal     `yaml:"journal"`
	Slack         *Slack      `yaml:"slack"`
	// Alertmanager may begin Runbooks.
	Alertmanager Alertmanager `yaml:"alertmanager"`
	// Machines are computers without a hypervisor.
	Machines []Machine `yaml:"machines"`
	// Alerting, ExternalLabels and RemoteWrite are about the embedded Prometheus: its rules, what is added to all that leaves it, and who is sent all
	// that it stores.
	Alerting       Alerting          `yaml:"alerting"`
	ExternalLabels map[string]string `yaml:"external_labels"`
	RemoteWrite    []Endpoint        `yaml:"remote_write"`
	Runbooks       []Runbook         `yaml:"runbooks"`
	Rules          []Rule            `yaml:"rules"`
}

// Host is one virtualisation host.
type Host struct {
	// Name is what the host calls itself: its metrics' label host.
	Name string `yaml:"name"`
	// URI is how the server reaches its libvirt.
	URI string `yaml:"uri"`
	// MigrationURI is how other hosts reach its libvirt; the same as URI when it is left out.
	MigrationURI string `yaml:"migration_uri"`
	// Exporter is the address (host:port) of its exporter, for the embedded Prometheus to scrape.
	// Several hosts may name the same one.
	Exporter string `yaml:"exporter"`
	// FailureDomain names what fails together with it, for example a rack; Tags are for rules to name it by.
	FailureDomain string   `yaml:"failure_domain"`
	Tags          []string `yaml:"tags"`
	// Maintenance tells that it is to be emptied and kept empty.
	Maintenance bool `yaml:"maintenance"`
	// Automation caps the automation level for what touches the host; nil where it does not.
	Automation *Level `yaml:"automation"`
	// IdleWatts and PeakWatts are what it draws when nothing runs on it and when its CPUs are busy.
	IdleWatts float64 `yaml:"idle_watts"`
	PeakWatts float64 `yaml:"peak_watts"`
	// PowerCurve names one of power.curves instead.
	PowerCurve string `yaml:"power_curve"`
	// Fence are the ways to turn it off, in the order in which they are tried.
	Fence []Fence `yaml:"fence"`
	// Shutdown asks its system to shut down before it is put into standby; where there is none, fence turns it off at once.
	Shutdown *Shutdown `yaml:"shutdown"`
	// WakeOnLAN wakes it where fence does not.
	WakeOnLAN *WakeOnLAN `yaml:"wake_on_lan"`
}

// Reserve is what is kept for every host itself, and of the cluster for failures.
type Reserve struct {
	CPUCores float64 `yaml:"cpu_cores"`
	Memory   Bytes   `yaml:"memory"`
	// HostFailures is how many hosts may fail at once with room for all VMs on the others; 0 for no such wish.
	HostFailures int `yaml:"host_failures"`
	// FailureDomain asks for the same of any failure domain as a whole.
	FailureDomain bool `yaml:"failure_domain"`
	// Percent of the cluster's CPU and memory is to be free; 0 for no such wish.
	Percent float64 `yaml:"percent"`
	// SpareHosts are kept empty, and together take the VMs of any one other host.
	SpareHosts []string `yaml:"spare_hosts"`
}

// Scrape says how the embedded Prometheus collects and keeps.
type Scrape struct {
	Interval  Duration `yaml:"interval"`
	Timeout   Duration `yaml:"timeout"`
	Retention Duration `yaml:"retention"`
	// Scheme is http or https.
	Scheme string     `yaml:"scheme"`
	HTTP   HTTPClient `yaml:"http"`
}

// Analysis says how the cluster is judged.
type Analysis struct {
	Interval Duration `yaml:"interval"`
	// Window is what demand is taken over, DemandPercentile which percentile of it counts; 0 for the mean.
	Window           Duration `yaml:"window"`
	DemandPercentile float64  `yaml:"demand_percentile"`
	// MaxDataAge is how old a host's newest sample may be.
	MaxDataAge         Duration `yaml:"max_data_age"`
	MigrationThreshold int      `yaml:"migration_threshold"`
	MaxMoves           int      `yaml:"max_moves"`
	// RecommendationLifetime is how long a recommendation can be approved.
	RecommendationLifetime Duration `yaml:"recommendation_lifetime"`
	// Horizon is how long a better placement is expected to last: a migration must earn its cost in it.
	Horizon Duration `yaml:"horizon"`
}

// Stability keeps VMs from being moved to and fro.
type Stability struct {
	// CoolDown is how long a VM is left alone after a move. It doubles with every further move of the day,
	// up to CoolDownMax.
	CoolDown    Duration `yaml:"cool_down"`
	CoolDownMax Duration `yaml:"cool_down_max"`
	// MaxMovesPerDay is how often one VM may be moved in 24 hours; 0 for no limit.
	MaxMovesPerDay int `yaml:"max_moves_per_day"`
	// HoldRounds is in how many passes on end something must be found before moves are advised because of it.
	HoldRounds int `yaml:"hold_rounds"`
}

// Limits say how full a target may be afterwards, as ratios of the host.
type Limits struct {
	MaxCPUUtilisation    float64 `yaml:"max_cpu_utilisation"`
	MaxMemoryUtilisation float64 `yaml:"max_memory_utilisation"`
}

// Automation says what may happen without a person, and how much of it.
type Automation struct {
	Level AutomationLevel `yaml:"level"`
	// Kinds are levels of single kinds of action, by the planner's name, in place of Level.
	Kinds map[string]AutomationLevel `yaml:"kinds"`
	// Ceiling is the most that a level "earned" can become; a person has to say it.
	Ceiling Level `yaml:"ceiling"`
	// Earn says what it takes.
	Earn Earn `yaml:"earn"`
	// VMs cap the level for single VMs, by UUID or name.
	VMs map[string]Level `yaml:"vms"`
	// LowRisk are the kinds that need no person at level partial, beside what is mandatory.
	LowRisk []string `yaml:"low_risk"`
	// TwoPeople are the kinds that take the yes of two different people.
	TwoPeople       []string `yaml:"two_people"`
	FailureCoolDown Duration `yaml:"failure_cool_down"`
	// RejectionCoolDown is how long a VM is not moved by itself after a person said no.
	RejectionCoolDown Duration `yaml:"rejection_cool_down"`
	// ActionsPerHour and HostActionsPerHour bound what begins without a person's yes on each; 0 for no limit.
	ActionsPerHour     int `yaml:"actions_per_hour"`
	HostActionsPerHour int `yaml:"host_actions_per_hour"`
	// MinHealthyHosts is the share of hosts that must be seen and up.
	MinHealthyHosts float64 `yaml:"min_healthy_hosts"`
	Storm           Storm   `yaml:"storm"`
	// ForeignMoves is how many migrations a day others may make before another scheduler is suspected; 0 for no limit.
	ForeignMoves int `yaml:"foreign_moves"`
	// ShutdownTimeout is how long a guest may take to shut down.
	ShutdownTimeout Duration `yaml:"shutdown_timeout"`
	Freezes         []Freeze `yaml:"freezes"`
}

// Earn is what it takes for a kind of action to be trusted.
type Earn struct {
	// Actions is the least number of actions, Quality the least share of them that was as promised: the lower
	// bound of its confidence interval.
	Actions int     `yaml:"actions"`
	Quality float64 `yaml:"quality"`
	// Window is how far back actions count.
	Window Duration `yaml:"window"`
}

// Storm says when failures stop everything.
type Storm struct {
	// Failures is how many actions may fail within Window; 0 for no limit.
	Failures int      `yaml:"failures"`
	Window   Duration `yaml:"window"`
}

// Freeze is a time that comes again, in which nothing is done.
type Freeze struct {
	Name string `yaml:"name"`
	// Schedule is when it begins, as five fields of cron, in TimeZone.
	Schedule string   `yaml:"schedule"`
	TimeZone string   `yaml:"time_zone"`
	Duration Duration `yaml:"duration"`
	// Kinds are the kinds of action that it stops; none for all.
	Kinds []string `yaml:"kinds"`
	// ApprovedPass lets through what a person approved by itself.
	ApprovedPass bool `yaml:"approved_pass"`
}

// Migration says how VMs are moved.
type Migration struct {
	// TLS is require, auto or off.
	TLS string `yaml:"tls"`
	// Bandwidth is the most that one migration may use, a second; 0 leaves it to the hypervisor.
	Bandwidth Bytes    `yaml:"bandwidth"`
	Timeout   Duration `yaml:"timeout"`
	// AllowUnsafe lets libvirt migrate although it does not recognise the disks' file system as
	// shared. Only for storage that you know to be.
	AllowUnsafe bool `yaml:"allow_unsafe"`
	// AutoConverge slows a guest down that writes its memory faster than it can be copied.
	AutoConverge bool `yaml:"auto_converge"`
	// Connections is over how many connections one migration is spread.
	Connections int `yaml:"connections"`
	// StorageTimeout is after how long copying the disks of a VM to another pool is given up.
	StorageTimeout Duration `yaml:"storage_timeout"`
	// Parallel is how many may be under way at once.
	Parallel Parallel `yaml:"parallel"`
}

// Parallel bounds the migrations under way at once; 0 is no limit.
type Parallel struct {
	Cluster int `yaml:"cluster"`
	Host    int `yaml:"host"`
	// Link is from one host to one other.
	Link int `yaml:"link"`
}

// Failures says when a host that falls silent is anything but alive.
type Failures struct {
	// Interval is the time from one look at the hosts to the next; each witness has as long to answer.
	Interval Duration `yaml:"interval"`
	// Confirm is for how long a host must have been silent.
	Confirm Duration `yaml:"confirm"`
	// MaxSilent is the share of hosts above which so many silent at once are taken for a fault of the observer.
	MaxSilent float64 `yaml:"max_silent"`
	// MaxHeartbeatAge is how old a host's stamp on shared storage may be.
	MaxHeartbeatAge Duration `yaml:"max_heartbeat_age"`
	// MaxNeighbourAge is how long ago a host may have last answered another.
	MaxNeighbourAge Duration `yaml:"max_neighbour_age"`
	// Grace is for how long after the server's start nothing is done about failures.
	Grace Duration `yaml:"grace"`
	// FenceAfter is for how long a host must have been hung or unproven before it is turned off.
	FenceAfter Duration `yaml:"fence_after"`
	// Tries is how often a VM is started, or a host turned off, before it is left to a person; BackOff is the pause after the first failure, which
	// doubles with each further one.
	Tries   int      `yaml:"tries"`
	BackOff Duration `yaml:"back_off"`
	// Ready is for how long a VM must run before those that wait for it are started.
	Ready Duration `yaml:"ready"`
	// AwaitAgent is for how much longer its guest's agent is waited for, where it has one; 0 to not wait for that.
	AwaitAgent Duration `yaml:"await_agent"`
	// Guests is about guests that hang while their processes run.
	Guests GuestWatch `yaml:"guests"`
	// Parallel is how many VMs may be starting at once.
	Parallel StartParallel `yaml:"parallel"`
	// Quarantine is when a host has failed too often to be trusted with more VMs.
	Quarantine Storm `yaml:"quarantine"`
	// Priorities are the VMs' restart priorities, by UUID or name, in place of those in their metadata.
	Priorities map[string]string `yaml:"priorities"`
	// Dependencies say which VMs, by UUID or name, must be ready before a VM is started again.
	Dependencies map[string][]string `yaml:"dependencies"`
	// Definitions is how often the definitions of all VMs are read, KeepVersions how many of each are kept, KeyFile what they are encrypted with;
	// without one a key is made beside them.
	Definitions Duration `yaml:"definitions"`
	// TakeAutostart has hosts not start by themselves the VMs that are started again here.
	TakeAutostart bool   `yaml:"take_autostart"`
	KeepVersions  int    `yaml:"keep_versions"`
	KeyFile       string `yaml:"key_file"`
}

// GuestWatch says when a guest is taken to hang.
type GuestWatch struct {
	// Sensitivity is the name of a preset, "custom" or "disabled"; VMs has those of some VMs, by UUID or name.
	Sensitivity string            `yaml:"sensitivity"`
	VMs         map[string]string `yaml:"vms"`
	// Custom are figures of one's own.
	Custom GuestFigures `yaml:"custom"`
	// Window is for how long a guest must have neither used a disk nor sent anything.
	Window Duration `yaml:"window"`
	// AtOnce is how many guests may hang at once without it being taken for a fault of what they share; 0 for any number.
	AtOnce int `yaml:"at_once"`
}

// GuestFigures are for how long a guest's agent must have been silent, how long the guest must have run before, and how often it is reset within
// which time.
type GuestFigures struct {
	Silent Duration `yaml:"silent"`
	Uptime Duration `yaml:"uptime"`
	Resets int      `yaml:"resets"`
	Within Duration `yaml:"within"`
}

// StartParallel bounds the VMs that start at once; 0 is no limit.
type StartParallel struct {
	Cluster int `yaml:"cluster"`
	Host    int `yaml:"host"`
}

// Journal says how long what was decided and done is kept at hand.
type Journal struct {
	// Retention is after how long entries move out to the archive beside the journal.
	Retention Duration `yaml:"retention"`
}

// Slack says where plans are shown for approval, and who may give it.
type Slack struct {
	// BotTokenFile holds the app's token (xoxb-), AppTokenFile the one that opens Socket Mode (xapp-), and
	// SigningSecretFile what Slack signs HTTP requests to /slack/interactivity with. One of the last two is needed.
	BotTokenFile      string `yaml:"bot_token_file"`
	AppTokenFile      string `yaml:"app_token_file"`
	SigningSecretFile string `yaml:"signing_secret_file"`
	// Channel is the channel's ID.
	Channel   string     `yaml:"channel"`
	Approvers []Approver `yaml:"approvers"`
	// ApproverGroups are IDs of user groups whose members may decide.
	ApproverGroups []string `yaml:"approver_groups"`
	// Snooze is how long the button puts an action off.
	Snooze Duration `yaml:"snooze"`
	// APIURL is the root of the Web API where it is not Slack's own.
	APIURL string `yaml:"api_url"`
	// ConsoleURL is linked from every message.
	ConsoleURL string `yaml:"console_url"`
}

// Approver is somebody who may decide in Slack.
type Approver struct {
	// User is the ID of the user.
	User string `yaml:"user"`
	// Name is what the person is called elsewhere, for example as the bearer of a token, so that one does not pass for two.
	Name string `yaml:"name"`
}

// Rule ties VMs to each other or to hosts.
type Rule struct {
	Name     string       `yaml:"name"`
	Kind     RuleKind     `yaml:"kind"`
	Strength RuleStrength `yaml:"strength"`
	// VMs are UUIDs or names, VMTags tags, VMNames patterns of names.
	VMs     []string `yaml:"vms"`
	VMTags  []string `yaml:"vm_tags"`
	VMNames []string `yaml:"vm_names"`
	// Hosts are names, HostTags tags, FailureDomains the domains of hosts.
	Hosts          []string `yaml:"hosts"`
	HostTags       []string `yaml:"host_tags"`
	FailureDomains []string `yaml:"failure_domains"`
}

func (r Rule) cluster() cluster.Rule {
	return cluster.Rule{Name: r.Name, Kind: cluster.RuleKind(r.Kind), Strength: cluster.RuleStrength(r.Strength),
		VMs: r.VMs, VMTags: r.VMTags, VMNames: r.VMNames, Hosts: r.Hosts, HostTags: r.HostTags, FailureDomains: r.FailureDomains}
}

// Default is the configuration before the file is read.
func Default() Config {
	return Config{
		Cluster: "default",
		Reserve: Reserve{HostFailures: 1},
		Scrape: Scrape{Interval: Duration(2 * time.Second), Timeout: Duration(2 * time.Second),
			Retention: Duration(15 * 24 * time.Hour), Scheme: "http", HTTP: HTTPClient{promconfig.DefaultHTTPClientConfig}},
		Alerting: Alerting{OwnRules: true, Interval: Duration(15 * time.Second)},
		Analysis: Analysis{
			Interval: Duration(30 * time.Second), Window: Duration(15 * time.Minute), DemandPercentile: 0.9, MaxDataAge: Duration(time.Minute),
			MigrationThreshold: 3, MaxMoves: 8, RecommendationLifetime: Duration(15 * time.Minute),
			Horizon: Duration(time.Hour),
		},
		Stability: Stability{CoolDown: Duration(15 * time.Minute), CoolDownMax: Duration(6 * time.Hour), MaxMovesPerDay: 4, HoldRounds: 3},
		Limits:    Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95},
		Automation: Automation{Level: AutomationLevel{Level: cluster.LevelManual},
			Earn: Earn{Actions: 20, Quality: 0.8, Window: Duration(90 * 24 * time.Hour)}, LowRisk: []string{"rules"},
			FailureCoolDown: Duration(15 * time.Minute), RejectionCoolDown: Duration(24 * time.Hour), ActionsPerHour: 60, HostActionsPerHour: 20,
			MinHealthyHosts: 0.5, Storm: Storm{Failures: 3, Window: Duration(time.Hour)}, ForeignMoves: 5, ShutdownTimeout: Duration(5 * time.Minute)},
		Migration: Migration{TLS: "require", Timeout: Duration(10 * time.Minute), AutoConverge: true, Connections: 1, StorageTimeout: Duration(4 * time.Hour), Parallel: Parallel{Cluster: 4, Host: 1, Link: 1}},
		Failures: Failures{Interval: Duration(2 * time.Second), Confirm: Duration(4 * time.Second), MaxSilent: 0.5, MaxHeartbeatAge: Duration(6 * time.Second), MaxNeighbourAge: Duration(6 * time.Second),
			Grace: Duration(30 * time.Second), FenceAfter: Duration(5 * time.Second), Tries: 5, BackOff: Duration(10 * time.Second), Parallel: StartParallel{Cluster: 20, Host: 5},
			Quarantine: Storm{Failures: 3, Window: Duration(24 * time.Hour)}, Definitions: Duration(time.Minute), KeepVersions: 10,
			Guests: GuestWatch{Sensitivity: "medium", Window: Duration(2 * time.Minute), AtOnce: 3,
				Custom: GuestFigures{Silent: Duration(time.Minute), Uptime: Duration(4 * time.Minute), Resets: 3, Within: Duration(24 * time.Hour)}}},
		Power:       Power{Target: 0.63, Tolerance: 0.18, WakeAfter: Duration(5 * time.Minute), SleepAfter: Duration(40 * time.Minute), Horizon: Duration(6 * time.Hour), CycleWh: 20, MoveWh: 0.5, AsleepWatts: 5, MinHostsOn: 1, MaxProofAge: Duration(90 * 24 * time.Hour), EmptyTimeout: Duration(30 * time.Minute), WakeTimeout: Duration(10 * time.Minute)},
		Rightsizing: Rightsizing{Window: Duration(7 * 24 * time.Hour), IdleCPUCores: 0.05, IdleNetwork: 5 << 10, IdleDisk: 20 << 10},
		API:         API{Anonymous: "viewer"},
		Journal:     Journal{Retention: Duration(400 * 24 * time.Hour)},
	}
}

// Load reads and validates the file. The error holds everything that is wrong, a line each.
func Load(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	c, err := Parse(path, text)
	if err != nil {
		return c, err
	}
	return c, c.readable(path)
}

// readable resolves file names, which stand relative to the configuration file, and checks that
// the secrets can be read.
func (c *Config) readable(path string) error {
	dir := filepath.Dir(path)
	c.Scrape.HTTP.SetDirectory(dir)
	errs := []error{c.readAlerting(path)}
	resolve := func(file *string) {
		if !filepath.IsAbs(*file) {
			*file = filepath.Join(dir, *file)
		}
	}
	for i := range c.API.Tokens {
		t := &c.API.Tokens[i]
		resolve(&t.File)
		if _, err := t.Read(); err != nil {
			errs = append(errs, fmt.Errorf("%s: api.tokens[%d].file: %w", path, i, err))
		}
	}
	errs = append(errs, c.API.OIDC.readable(path, resolve), c.readFences(path, resolve))
	if c.Failures.KeyFile != "" {
		resolve(&c.Failures.KeyFile)
	}
	if a := &c.Alertmanager; a.TokenFile != "" {
		resolve(&a.TokenFile)
		if _, err := a.ReadToken(); err != nil {
			errs = append(errs, fmt.Errorf("%s: alertmanager.token_file: %w", path, err))
		}
	}
	if c.Slack != nil {
		for key, file := range c.Slack.files() {
			if *file == "" {
				continue
			}
			resolve(file)
			if _, err := ReadSecret(*file); err != nil {
				errs = append(errs, fmt.Errorf("%s: slack.%s: %w", path, key, err))
			}
		}
	}
	return errors.Join(errs...)
}

// files are those that hold secrets, by key.
func (s *Slack) files() map[string]*string {
	return map[string]*string{"bot_token_file": &s.BotTokenFile, "app_token_file": &s.AppTokenFile, "signing_secret_file": &s.SigningSecretFile}
}

// ClusterRules returns the rules in the vocabulary of the rest.
func (c Config) ClusterRules() []cluster.Rule {
	var rules []cluster.Rule
	for _, r := range c.Rules {
		rules = append(rules, r.cluster())
	}
	return rules
}
