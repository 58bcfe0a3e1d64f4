// Package planetlab replays a day of the public PlanetLab traces on the cluster and by the rules of
//
//	A. Beloglazov, R. Buyya, "Optimal online deterministic algorithms and adaptive heuristics for energy
//	and performance efficient dynamic consolidation of virtual machines in Cloud data centers",
//	Concurrency and Computation: Practice and Experience 24(13), 2012
//
// as CloudSim 3.0.3 has them, so that a policy's figures can be held against those of the heuristics of that
// paper. It has no clock, no chance and no detectors, gates or rules of placement: for these there is package
// simulator. The same traces and policy give the same report.
package planetlab

import "math"

// Interval is the time between two samples of a trace, and between two decisions.
const Interval = 300.0

// Samples is how many samples the trace of a VM has: a day.
const Samples = 288

// curvePoints is how many numbers a power curve has: at 0, 10, … 100 % of the CPU.
const curvePoints = 11

// HostType is a kind of host.
type HostType struct {
	Name  string
	Cores int
	// MIPS is what one core does.
	MIPS     float64
	MemoryMB int
	// Watts are drawn at 0, 10, … 100 % of the CPU, as SPECpower_ssj2008 measures them.
	Watts [curvePoints]float64
}

// Capacity is what all cores do together, in MIPS.
func (t HostType) Capacity() float64 { return float64(t.Cores) * t.MIPS }

// Power is what the host draws with that share of its CPU in use, between the points by a straight line.
func (t HostType) Power(utilisation float64) float64 {
	u := min(max(utilisation, 0), 1)
	low, high := int(math.Floor(u*10)), int(math.Ceil(u*10))
	slope := (t.Watts[high] - t.Watts[low]) / 10
	return t.Watts[low] + slope*(u-float64(low)/10)*100
}

// VMType is a size of VM. All have one vCPU.
type VMType struct {
	MIPS     float64
	MemoryMB int
}

// Trace is what one VM wanted, in percent of its MIPS, a number an Interval.
type Trace struct {
	Name    string
	Percent []int
}

// VM is one VM of a Setup.
type VM struct {
	VMType
	Trace Trace
}

// Setup is what there is at the beginning.
type Setup struct {
	Hosts []HostType
	VMs   []VM
	// Memory is enforced: no host gets more than it has. Otherwise only the first placement looks at it, as in the
	// figures of the paper.
	Memory bool
	Start  Start
}

// Start is how the VMs are placed before the first instant, each by all of its MIPS and memory.
type Start int

const (
	// FirstFit takes the first host with room.
	FirstFit Start = iota
	// PowerAware takes the host that draws the least more, of which an idle one is taken to be on.
	PowerAware
)

// Published is the setup of the paper: 800 hosts of two kinds by turns, and VMs of four sizes, a quarter each in
// the order of the traces.
func Published(traces []Trace, memory bool, start Start) Setup {
	const hosts = 800
	s := Setup{Memory: memory, Start: start}
	kinds := hostTypes()
	for i := range hosts {
		s.Hosts = append(s.Hosts, kinds[i%len(kinds)])
	}
	sizes := vmTypes()
	quarter := (len(traces) + len(sizes) - 1) / len(sizes)
	for i, t := range traces {
		s.VMs = append(s.VMs, VM{VMType: sizes[i/quarter], Trace: t})
	}
	return s
}

func hostTypes() []HostType {
	return []HostType{
		{Name: "HP ProLiant ML110 G4", Cores: 2, MIPS: 1860, MemoryMB: 4096,
			Watts: [curvePoints]float64{86, 89.4, 92.6, 96, 99.5, 102, 106, 108, 112, 114, 117}},
		{Name: "HP ProLiant ML110 G5", Cores: 2, MIPS: 2660, MemoryMB: 4096,
			Watts: [curvePoints]float64{93.7, 97, 101, 105, 110, 116, 121, 125, 129, 133, 135}},
	}
}

func vmTypes() []VMType {
	return []VMType{{MIPS: 2500, MemoryMB: 870}, {MIPS: 2000, MemoryMB: 1740}, {MIPS: 1000, MemoryMB: 1740}, {MIPS: 500, MemoryMB: 613}}
}

// demand is what the VM wants at t seconds, in MIPS: between two samples by a straight line, and the last one
// again at the end.
func (v VM) demand(t float64) float64 {
	at := t / Interval
	low := min(int(at), len(v.Trace.Percent)-1)
	high := min(low+1, len(v.Trace.Percent)-1)
	a, b := float64(v.Trace.Percent[low])/100, float64(v.Trace.Percent[high])/100
	return v.MIPS * (a + (b-a)/Interval*(t-float64(low)*Interval))
}
