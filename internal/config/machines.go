package config

import (
	"fmt"
	"net"
)

// Machine is a computer without a hypervisor that is to be seen beside the hosts. Nothing is done with it.
type Machine struct {
	Name string `yaml:"name"`
	// NodeExporter is the address of its node_exporter, for the embedded Prometheus.
	NodeExporter string `yaml:"node_exporter"`
	// Instance is the label of that name which its series have in Prometheus.
	Instance string   `yaml:"instance"`
	Tags     []string `yaml:"tags"`
}

func (c Config) checkMachines(p *problems) {
	names, instances := map[string]bool{}, map[string]bool{}
	for _, h := range c.Hosts {
		names[h.Name] = true
	}
	for i, m := range c.Machines {
		key := fmt.Sprintf("machines[%d]", i)
		p.add(m.Name == "", key+".name", "is missing")
		p.add(names[m.Name], key+".name", "%q stands twice among hosts and machines", m.Name)
		p.add(m.Instance == "", key+".node_exporter", "is missing; write host:port, for example %s:9100, or give the instance that an external Prometheus knows it by", m.Name)
		p.add(m.Instance != "" && instances[m.Instance], key+".instance", "%q stands twice", m.Instance)
		if m.NodeExporter != "" {
			_, port, err := net.SplitHostPort(m.NodeExporter)
			p.add(err != nil || port == "", key+".node_exporter", "%q is no address; write host:port, for example %s:9100", m.NodeExporter, m.Name)
		}
		names[m.Name], instances[m.Instance] = true, true
	}
}
