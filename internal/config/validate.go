package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// problem is one thing that makes no sense, at a key.
type problem struct{ key, text string }

type problems []problem

func (p *problems) add(bad bool, key, format string, args ...any) {
	if bad {
		*p = append(*p, problem{key, fmt.Sprintf(format, args...)})
	}
}

// problems says everything that is wrong with a configuration that could be decoded.
func (c Config) problems() problems {
	var p problems
	p.add(c.Cluster == "", "cluster", "is empty; give the cluster a name")
	c.checkHosts(&p)
	c.checkFences(&p)
	c.checkMachines(&p)
	c.checkTimes(&p)
	a := c.Analysis
	p.add(a.MigrationThreshold < 1 || a.MigrationThreshold > 5, "analysis.migration_threshold", "is %d; it runs from 1 (conservative) to 5 (aggressive)", a.MigrationThreshold)
	p.add(!(a.DemandPercentile >= 0 && a.DemandPercentile <= 1), "analysis.demand_percentile", "is %g; it is a ratio, for example 0.9, or 0 for the mean", a.DemandPercentile)
	p.add(a.MaxMoves < 1, "analysis.max_moves", "is %d; a plan needs at least one move", a.MaxMoves)
	p.add(c.Stability.HoldRounds < 1 || c.Stability.HoldRounds > 20, "stability.hold_rounds", "is %d; it runs from 1 (act on the first sight) to 20", c.Stability.HoldRounds)
	p.add(c.Stability.MaxMovesPerDay < 0, "stability.max_moves_per_day", "is %d; give 0 for no limit, or how often a VM may move in 24 hours", c.Stability.MaxMovesPerDay)
	p.add(!(c.Limits.MaxCPUUtilisation > 0 && c.Limits.MaxCPUUtilisation <= 1), "limits.max_cpu_utilisation", "is %g; it is a ratio above 0 and up to 1", c.Limits.MaxCPUUtilisation)
	p.add(!(c.Limits.MaxMemoryUtilisation > 0 && c.Limits.MaxMemoryUtilisation <= 1), "limits.max_memory_utilisation", "is %g; it is a ratio above 0 and up to 1", c.Limits.MaxMemoryUtilisation)
	p.add(!(c.Reserve.CPUCores >= 0 && c.Reserve.CPUCores <= 1e6), "reserve.cpu_cores", "is %g; it is a number of cores, 0 or more", c.Reserve.CPUCores)
	p.add(c.Migration.TLS != "require" && c.Migration.TLS != "auto" && c.Migration.TLS != "off", "migration.tls", "is %q; use require, auto or off", c.Migration.TLS)
	p.add(c.Migration.Bandwidth > 0 && c.Migration.Bandwidth < 1<<20, "migration.bandwidth", "is %d bytes a second; give at least 1MiB, or 0 to leave it to the hypervisor", c.Migration.Bandwidth)
	p.add(c.Migration.Connections < 1 || c.Migration.Connections > 64, "migration.connections", "is %d; it runs from 1 to 64", c.Migration.Connections)
	c.Scrape.HTTP.check(&p, "scrape.http")
	p.add(c.Scrape.Scheme != "http" && c.Scrape.Scheme != "https", "scrape.scheme", "is %q; use http or https", c.Scrape.Scheme)
	p.add(!(c.Failures.MaxSilent > 0 && c.Failures.MaxSilent <= 1), "failures.max_silent", "is %g; it is a ratio above 0 and up to 1, for example 0.5", c.Failures.MaxSilent)
	c.checkFailures(&p)
	c.checkReserve(&p)
	c.checkPower(&p)
	c.checkRightsizing(&p)
	c.checkAlerting(&p)
	c.checkAutomation(&p)
	c.checkSchedules(&p)
	c.checkAccess(&p)
	c.checkSlack(&p)
	c.checkRunbooks(&p)
	c.checkRules(&p)
	return p
}

