package plan

import (
	"math"
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

const (
	// setUpSeconds is what connecting, setting up and switching over take beside the copying.
	setUpSeconds = 1.0
	// converging is the dirty rate, as a share of the bandwidth, up to which pre-copy is taken to come to
	// an end by itself.
	converging = 0.8
	// stopSeconds is the stand-still that QEMU aims at: it switches over when what is left can be sent in
	// this time.
	stopSeconds = 0.3
	// slowdown is the share of its performance that a VM loses while it is moved: 10 % in the measurements
	// of Voorsluys and others, "Cost of Virtual Machine Live Migration in Clouds" (CloudCom 2009), also taken
	// by Beloglazov and Buyya (2012).
	slowdown = 0.1
	// copyCores is what sender and receiver spend together while they copy.
	copyCores = 2.0
	// leastMigrations is how many past migrations must be known before the bandwidth is learnt from them.
	leastMigrations = 3
)

// migration is what a live migration of one VM is expected to take.
type migration struct {
	seconds, downtimeSeconds float64
	// diverges tells that the guest writes faster than can be copied, so that it has to be slowed down.
	diverges bool
}

// link is what migrations run over.
type link struct {
	bytesPerSecond, downtimeSeconds float64
	learnt                          int
}

// learn takes the bandwidth from what past migrations reached, where there are enough of them, and never
// more than the policy allows.
func learn(s cluster.Snapshot, allowed float64) link {
	l := link{bytesPerSecond: allowed, downtimeSeconds: stopSeconds}
	var rates, stops []float64
	for _, v := range s.VMs {
		if m := v.LastMigration; m != nil && m.Seconds > 0 && m.TransferredBytes > 0 {
			rates = append(rates, float64(m.TransferredBytes)/m.Seconds)
			stops = append(stops, m.DowntimeSeconds)
		}
	}
	if len(rates) < leastMigrations {
		return l
	}
	slices.Sort(rates)
	slices.Sort(stops)
	l.learnt = len(rates)
	l.downtimeSeconds = stops[len(stops)/2]
	if middle := rates[len(rates)/2]; l.bytesPerSecond <= 0 || middle < l.bytesPerSecond {
		l.bytesPerSecond = middle
	}
	return l
}

// predict estimates a pre-copy migration. Every round sends what the last one let become dirty, which is a
// geometric series of the ratio r of dirty rate to bandwidth: memory / bandwidth / (1 - r). It is cut off
// where pre-copy would not converge. The model is that of Akoush and others, "Predicting the Performance
// of Virtual Machine Migration" (MASCOTS 2010).
func (l link) predict(v *cluster.VM) migration {
	m := migration{seconds: setUpSeconds, downtimeSeconds: l.downtimeSeconds}
	if l.bytesPerSecond <= 0 {
		return m
	}
	memory := float64(v.MemoryBytes)
	if v.MemoryDemandBytes > 0 {
		memory = min(memory, float64(v.MemoryDemandBytes))
	}
	r := v.DirtyBytesPerSecond.Value / l.bytesPerSecond
	m.diverges = r > converging
	m.seconds += memory / l.bytesPerSecond / (1 - min(r, 0.9))
	return m
}

// lostCoreSeconds is what the migration costs everybody: the copying, the VM's slowdown and its stand-still.
func (m migration) lostCoreSeconds(v *cluster.VM) float64 {
	return m.seconds*(copyCores+slowdown*v.CPUDemandCores) + m.downtimeSeconds*v.CPUDemandCores
}

// finite is a number that JSON can hold.
func finite(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return x
}
