package main

import (
	"cmp"
	"maps"
	"path/filepath"
	"time"

	"github.com/evenkeel/evenkeel/actuator"
	"github.com/evenkeel/evenkeel/actuator/definitions"
	"github.com/evenkeel/evenkeel/actuator/failover"
	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/actuator/hypervisor"
	"github.com/evenkeel/evenkeel/actuator/recovery"
	"github.com/evenkeel/evenkeel/actuator/trust"
	"github.com/evenkeel/evenkeel/actuator/verdict"
	"github.com/evenkeel/evenkeel/actuator/watch"
	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/analyzer/admission"
	"github.com/evenkeel/evenkeel/analyzer/detect"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/analyzer/promql"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/evenkeel/evenkeel/internal/engine"
)

// The jobs of exporters and servers.
const (
	exporterJob = "evenkeel-exporter"
	serverJob   = "evenkeel-server"
)

// queryTimeout bounds the queries of one snapshot together.
const queryTimeout = 30 * time.Second

// assumedBandwidth predicts migrations where the configuration leaves the bandwidth to the
// hypervisor: what a 10 GbE link carries.
const assumedBandwidth = 1 << 30

func limits(c config.Config) cluster.Limits {
	return cluster.Limits{MaxCPUUtilisation: c.Limits.MaxCPUUtilisation, MaxMemoryUtilisation: c.Limits.MaxMemoryUtilisation}
}

func analyzerPolicy(c config.Config) analyzer.Policy {
	bandwidth := float64(c.Migration.Bandwidth)
	if bandwidth == 0 {
		bandwidth = assumedBandwidth
	}
	return analyzer.Policy{
		Interval: time.Duration(c.Analysis.Interval), Delay: time.Duration(c.Scrape.Timeout), HoldRounds: c.Stability.HoldRounds,
		Detect: detectPolicy(c),
		Plan: plan.Policy{
			Threshold: c.Analysis.MigrationThreshold, MaxMoves: c.Analysis.MaxMoves, Limits: limits(c),
			BandwidthBytesPerSecond: bandwidth, Lifetime: time.Duration(c.Analysis.RecommendationLifetime),
			Horizon:   time.Duration(c.Analysis.Horizon),
			Admission: admissionPolicy(c), StartsAtOnce: c.Failures.Parallel.Host,
			Power: plan.Power{Advise: c.Power.Advise, Target: c.Power.Target, Tolerance: c.Power.Tolerance, MinHostsOn: c.Power.MinHostsOn, Quorums: c.Power.Quorums, MaxProofAge: time.Duration(c.Power.MaxProofAge),
				Horizon: time.Duration(c.Power.Horizon), CycleWh: c.Power.CycleWh, MoveWh: c.Power.MoveWh, Awake: awake(c)},
			Stability: plan.Stability{CoolDown: time.Duration(c.Stability.CoolDown), CoolDownMax: time.Duration(c.Stability.CoolDownMax), MaxMovesPerDay: c.Stability.MaxMovesPerDay},
		},
	}
}

func detectPolicy(c config.Config) detect.Policy {
	p := detect.Default(c.Analysis.MigrationThreshold, limits(c))
	p.Admission = admissionPolicy(c)
	return p
}

func admissionPolicy(c config.Config) admission.Policy {
	return admission.Policy{HostFailures: c.Reserve.HostFailures, FailureDomain: c.Reserve.FailureDomain, Percent: c.Reserve.Percent, SpareHosts: c.Reserve.SpareHosts}
}