// checkReserve looks at what the cluster is to survive.
func (c Config) checkReserve(p *problems) {
	r := c.Reserve
	p.add(r.HostFailures < 0 || r.HostFailures > 3, "reserve.host_failures", "is %d; it runs from 0 to 3", r.HostFailures)
	p.add(!(r.Percent >= 0 && r.Percent < 100), "reserve.percent", "is %g; it is a percentage from 0 (no such wish) to below 100, for example 25", r.Percent)
	names, domains := map[string]bool{}, map[string]bool{}
	for _, h := range c.Hosts {
		names[h.Name] = true
		if h.FailureDomain != "" {
			domains[h.FailureDomain] = true
		}
	}
	p.add(r.FailureDomain && len(domains) < 2, "reserve.failure_domain", "is true and the hosts name %d failure domains; give hosts[].failure_domain two or more, so that one can take over from the other", len(domains))
	seen := map[string]bool{}
	for i, name := range r.SpareHosts {
		key := fmt.Sprintf("reserve.spare_hosts[%d]", i)
		p.add(!names[name], key, "%q is not under hosts", name)
		p.add(seen[name], key, "%q stands twice", name)
		seen[name] = true
	}
	p.add(len(r.SpareHosts) > 0 && len(seen) >= len(names), "reserve.spare_hosts", "names every host; leave some for the VMs")
}

func (c Config) checkHosts(p *problems) {
	p.add(len(c.Hosts) == 0, "hosts", "is empty; name at least one host with its uri and exporter")
	seen := map[string]bool{}
	for i, h := range c.Hosts {
		key := fmt.Sprintf("hosts[%d]", i)
		p.add(h.Name == "", key+".name", "is missing; it is what the host calls itself (virsh hostname)")
		p.add(h.Name != "" && seen[h.Name], key+".name", "%q stands twice", h.Name)
		seen[h.Name] = true
		p.add(h.IdleWatts < 0 || h.PeakWatts < 0 || h.PeakWatts < h.IdleWatts, key+".peak_watts", "is %g with idle_watts %g; watts are 0 or more and the peak is not below idle", h.PeakWatts, h.IdleWatts)
		checkURI(p, key+".uri", h.URI)
		if h.MigrationURI != h.URI {
			checkURI(p, key+".migration_uri", h.MigrationURI)
		}
		_, path, _ := strings.Cut(h.MigrationURI, "://")
		p.add(len(c.Hosts) > 1 && strings.HasPrefix(path, "/"), key+".migration_uri", "%s is local: other hosts cannot reach %s by it; write for example qemu+tls://%s/system", h.MigrationURI, h.Name, h.Name)
		p.add(c.Migration.TLS == "require" && len(c.Hosts) > 1 && !strings.HasPrefix(path, "/") && !strings.HasPrefix(h.MigrationURI, "qemu+tls://"),
			key+".migration_uri", "%s is not one with TLS (qemu+tls://): guests' memory would cross the network in clear text. Give one, or set migration.tls to auto where the network itself is trusted", h.MigrationURI)
		if _, port, err := net.SplitHostPort(h.Exporter); h.Exporter != "" {
			p.add(err != nil || port == "", key+".exporter", "%q is no address; write host:port, for example %s:9177", h.Exporter, h.Name)
		}
	}
}

func checkURI(p *problems, key, uri string) {
	u, err := url.Parse(uri)
	p.add(uri == "", key, "is missing; write for example qemu+tls://host1/system")
	p.add(uri != "" && (err != nil || u.Scheme == "" || !strings.Contains(uri, "://")), key, "%q is no libvirt URI; write for example qemu+tls://host1/system", uri)
}

