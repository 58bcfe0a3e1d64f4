package planetlab

import "slices"

const (
	// end is when no more decisions are made, and firstInstant is how far they are off the samples: VMs exist only
	// then.
	end          = 86_400.0
	firstInstant = 0.1
)

// Move is the migration of a VM to a host, both by their places in the setup.
type Move struct{ VM, To int }

// Policy decides what moves.
type Policy interface {
	// Decide is asked every Interval. What it returns is begun at once, in that order; what is not legal is
	// refused. The state is only lent.
	Decide(s State) []Move
}

// State is what a policy sees: what a monitor outside the VMs would show, and nothing that is to come.
type State struct {
	// Now is how many seconds have passed.
	Now   float64
	Hosts []HostState
	VMs   []VMState
	// Memory tells that moves that need more memory than a host has are refused.
	Memory bool
}

// HostState is a host in a State.
type HostState struct {
	HostType
	// VMs lists those on the host by their places in the setup, in the order in which they came.
	VMs []int
	// Load is the CPU in use, in MIPS. A host without load is off.
	Load float64
}

// VMState is a VM in a State.
type VMState struct {
	VMType
	// Host is where it runs, -1 when it has ended.
	Host int
	// Wanted is what it wants now, in MIPS. Samples are what it wanted at each decision until now, the oldest first.
	Wanted  float64
	Samples []float64
}

// Report says what came of a day.
type Report struct {
	Hosts int `json:"hosts"`
	VMs   int `json:"vms"`
	// EnergyKWh is what all hosts drew; one without load draws nothing.
	EnergyKWh float64 `json:"energy_kwh"`
	// Migrations were begun, Refused were asked for and not legal.
	Migrations int `json:"migrations"`
	Refused    int `json:"refused"`
	// SLATAH is the paper's SLA violation time per active host: the share of the active hosts' time in which the VMs
	// on a host, those on their way to it included, did not get all that they wanted.
	SLATAH float64 `json:"slatah"`
	// PDM is the performance degradation due to migrations: what VMs did not get while they moved, as a share of what
	// all wanted.
	PDM float64 `json:"pdm"`
	// SLAV is SLATAH times PDM.
	SLAV float64 `json:"slav"`
	// Contended is the share of what was wanted that was not had, for whatever reason.
	Contended float64 `json:"contended"`
	// ActiveHosts is the mean number of hosts with load.
	ActiveHosts float64 `json:"active_hosts"`
	// Live is how many VMs there were at each decision.
	Live []int `json:"-"`
}

// meter adds up what the report is made of.
type meter struct {
	joules               float64
	time                 float64
	active, violated     float64
	wanted, lost, missed float64
}

// Run goes through a day. Without a policy nothing moves.
func Run(s Setup, p Policy) Report {
	w := newWorld(s)
	w.place(s.Start)
	r := Report{Hosts: len(s.Hosts), VMs: len(s.VMs)}
	var m meter
	for t := firstInstant + Interval; t <= end; t += Interval {
		w.advance(t, &m)
		w.sample()
		r.Live = append(r.Live, w.live())
		if p == nil {
			continue
		}
		begun := w.begin(p.Decide(w.state()), &r)
		w.share()
		w.finish(begun, &m)
	}
	r.EnergyKWh = m.joules / 3.6e6
	r.SLATAH, r.PDM = ratio(m.violated, m.active), ratio(m.lost, m.wanted)
	r.SLAV, r.Contended = r.SLATAH*r.PDM, ratio(m.missed, m.wanted)
	r.ActiveHosts = ratio(m.active, m.time)
	return r
}

// NonPowerAwareKWh is what the hosts draw when all of them are fully loaded from the beginning to the last decision,
// the paper's non power aware policy.
func NonPowerAwareKWh(s Setup) float64 {
	watts := 0.0
	for _, h := range s.Hosts {
		watts += h.Power(1)
	}
	return watts * (end - Interval) / 3.6e6
}

func ratio(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return part / whole
}

func newWorld(s Setup) *world {
	w := &world{memory: s.Memory}
	for _, t := range s.Hosts {
		w.hosts = append(w.hosts, host{HostType: t})
	}
	for _, v := range s.VMs {
		w.vms = append(w.vms, vm{VM: v, host: -1, to: -1})
	}
	return w
}