func actuatorPolicy(c config.Config) actuator.Policy {
	a := c.Automation
	p := actuator.Policy{
		Gate: gate.Policy{
			Level: most(a), LowRisk: a.LowRisk, TwoPeople: a.TwoPeople, MaxDataAge: time.Duration(c.Analysis.MaxDataAge),
			FailureCoolDown: time.Duration(a.FailureCoolDown), RejectionCoolDown: time.Duration(a.RejectionCoolDown), Limits: limits(c),
			ActionsPerHour: a.ActionsPerHour, HostActionsPerHour: a.HostActionsPerHour, Parallel: gate.Parallel(c.Migration.Parallel),
			Recovery: gate.Parallel{Cluster: c.Failures.Parallel.Cluster, Host: c.Failures.Parallel.Host}, RecoveryBackOff: time.Duration(c.Failures.BackOff),
			Grace: time.Duration(c.Failures.Grace), Domains: map[string]string{}, MinHealthy: a.MinHealthyHosts, StormFailures: a.Storm.Failures, StormWindow: time.Duration(a.Storm.Window), ForeignMoves: float64(a.ForeignMoves),
			Standby: gate.Standby{MinHostsOn: c.Power.MinHostsOn, Quorums: c.Power.Quorums, MaxProofAge: time.Duration(c.Power.MaxProofAge)},
		},
		// The window must hold nothing from before the action, the newest scrape included.
		Settle:  time.Duration(c.Analysis.Window + 2*c.Scrape.Interval),
		Timeout: time.Duration(c.Migration.Timeout),
		Standby: actuator.StandbyPolicy{Empty: time.Duration(c.Power.EmptyTimeout), Wake: time.Duration(c.Power.WakeTimeout)},
	}
	p.Trust = trust.Policy{Actions: a.Earn.Actions, Quality: a.Earn.Quality, Window: time.Duration(a.Earn.Window), Ceiling: cluster.Level(a.Ceiling),
		Stale: 3*time.Duration(c.Analysis.Interval) + time.Duration(c.Analysis.MaxDataAge) + time.Duration(c.Scrape.Timeout)}
	for _, h := range c.Hosts {
		p.Gate.Domains[h.Name] = h.FailureDomain
	}
	p.Gate.Kinds, p.Earned = levels(a)
	p.Gate.Awake, p.Hours = awake(c), hours(c)
	for _, f := range a.Freezes {
		begins, err := f.Begins()
		if err != nil {
			continue // a configuration with such a freeze is not loaded
		}
		p.Gate.Freezes = append(p.Gate.Freezes, gate.Freeze{Name: f.Name, Schedule: begins, Duration: time.Duration(f.Duration), Kinds: f.Kinds, ApprovedPass: f.ApprovedPass})
	}
	return p
}

func watchPolicy(c config.Config) watch.Policy {
	p := watch.Policy{Interval: time.Duration(c.Failures.Interval), MaxHeartbeatAge: time.Duration(c.Failures.MaxHeartbeatAge),
		MaxNeighbourAge: time.Duration(c.Failures.MaxNeighbourAge), MaxScrapeAge: time.Duration(2*c.Scrape.Interval + c.Scrape.Timeout),
		Verdict: verdict.Policy{MaxSilent: c.Failures.MaxSilent, Confirm: time.Duration(c.Failures.Confirm)}}
	for _, h := range c.Hosts {
		p.Hosts = append(p.Hosts, h.Name)
	}
	return p
}

func failoverPolicy(c config.Config) failover.Policy {
	f := c.Failures
	// A scrape that fails, and the end of the heartbeat and of answers to neighbours, which take their time side by side, and a look at both ends.
	detect := max(time.Duration(f.Confirm)+time.Duration(c.Scrape.Timeout), time.Duration(max(f.MaxHeartbeatAge, f.MaxNeighbourAge))+time.Duration(c.Scrape.Interval)) + 2*time.Duration(f.Interval)
	return failover.Policy{Definitions: time.Duration(f.Definitions), TakeAutostart: f.TakeAutostart, Detect: detect, Cluster: f.Parallel.Cluster, Host: f.Parallel.Host, Recovery: recovery.Policy{
		Plan: analyzerPolicy(c).Plan, Priorities: f.Priorities, Dependencies: f.Dependencies, Tries: f.Tries, BackOff: time.Duration(f.BackOff), Ready: time.Duration(f.Ready),
		FenceAfter: time.Duration(f.FenceAfter), QuarantineFailures: f.Quarantine.Failures, QuarantineWindow: time.Duration(f.Quarantine.Window),
		AwaitAgent: time.Duration(f.AwaitAgent), Guests: guestPolicy(f.Guests),
	}}
}

func guestPolicy(g config.GuestWatch) recovery.Guests {
	presets := recovery.Sensitivities()
	presets["custom"] = recovery.Sensitivity{Silent: time.Duration(g.Custom.Silent), Uptime: time.Duration(g.Custom.Uptime), Resets: g.Custom.Resets, Within: time.Duration(g.Custom.Within)}
	p := recovery.Guests{Default: presets[g.Sensitivity], VMs: map[string]recovery.Sensitivity{}, Window: time.Duration(g.Window), AtOnce: g.AtOnce}
	for vm, name := range g.VMs {
		p.VMs[vm] = presets[name] // that of disabled is zero
	}
	return p
}

// definitionsOptions say where the definitions of VMs are kept, and with which key.
func definitionsOptions(storage string, c config.Config) definitions.Options {
	return definitions.Options{Path: filepath.Join(storage, "definitions.db"), KeyFile: cmp.Or(c.Failures.KeyFile, filepath.Join(storage, "definitions.key")), Keep: c.Failures.KeepVersions}
}