func (c Config) checkTimes(p *problems) {
	for _, d := range []struct {
		key   string
		value Duration
		least time.Duration
	}{
		{"scrape.interval", c.Scrape.Interval, time.Second}, {"scrape.timeout", c.Scrape.Timeout, 100 * time.Millisecond},
		{"scrape.retention", c.Scrape.Retention, time.Hour},
		{"analysis.interval", c.Analysis.Interval, time.Second}, {"analysis.window", c.Analysis.Window, 4 * time.Second},
		{"analysis.max_data_age", c.Analysis.MaxDataAge, time.Second}, {"analysis.recommendation_lifetime", c.Analysis.RecommendationLifetime, time.Second},
		{"analysis.horizon", c.Analysis.Horizon, time.Minute},
		{"stability.cool_down", c.Stability.CoolDown, 0}, {"stability.cool_down_max", c.Stability.CoolDownMax, 0},
		{"automation.failure_cool_down", c.Automation.FailureCoolDown, 0}, {"automation.rejection_cool_down", c.Automation.RejectionCoolDown, 0}, {"migration.timeout", c.Migration.Timeout, time.Second},
		{"migration.storage_timeout", c.Migration.StorageTimeout, time.Second}, {"automation.shutdown_timeout", c.Automation.ShutdownTimeout, time.Second},
		{"automation.storm.window", c.Automation.Storm.Window, time.Minute}, {"automation.earn.window", c.Automation.Earn.Window, time.Hour},
		{"journal.retention", c.Journal.Retention, 24 * time.Hour},
		{"failures.interval", c.Failures.Interval, 500 * time.Millisecond}, {"failures.confirm", c.Failures.Confirm, 2 * time.Second}, {"failures.max_heartbeat_age", c.Failures.MaxHeartbeatAge, 2 * time.Second},
		{"failures.max_neighbour_age", c.Failures.MaxNeighbourAge, 2 * time.Second},
		{"failures.grace", c.Failures.Grace, 0}, {"failures.fence_after", c.Failures.FenceAfter, 0}, {"failures.back_off", c.Failures.BackOff, time.Second}, {"failures.ready", c.Failures.Ready, 0},
		{"failures.await_agent", c.Failures.AwaitAgent, 0}, {"failures.guests.window", c.Failures.Guests.Window, 10 * time.Second}, {"failures.guests.custom.silent", c.Failures.Guests.Custom.Silent, 5 * time.Second},
		{"failures.guests.custom.uptime", c.Failures.Guests.Custom.Uptime, 0}, {"failures.guests.custom.within", c.Failures.Guests.Custom.Within, time.Minute},
		{"failures.quarantine.window", c.Failures.Quarantine.Window, time.Minute}, {"failures.definitions", c.Failures.Definitions, 5 * time.Second},
	} {
		p.add(time.Duration(d.value) < d.least, d.key, "is %s; the least is %s", time.Duration(d.value), d.least)
	}
	for key, needed := range map[string]Duration{"automation.earn.window": c.Automation.Earn.Window, "automation.rejection_cool_down": c.Automation.RejectionCoolDown, "64 times automation.failure_cool_down": 64 * c.Automation.FailureCoolDown} {
		p.add(c.Journal.Retention < needed+Duration(24*time.Hour), "journal.retention", "is %s; it must be a day longer than %s (%s), for which the journal is needed", time.Duration(c.Journal.Retention), key, time.Duration(needed))
	}
	p.add(c.Scrape.Timeout > c.Scrape.Interval, "scrape.timeout", "is longer than scrape.interval (%s)", time.Duration(c.Scrape.Interval))
	p.add(c.Analysis.Window < 4*c.Scrape.Interval, "analysis.window", "is shorter than four times scrape.interval (%s); rates over it would be noise", time.Duration(c.Scrape.Interval))
	p.add(c.Analysis.MaxDataAge < 2*c.Scrape.Interval, "analysis.max_data_age", "is shorter than twice scrape.interval (%s); one late scrape would stop everything", time.Duration(c.Scrape.Interval))
}

// roles are what somebody can be.
func roles() []string { return []string{"viewer", "approver", "operator", "admin"} }

