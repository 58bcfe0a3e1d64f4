package console

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// subject is the page of a host or of a VM.
type subject struct {
	Name string
	// At is when it was seen like this.
	At    time.Time
	Host  *tile
	VM    *cluster.VM
	Score *cluster.VMScore
	// Shares are what the VM has, wants and gets; Burdens what the host has, is wanted of it and was promised.
	Shares  []share
	Burdens []burden
	Machine *cluster.Host
	Watch   *cluster.HostWatch
	VMs     []neighbour
	// Hosts are all of the cluster's.
	Hosts    []cluster.Host
	Findings []finding
	// Why says why what is advised is advised, or nothing; Unexplained why that cannot be said.
	Why         any
	Unexplained string
	// Candidates are the hosts that a VM could go to, and what each would bring or forbids it.
	Candidates []cluster.Candidate
	Cases      []cluster.Case
	// Ended is what happened to it, MoreEnded that there is more of that.
	Ended     []cluster.Case
	MoreEnded bool
	// Rules are those that name it.
	Rules []ruled
	// Definitions are the versions of what the VM is defined by that are kept, Undefined why they cannot be listed.
	Definitions []cluster.Definition
	Undefined   string
	// Travels are its moves, of a host those from and to it.
	Travels travels
	Past    past
}

// ruled is a rule that names a VM or a host.
type ruled struct {
	Name, Kind, Strength string
	// Broken is how many VMs would have to move for it to hold.
	Broken int
}

// rulesOn are those for which the place in the snapshot is among the VMs or hosts that they name.
func rulesOn(s cluster.Snapshot, named func(cluster.RuleState) []int, at int) []ruled {
	var all []ruled
	for _, st := range cluster.NewPlacement(s).RuleStates() {
		if slices.Contains(named(st), at) {
			all = append(all, ruled{st.Rule.Name, st.Rule.Kind.String(), st.Rule.Strength.String(), st.Violations})
		}
	}
	return all
}

// neighbour is a VM in a table.
type neighbour struct {
	cluster.VM
	Score string
	Level level
}

func (c *Console) host(r *http.Request, p person) (name, title, here string, body any, err error) {
	ctx, key := r.Context(), r.PathValue("name")
	board, err := p.client.Board(ctx)
	if err != nil {
		return "", "", "", nil, err
	}
	at := slices.IndexFunc(board.Loads, func(l cluster.Load) bool { return l.Host == key })
	if at < 0 {
		return "", "", "", nil, absent("host", key)
	}
	made := newTile(board.Snapshot, board.Loads[at], board.Findings, p.status.Orders)
	v := subject{Name: key, At: board.Snapshot.At, Host: &made, VMs: neighbours(board.Snapshot, board.Scores, key), Hosts: board.Snapshot.Hosts}
	if at := slices.IndexFunc(board.Snapshot.Hosts, func(h cluster.Host) bool { return h.ID == key }); at >= 0 {
		v.Machine, v.Burdens = &board.Snapshot.Hosts[at], burdensOf(board.Snapshot, at)
	}
	if watched, err := p.client.Hosts(ctx); err == nil { // nobody need look after the hosts
		if i := slices.IndexFunc(watched, func(w cluster.HostWatch) bool { return w.Host == key }); i >= 0 {
			v.Watch = &watched[i]
		}
	}
	v.Findings = about(findingsOf(board.Findings, board.Snapshot), cluster.HostSubject(key))
	if err := v.tell(r, p, key, !made.Physical); err != nil {
		return "", "", "", nil, err
	}
	v.Rules = rulesOn(board.Snapshot, func(st cluster.RuleState) []int { return st.Hosts },
		slices.IndexFunc(board.Snapshot.Hosts, func(h cluster.Host) bool { return h.ID == key }))
	if !made.Physical {
		to := time.Now().Truncate(time.Second)
		v.Travels = p.travels(r, to.Add(-hostMoves), to, "", func(m cluster.Move) bool { return m.From == key || m.To == key })
	}
	v.Past = pastOf(r, p, cluster.HostSubject(key), hostPlots())
	return "host", key, "overview", v, nil
}

