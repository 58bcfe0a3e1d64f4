package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func vmSettings() family {
	const source = "GetXMLDesc metadata"
	settings := info("evenkeel_vm_settings_info", "What the VM's metadata say to evenkeel; empty where they say nothing; 1.", source, everywhere, "vm", "automation", "restart_priority")
	tag := info("evenkeel_vm_tag_info", "A tag from the VM's metadata; 1.", source, everywhere, "vm", "tag")
	problem := info("evenkeel_vm_settings_problem_info", "What of the VM's metadata evenkeel cannot use; 1.", source, everywhere, "vm", "problem")
	return family{name: "vm_settings", reads: stat.ReadDefinitions, metrics: []*metric{settings, tag, problem}, write: func(h *stat.Host, out *page) {
		for _, v := range h.VMs {
			if v.Definition == nil {
				continue
			}
			s := v.Definition.Settings
			if s.Automation != "" || s.RestartPriority != "" {
				out.put(settings, 1, v.UUID, s.Automation, s.RestartPriority)
			}
			for _, t := range s.Tags {
				out.put(tag, 1, v.UUID, t)
			}
			if s.Problem != "" {
				out.put(problem, 1, v.UUID, s.Problem)
			}
		}
	}}
}