// advance goes to the instant: until then all stays as it is, but for the energy, which is taken to go on a straight
// line. Nothing is counted before the first instant, since nobody has looked before.
func (w *world) advance(to float64, m *meter) {
	dt := to - w.now
	before := make([]float64, len(w.hosts))
	for i := range w.hosts {
		before[i] = w.hosts[i].utilisation()
	}
	w.count(dt, m)
	w.now = to
	w.see()
	w.share()
	for i, u := range before {
		if u > 0 {
			h := &w.hosts[i]
			m.joules += (h.Power(u) + h.Power(h.utilisation())) / 2 * dt
		}
	}
	w.retire()
}

// count adds up what was had and missed in a time.
func (w *world) count(dt float64, m *meter) {
	looked := false
	for i := range w.hosts {
		h := &w.hosts[i]
		if h.load <= 0 {
			continue
		}
		looked = true
		m.active += dt
		if h.load < h.requested {
			m.violated += dt
		}
	}
	if looked {
		m.time += dt
	}
	for i := range w.vms {
		v := &w.vms[i]
		if v.gone {
			continue
		}
		m.wanted += v.requested * dt
		m.missed += (v.requested - v.allocated) * dt
		if v.moving() {
			m.lost += (v.requested - v.allocated) * dt
		}
	}
}

func (w *world) sample() {
	for i := range w.vms {
		if v := &w.vms[i]; !v.gone {
			v.samples = append(v.samples, v.requested)
		}
	}
}

func (w *world) live() int {
	n := 0
	for i := range w.vms {
		if !w.vms[i].gone {
			n++
		}
	}
	return n
}

// state is what the policy is shown. Nothing moves at a decision: the longest migration takes a tenth of the time
// between two.
func (w *world) state() State {
	s := State{Now: w.now, Memory: w.memory, Hosts: make([]HostState, len(w.hosts)), VMs: make([]VMState, len(w.vms))}
	for i := range w.hosts {
		h := &w.hosts[i]
		s.Hosts[i] = HostState{HostType: h.HostType, VMs: slices.Clone(h.vms), Load: h.load}
	}
	for i := range w.vms {
		v := &w.vms[i]
		s.VMs[i] = VMState{VMType: v.VMType, Host: v.host, Wanted: v.requested, Samples: v.samples}
		if v.gone {
			s.VMs[i].Host, s.VMs[i].Wanted = -1, 0
		}
	}
	return s
}

// begin begins the moves that are legal.
func (w *world) begin(moves []Move, r *Report) []Move {
	begun := make([]Move, 0, len(moves))
	for _, m := range moves {
		if !w.legal(m) {
			r.Refused++
			continue
		}
		w.depart(m.VM, m.To)
		begun = append(begun, m)
	}
	r.Migrations += len(begun)
	return begun
}

// legal tells whether the move can be begun: the VM is there and does not move yet, and the host has memory where
// that is enforced.
func (w *world) legal(m Move) bool {
	if m.VM < 0 || m.VM >= len(w.vms) || m.To < 0 || m.To >= len(w.hosts) {
		return false
	}
	v := &w.vms[m.VM]
	return !v.gone && !v.moving() && v.host != m.To && (!w.memory || w.memoryMB(m.To)+v.MemoryMB <= w.hosts[m.To].MemoryMB)
}

// finish goes on until the moves have ended, those of small VMs first.
func (w *world) finish(moves []Move, m *meter) {
	took := func(move Move) float64 { return float64(w.vms[move.VM].MemoryMB) / migrationBandwidth }
	slices.SortStableFunc(moves, func(a, b Move) int { return w.vms[a.VM].MemoryMB - w.vms[b.VM].MemoryMB })
	began := w.now
	for len(moves) > 0 {
		w.advance(began+took(moves[0]), m)
		n := 1
		for n < len(moves) && took(moves[n]) == took(moves[0]) {
			n++
		}
		for _, move := range moves[:n] {
			w.arrive(move.VM)
		}
		moves = moves[n:]
		w.share()
		w.retire()
	}
}