func (c *Console) vm(r *http.Request, p person) (name, title, here string, body any, err error) {
	ctx, id := r.Context(), r.PathValue("id")
	board, err := p.client.Board(ctx)
	if err != nil {
		return "", "", "", nil, err
	}
	vm, ok := board.Snapshot.VM(id)
	if !ok {
		return c.gone(r, p, id, board.Snapshot.At)
	}
	v := subject{Name: vm.Label(), At: board.Snapshot.At, VM: &vm, Shares: sharesOf(vm), VMs: neighbours(board.Snapshot, board.Scores, vm.Host), Hosts: board.Snapshot.Hosts}
	v.VMs = slices.DeleteFunc(v.VMs, func(n neighbour) bool { return n.ID == id })
	if i := slices.IndexFunc(board.Scores, func(s cluster.VMScore) bool { return s.VM == id }); i >= 0 {
		v.Score = &board.Scores[i]
	}
	if at := slices.IndexFunc(board.Loads, func(l cluster.Load) bool { return l.Host == vm.Host && vm.Host != "" }); at >= 0 {
		made := newTile(board.Snapshot, board.Loads[at], board.Findings, p.status.Orders)
		v.Host = &made
	}
	v.Findings = about(findingsOf(board.Findings, board.Snapshot), cluster.VMSubject(id))
	if err := v.tell(r, p, id, true); err != nil {
		return "", "", "", nil, err
	}
	v.Rules = rulesOn(board.Snapshot, func(st cluster.RuleState) []int { return st.VMs },
		slices.IndexFunc(board.Snapshot.VMs, func(one cluster.VM) bool { return one.ID == id }))
	if v.Definitions, err = p.client.Definitions(ctx, id); err != nil {
		v.Undefined = err.Error()
	}
	to := time.Now().Truncate(time.Second)
	v.Travels = p.travels(r, to.Add(-vmMoves), to, id, func(m cluster.Move) bool { return m.VM == id })
	v.Past = pastOf(r, p, cluster.VMSubject(id), vmPlots())
	return "vm", v.Name, "overview", v, nil
}

// tell adds what is, was and is not done about it.
func (v *subject) tell(r *http.Request, p person, key string, planned bool) error {
	for _, one := range p.Cases {
		a := one.Recommendation.Action
		if slices.Contains(a.Hosts(), key) || a.VM == key {
			v.Cases = append(v.Cases, one)
		}
	}
	if why, err := p.client.Explain(r.Context(), key, time.Time{}); err == nil {
		v.Why, v.Candidates = why, why.Candidates
	} else if planned {
		v.Unexplained = err.Error()
	}
	var err error
	v.Ended, v.MoreEnded, err = p.ended(r, key)
	return err
}

// absent is the answer about what is not there.
func absent(kind, name string) error {
	return &api.RefusedError{Status: http.StatusNotFound, Problem: api.Problem{Error: fmt.Sprintf("there is no %s %q now", kind, name)}}
}

func about(list []finding, subject string) []finding {
	return slices.DeleteFunc(list, func(f finding) bool { return f.Subject != subject })
}

// neighbours are the VMs on a host, those that want most first.
func neighbours(s cluster.Snapshot, scores []cluster.VMScore, host string) []neighbour {
	byID := map[string]float64{}
	for _, one := range scores {
		byID[one.VM] = one.Score
	}
	var all []neighbour
	for _, vm := range s.VMs {
		if vm.Host != host || host == "" {
			continue
		}
		n := neighbour{VM: vm, Score: "–"}
		if score, ok := byID[vm.ID]; ok {
			n.Score, n.Level = fmt.Sprintf("%.0f", score), levelOf(score)
		}
		all = append(all, n)
	}
	slices.SortFunc(all, func(x, y neighbour) int {
		return cmp.Or(cmp.Compare(y.CPUDemandCores, x.CPUDemandCores), cmp.Compare(x.Label(), y.Label()))
	})
	return all
}