// most is the cluster's automation level or, where that must be earned, the most that it can become.
func most(a config.Automation) cluster.Level {
	if a.Level.Earned {
		return cluster.Level(a.Ceiling)
	}
	return a.Level.Level
}

// levels are those of each kind of action, and which kinds must earn theirs.
func levels(a config.Automation) (kinds map[string]cluster.Level, earned []string) {
	kinds = map[string]cluster.Level{}
	for _, kind := range cluster.Policies() {
		level, toEarn := a.LevelOf(kind)
		kinds[kind] = level
		if toEarn {
			earned = append(earned, kind)
		}
	}
	return kinds, earned
}

func sourceOptions(c config.Config) promql.Options {
	o := promql.Options{
		Cluster: c.Cluster, Rules: c.ClusterRules(), Window: time.Duration(c.Analysis.Window), MaxDataAge: time.Duration(c.Analysis.MaxDataAge),
		SharedStorage: c.SharedStorage, ReservedCPUCores: c.Reserve.CPUCores, ReservedMemoryBytes: int64(c.Reserve.Memory), Timeout: queryTimeout,
	}
	o.Percentile, o.ScrapeInterval, o.Places = c.Analysis.DemandPercentile, time.Duration(c.Scrape.Interval), map[string]promql.Place{}
	o.RestartPriorities = c.Failures.Priorities
	if c.Power.Advise {
		o.Power = promql.Power{Busy: time.Duration(c.Power.WakeAfter), Calm: time.Duration(c.Power.SleepAfter)}
	}
	o.Automation = map[string]cluster.Level{}
	for name, level := range c.Automation.VMs {
		o.Automation[name] = cluster.Level(level)
	}
	for _, h := range c.Hosts {
		o.Hosts = append(o.Hosts, h.Name)
		o.Places[h.Name] = promql.Place{Automation: (*cluster.Level)(h.Automation), FailureDomain: h.FailureDomain, Tags: h.Tags, PowerCurve: c.Curve(h)}
	}
	for _, m := range c.Machines {
		o.Machines = append(o.Machines, promql.Machine{Name: m.Name, Instance: m.Instance, Tags: m.Tags})
	}
	return o
}

func driverHosts(c config.Config) []hypervisor.Host {
	var hosts []hypervisor.Host
	for _, h := range c.Hosts {
		hosts = append(hosts, hypervisor.Host{Name: h.Name, URI: h.URI, MigrationURI: h.MigrationURI})
	}
	return hosts
}

func driverOptions(c config.Config) hypervisor.Options {
	tls := map[string]hypervisor.TLS{"require": hypervisor.TLSRequire, "auto": hypervisor.TLSAuto, "off": hypervisor.TLSOff}
	return hypervisor.Options{
		TLS: tls[c.Migration.TLS], BandwidthBytesPerSecond: float64(c.Migration.Bandwidth),
		Timeout: time.Duration(c.Migration.Timeout), AllowUnsafe: c.Migration.AllowUnsafe,
		AutoConverge: c.Migration.AutoConverge, Connections: c.Migration.Connections,
		StorageTimeout: time.Duration(c.Migration.StorageTimeout), ShutdownTimeout: time.Duration(c.Automation.ShutdownTimeout),
	}
}

// targets are what is scraped: each exporter once, machines, and the server at its address where one is given; the embedded Prometheus needs none.
func targets(c config.Config, self string) []engine.Target {
	var list []engine.Target
	seen := map[string]bool{"": true}
	for _, h := range c.Hosts {
		if !seen[h.Exporter] {
			seen[h.Exporter] = true
			list = append(list, engine.Target{Job: exporterJob, Address: h.Exporter})
		}
	}
	for _, m := range c.Machines {
		if m.NodeExporter != "" {
			list = append(list, engine.Target{Job: "node", Address: m.NodeExporter, Labels: map[string]string{"instance": m.Instance}})
		}
	}
	if self != "" {
		list = append(list, engine.Target{Job: serverJob, Address: self})
	}
	return list
}

// discovered are the same targets, for a Prometheus that asks for them (http_sd). It reached this server at the address.
func discovered(c config.Config, scheme, self string) []api.TargetGroup {
	var groups []api.TargetGroup
	for _, t := range targets(c, self) {
		labels := map[string]string{"job": t.Job}
		maps.Copy(labels, t.Labels)
		if t.Address == self {
			labels["__scheme__"] = scheme // and it says its cluster itself
		} else {
			labels["evenkeel_cluster"], labels["__scheme__"] = c.Cluster, c.Scrape.Scheme
		}
		groups = append(groups, api.TargetGroup{Targets: []string{t.Address}, Labels: labels})
	}
	return groups
}
