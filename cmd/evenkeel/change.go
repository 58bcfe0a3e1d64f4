package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/alecthomas/units"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/spf13/pflag"
)

// changeFlags ask what would be.
type changeFlags struct {
	remove, fail, domains, hosts, vms []string
}

func (c *changeFlags) register(f *pflag.FlagSet) {
	f.StringArrayVar(&c.remove, "remove-host", nil, "what if this host were emptied; may be given several times")
	f.StringArrayVar(&c.fail, "fail-host", nil, "what if this host failed now")
	f.StringArrayVar(&c.domains, "fail-domain", nil, "what if all hosts of this failure domain failed now")
	f.StringArrayVar(&c.hosts, "add-host", nil, "what if there were this host too: name=h9,like=h1 or name=h9,cores=32,memory=256GiB")
	f.StringArrayVar(&c.vms, "add-vm", nil, "what if this VM were to be started: name=web9,vcpus=4,memory=8GiB[,like=web1][,tags=a+b]")
}

func (c *changeFlags) given() bool {
	return len(c.remove)+len(c.fail)+len(c.domains)+len(c.hosts)+len(c.vms) > 0
}

func (c *changeFlags) apply(s cluster.Snapshot) (cluster.Snapshot, []string, error) {
	if !c.given() {
		return s, nil, nil
	}
	change := plan.Change{RemoveHosts: c.remove, FailHosts: c.fail, FailDomains: c.domains}
	for _, text := range c.hosts {
		h, err := newHost(s, text)
		if err != nil {
			return s, nil, fmt.Errorf("--add-host %s: %w", text, err)
		}
		change.AddHosts = append(change.AddHosts, h)
	}
	for _, text := range c.vms {
		v, err := newVM(s, text)
		if err != nil {
			return s, nil, fmt.Errorf("--add-vm %s: %w", text, err)
		}
		change.AddVMs = append(change.AddVMs, v)
	}
	return change.Apply(s)
}

// words splits name=h9,cores=32.
func words(text string, known ...string) (map[string]string, error) {
	m := map[string]string{}
	for _, word := range strings.Split(text, ",") {
		key, value, ok := strings.Cut(word, "=")
		if !ok || value == "" || !strings.Contains(" "+strings.Join(known, " ")+" ", " "+key+" ") {
			return nil, fmt.Errorf("%q is not understood; write key=value with the keys %s", word, strings.Join(known, ", "))
		}
		m[key] = value
	}
	if m["name"] == "" {
		return nil, fmt.Errorf("name= is missing")
	}
	return m, nil
}

func newHost(s cluster.Snapshot, text string) (cluster.Host, error) {
	m, err := words(text, "name", "like", "cores", "memory", "domain")
	if err != nil {
		return cluster.Host{}, err
	}
	like := m["like"]
	if like == "" && len(s.Hosts) > 0 {
		like = s.Hosts[0].ID // what it reaches has to be said by some host
	}
	h, ok := s.Host(like)
	if !ok {
		return h, fmt.Errorf("there is no host %q to be like", like)
	}
	h.ID, h.State, h.Faults = m["name"], cluster.HostUp, nil
	if text := m["domain"]; text != "" {
		h.FailureDomain = text
	}
	if text := m["cores"]; text != "" {
		if h.CPUCores, err = strconv.ParseFloat(text, 64); err != nil || h.CPUCores <= 0 {
			return h, fmt.Errorf("cores: %q is no number of cores", text)
		}
	}
	return h, parseSize(m["memory"], &h.MemoryBytes)
}

func newVM(s cluster.Snapshot, text string) (cluster.VM, error) {
	m, err := words(text, "name", "like", "vcpus", "memory", "tags")
	if err != nil {
		return cluster.VM{}, err
	}
	var v cluster.VM
	if like := m["like"]; like != "" {
		found := s.FindVMs(like)
		if len(found) != 1 {
			return v, fmt.Errorf("there are %d VMs %q to be like; name one", len(found), like)
		}
		v = found[0]
	}
	v.ID, v.Name, v.Host, v.RecentHosts, v.MovesLastDay = m["name"], m["name"], "", nil, 0
	if text := m["vcpus"]; text != "" {
		if v.VCPUs, err = strconv.Atoi(text); err != nil || v.VCPUs < 1 {
			return v, fmt.Errorf("vcpus: %q is no number of vCPUs", text)
		}
		v.CPUDemandCores = 0
	}
	if text := m["tags"]; text != "" {
		v.Tags = strings.Split(text, "+")
	}
	if err := parseSize(m["memory"], &v.MemoryBytes); err != nil {
		return v, err
	}
	if m["memory"] != "" {
		v.MemoryDemandBytes = 0
	}
	if v.VCPUs == 0 || v.MemoryBytes == 0 {
		return v, fmt.Errorf("vcpus= and memory= are needed, or like= a VM that has them")
	}
	return v, nil
}

// parseSize reads a size with its unit, where one is given.
func parseSize(text string, into *int64) error {
	if text == "" {
		return nil
	}
	n, err := units.ParseStrictBytes(text)
	if err != nil || n <= 0 {
		return fmt.Errorf("memory: %q is no size; write for example 8GiB", text)
	}
	*into = n
	return nil
}