func (c Config) checkAccess(p *problems) {
	seen := map[string]bool{}
	known := strings.Join(roles(), ", ")
	for i, t := range c.API.Tokens {
		key := fmt.Sprintf("api.tokens[%d]", i)
		p.add(t.Name == "" || seen[t.Name], key+".name", "is missing or stands twice; it is how the journal names who decided")
		seen[t.Name] = true
		p.add(t.File == "", key+".file", "is missing; name the file that holds the token")
		p.add(!slices.Contains(roles(), t.Role), key+".role", "%q is no role; use %s", t.Role, known)
	}
	certified := map[string]bool{} // a person may have a token too, under the same name
	for i, t := range c.API.Certificates {
		key := fmt.Sprintf("api.certificates[%d]", i)
		p.add(t.Name == "" || certified[t.Name], key+".name", "is missing or stands twice; it is the certificate's common name, and how the journal names who decided")
		certified[t.Name] = true
		p.add(!slices.Contains(roles(), t.Role), key+".role", "%q is no role; use %s", t.Role, known)
	}
	c.API.OIDC.check(p)
	p.add(c.API.Anonymous != "viewer" && c.API.Anonymous != "nobody", "api.anonymous", "%q is neither viewer (everybody may read) nor nobody (reading takes a token as well)", c.API.Anonymous)
}

func (c Config) checkSlack(p *problems) {
	s := c.Slack
	if s == nil {
		return
	}
	p.add(s.BotTokenFile == "", "slack.bot_token_file", "is missing; name the file that holds the app's token, which begins with xoxb-")
	p.add(s.AppTokenFile == "" && s.SigningSecretFile == "", "slack", "no click could arrive; give app_token_file for Socket Mode, or signing_secret_file for HTTP")
	p.add(s.Channel == "", "slack.channel", "is missing; give the ID that the channel's details show at their end")
	p.add(len(s.Approvers)+len(s.ApproverGroups) == 0, "slack.approvers", "is missing; name who may decide, by user ID, or approver_groups")
	for i, a := range s.Approvers {
		p.add(a.User == "", fmt.Sprintf("slack.approvers[%d].user", i), "is missing; it is the ID that the person's profile shows, for example U012AB3CD")
	}
	p.add(s.Snooze < 0, "slack.snooze", "is negative")
	if len(c.Automation.TwoPeople) > 0 {
		p.add(len(s.ApproverGroups) > 0, "slack.approver_groups", "cannot be used with automation.two_people: nobody knows which bearer of a token a member is, and one person would pass for two; list approvers with their names")
		for i, a := range s.Approvers {
			p.add(a.Name == "", fmt.Sprintf("slack.approvers[%d].name", i), "is missing; automation.two_people needs to know what the person is called under api.tokens, so that one does not pass for two")
		}
	}
}

func (c Config) checkRules(p *problems) {
	names, tags, domains := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, h := range c.Hosts {
		names[h.Name], domains[h.FailureDomain] = true, h.FailureDomain != ""
		for _, t := range h.Tags {
			tags[t] = true
		}
	}
	seen := map[string]bool{}
	for i, r := range c.Rules {
		key := fmt.Sprintf("rules[%d]", i)
		p.add(r.Name == "" || seen[r.Name], key+".name", "is missing or stands twice")
		seen[r.Name] = true
		if field, what := r.cluster().Problem(); what != "" {
			p.add(true, key+"."+field, "%s", what)
		}
		single := len(r.VMs) == 1 && len(r.VMTags)+len(r.VMNames) == 0
		kind := cluster.RuleKind(r.Kind)
		p.add(single && kind != cluster.RuleNone && kind != cluster.VMHostAffinity && kind != cluster.VMHostAntiAffinity, key+".vms", "holds one VM; a %s rule needs two or more", kind)
		for _, list := range []struct {
			field, what string
			names       []string
			known       map[string]bool
		}{{"hosts", "under hosts", r.Hosts, names}, {"host_tags", "a tag of any host", r.HostTags, tags}, {"failure_domains", "the failure domain of any host", r.FailureDomains, domains}} {
			for j, n := range list.names {
				p.add(!list.known[n], fmt.Sprintf("%s.%s[%d]", key, list.field, j), "%q is not %s", n, list.what)
			}
		}
	}
}
