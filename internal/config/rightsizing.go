package config

import "time"

// Rightsizing says which VMs do nothing.
type Rightsizing struct {
	// Window is over how long a VM is looked at; one that was not there all the time is left out.
	Window Duration `yaml:"window"`
	// A VM is idle that used no more than all of these; the two in bytes are a second.
	IdleCPUCores float64 `yaml:"idle_cpu_cores"`
	IdleNetwork  Bytes   `yaml:"idle_network"`
	IdleDisk     Bytes   `yaml:"idle_disk"`
}

func (c Config) checkRightsizing(p *problems) {
	r := c.Rightsizing
	p.add(r.Window < Duration(time.Hour), "rightsizing.window", "is %s; the least is 1h, and what is judged over less than a week misses what runs at week-ends", time.Duration(r.Window))
	p.add(!(r.IdleCPUCores >= 0 && r.IdleCPUCores <= 1), "rightsizing.idle_cpu_cores", "is %g; what a VM uses that does nothing is some hundredths of a core, and not above 1", r.IdleCPUCores)
	p.add(r.IdleNetwork < 0, "rightsizing.idle_network", "is %d; give the bytes a second that a VM may have that does nothing", r.IdleNetwork)
	p.add(r.IdleDisk < 0, "rightsizing.idle_disk", "is %d; give the bytes a second that a VM may have that does nothing", r.IdleDisk)
}
