package planetlab

import (
	"math"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/consolidate"
)

// What evenkeel's own policy expects of VMs of which nothing but their CPU is known, and what it asks for. It is one
// setting for all days, with memory and without.
const (
	// upper and risk are less careful than the default: what matters here is energy.
	upper, risk = 0.85, 1.75
	// emptyEvery is at how many decisions hosts are emptied: at the first and then every twenty minutes, since what ends
	// meanwhile need not move. Relief waits for nothing.
	emptyEvery = 4
	// recent is how many samples count, two hours.
	recent = 24
	// priorSamples is how many samples the mean of all VMs is worth beside a VM's own.
	priorSamples = 4
	// peakDeviations is how far above its mean a VM is expected to reach at most.
	peakDeviations = 3
	// moveWh and moveWhPerMB are what a move has to earn.
	moveWh, moveWhPerMB = 20, 0.016
	// idleLife is how long a VM that does nothing is expected to run on, and twicePercent at which share of its CPU in
	// use it is twice that; with more it grows as the square.
	idleLife     = time.Hour
	twicePercent = 2
)

// Consolidation returns evenkeel's own policy: package consolidate, on what the samples let expect.
func Consolidation() Policy { return consolidation{} }

type consolidation struct{}

// Decide makes a plan for the cluster as it is expected to be.
func (consolidation) Decide(s State) []Move {
	p := consolidate.Default()
	// Hosts may be used in full before VMs leave, and any may be emptied.
	p.Upper, p.Tolerance, p.Lower, p.Risk = upper, 1-upper, upper, risk
	p.Horizon = min(p.Horizon, time.Duration((end-s.Now)*float64(time.Second)))
	p.MaxMoves, p.MaxFree = len(s.VMs), 0
	if k := int(s.Now / Interval); k == 1 || k%emptyEvery == 0 {
		p.MaxFree = len(s.Hosts)
	}
	var moves []Move
	for _, m := range consolidate.Make(s.cluster(), p).Moves {
		moves = append(moves, Move{VM: m.Item, To: m.To})
	}
	return moves
}

// cluster is the state as package consolidate wants it.
func (s State) cluster() consolidate.Cluster {
	var c consolidate.Cluster
	fastest := 0.0
	for _, h := range s.Hosts {
		bin := consolidate.Bin{CPU: h.Capacity(), Watts: h.Watts[:], On: len(h.VMs) > 0}
		if s.Memory {
			bin.Memory = int64(h.MemoryMB)
		}
		c.Bins = append(c.Bins, bin)
		fastest = max(fastest, h.MIPS)
	}
	prior := s.prior()
	peaks := make([]float64, len(s.VMs))
	for i, v := range s.VMs {
		item := consolidate.Item{Bin: v.Host, Memory: int64(v.MemoryMB), CPU: v.Wanted, CostWh: moveWh + moveWhPerMB*float64(v.MemoryMB)}
		if v.Host >= 0 {
			own := observe(v.recent())
			believed := prior.with(own)
			item.Mean, item.Deviation = v.MIPS*believed.mean, v.MIPS*math.Sqrt(believed.variance*(1+1/own.n))
			item.Life = life(100 * own.mean)
			item.Leave = v.unserved(s.Hosts[v.Host].MIPS, fastest)
			peaks[i] = min(item.Mean+peakDeviations*item.Deviation, v.MIPS)
			for _, x := range v.Samples {
				peaks[i] = max(peaks[i], x)
			}
		}
		c.Items = append(c.Items, item)
	}
	// A vCPU gets no more than one core has.
	c.Legal = func(i, b int) bool { return peaks[i] <= s.Hosts[b].MIPS || s.Hosts[b].MIPS == fastest }
	return c
}

// unserved tells that the VM wants more than a core of its host has, for the second time at least, and that there are
// faster ones.
func (v VMState) unserved(core, fastest float64) bool {
	if v.Wanted <= core || core == fastest {
		return false
	}
	times := 0
	for _, x := range v.Samples {
		if x > core {
			times++
		}
	}
	return times > 1
}

// life is for how long a VM is expected to run on that uses so many percent of its CPU: those that do next to nothing
// end first.
func life(percent float64) time.Duration {
	return time.Duration(float64(idleLife) * (1 + math.Pow(percent/twicePercent, 2)))
}

// moments are the mean and variance of n shares of a VM's CPU.
type moments struct{ n, mean, variance float64 }

func observe(shares []float64) moments {
	m := moments{n: float64(len(shares))}
	for _, x := range shares {
		m.mean += x / m.n
	}
	for _, x := range shares {
		m.variance += (x - m.mean) * (x - m.mean)
	}
	if m.n > 1 {
		m.variance /= m.n - 1
	}
	return m
}

// recent are the newest samples as shares of the VM's MIPS.
func (v VMState) recent() []float64 {
	var shares []float64
	for _, x := range v.Samples[max(0, len(v.Samples)-recent):] {
		shares = append(shares, x/v.MIPS)
	}
	return shares
}

// prior is what is expected of a VM of which nothing is known: the mean of all, and the mean variance of each. Until
// anybody has more than one sample, half of the variance between VMs is taken for that within one.
func (s State) prior() moments {
	var means []float64
	var within, seen float64
	for _, v := range s.VMs {
		if v.Host < 0 {
			continue
		}
		m := observe(v.recent())
		means = append(means, m.mean)
		if m.n > 1 {
			within, seen = within+m.variance, seen+1
		}
	}
	all := observe(means)
	if seen > 0 {
		return moments{n: priorSamples, mean: all.mean, variance: within / seen}
	}
	return moments{n: priorSamples, mean: all.mean, variance: all.variance / 2}
}

// with is what is believed after so many samples of the VM's own. The variance that is expected of it grows with its mean.
func (m moments) with(own moments) moments {
	mean := (m.n*m.mean + own.n*own.mean) / (m.n + own.n)
	variance := m.variance * ratio(mean, m.mean)
	return moments{n: m.n + own.n, mean: mean, variance: (m.n*variance + (own.n-1)*own.variance) / (m.n + own.n - 1)}
}
