package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

const (
	// roomy is up to how many hosts a tile shows the VMs, mostTiles how many tiles a page has, mostBlocks how many VMs a tile.
	roomy, mostTiles, mostBlocks = 60, 240, 40
	// mostListed is how many findings, and how many of yesterday's actions, the overview shows.
	mostListed = 6
	// mostFindings is how many can be unfolded.
	mostFindings = 200
	// fetched is how much of the history is asked for: more than a day's worth of it is rare.
	fetched = 200
)

// overview is the page of the whole cluster.
type overview struct {
	// Unseen says why there is no board yet.
	Unseen string
	Score  float64
	Lost   []loss
	Hosts  []tile
	Hidden int
	Total  int
	Dense  bool
	// Query and State are the filter, States what it can be.
	Query, State string
	States       []string
	Up, Running  int
	// Trouble are the machines that do not do well, Troubled how many there are, MoreTrouble how many of them are not listed.
	Trouble     []trouble
	Troubled    int
	MoreTrouble int
	// Worries are what else keeps the cluster from an even keel.
	Worries   []string
	Cases     []cluster.Case
	MoreCases int
	Findings  []finding
	// Later are the findings after the first.
	Later        []finding
	MoreFindings int
	Ended        []cluster.Case
	// Since is from when on the actions of the day are shown, where that is not all of it.
	Since   time.Time
	Waiting any
	// Armed says what happens by itself when something fails.
	Armed   string
	Power   *cluster.PowerStatus
	Stopped string
	Orders  []order
	Past    past
	// Before says what the score was.
	Before string
	// Hours is over how long numbers are shown, where somebody chose it.
	Hours string
	// Group is by what the machines are put together, Groupings what that can be.
	Group     string
	Groupings []string
	Groups    []group
	// MoreGroups is how many there are beside those shown, Alone which one is shown by itself.
	MoreGroups int
	Alone      string
	Day        day
	// Said are what people and runbooks ordered in the last 24 hours, LaterSaid those after the first, SaidSince from when on they are known, where that
	// is not all of it.
	Said, LaterSaid []cluster.JournalLine
	SaidSince       time.Time
	// LaterEnded are the actions after the first.
	LaterEnded []cluster.Case
}

// loss is what one cause costs of the score.
type loss struct {
	Name, Class string
	Points      float64
	// At is where its part of the bar begins.
	At float64
}

// tile is one machine.
type tile struct {
	Name, State, Kind, Note string
	Physical                bool
	CPU, Memory             bar
	// Waits says how much of the time tasks waited for something, as the kernel's pressure tells; "" where it does not.
	Waits             string
	VMs               int
	Blocks            []block
	More              int
	Findings          int
	Domain            string
	Tags              []string
	busy, cpu, memory float64
	trouble           bool
}

// block is one VM on a tile.
type block struct {
	ID, Title, Class, Mark string
	Size                   int
}

// finding is one with what it is about as a link.
type finding struct {
	cluster.Finding
	Link, About string
}

// order is one in force, as a sentence.
type order struct{ Word, Sentence string }

func (c *Console) overview(r *http.Request, p person) (name, title, here string, body any, err error) {
	v := overview{Query: strings.TrimSpace(r.URL.Query().Get("q")), State: r.URL.Query().Get("state"), Group: r.URL.Query().Get("group"), Groupings: groupings(), States: append(cluster.HostStates(), cluster.KindPhysical)}
	v.Hours = r.URL.Query().Get("hours")
	v.Orders = ordersOf(p.status.Orders)
	v.Cases, v.MoreCases = firstOf(p.Cases, 2*mostListed)
	ctx := r.Context()
	board, err := p.client.Board(ctx)
	if refused := (*api.RefusedError)(nil); errors.As(err, &refused) && refused.Status == http.StatusServiceUnavailable {
		v.Unseen = err.Error()
		return "overview", "Overview", "overview", v, nil
	}
	if err != nil {
		return "", "", "", nil, err
	}
	v.Score, v.Lost, v.Stopped = board.Lost.Score(), losses(board.Lost), board.Plan.StoppedBecause
	shown, more := firstOf(findingsOf(board.Findings, board.Snapshot), mostFindings)
	v.Findings, v.Later, v.MoreFindings = shown[:min(mostListed, len(shown))], shown[min(mostListed, len(shown)):], more
	for _, vm := range board.Snapshot.VMs {
		if vm.State == cluster.VMRunning {
			v.Running++
		}
	}
	for _, l := range board.Loads {
		if l.State == cluster.HostUp {
			v.Up++
		}
	}
	v.Total = len(board.Loads)
	now := time.Now()
	all := troubles(board.Loads, board.Findings, func(host string) bool {
		order := p.status.Orders.Standby(host, now)
		return order != nil && !order.Rest.Asleep.IsZero() // until then it is a host like others
	})
	v.Troubled = len(all)
	v.Trouble, v.MoreTrouble = firstOf(all, mostListed)
	v.tiles(r.URL.Query(), board.Snapshot, board.Loads, board.Scores, board.Findings, p.status.Orders, all)
	if err := v.yesterday(ctx, p.client, now); err != nil {
		return "", "", "", nil, err
	}
	needs := 0
	if waiting, err := p.client.Failures(ctx); err == nil { // a server need not look after failures, nor after power
		v.Waiting = waiting
		for _, one := range waiting {
			if one.Stuck {
				needs++
			}
		}
	}
	v.Worries = worries(v.Score, len(board.Scores), board.Lost, p.status, needs)
	v.Armed = armed(ctx, p)
	if power, err := p.client.Power(ctx); err == nil {
		v.Power = &power
	}
	v.Past = pastOf(r, p, "cluster", clusterPlots())
	v.Before = v.Past.Before(v.Score)
	return "overview", "Overview", "overview", v, nil
}

// yesterday fills in what was done and ordered in the last 24 hours.
func (v *overview) yesterday(ctx context.Context, client *api.Client, now time.Time) error {
	begin := now.Add(-24 * time.Hour)
	ended, err := client.History(ctx, "", fetched)
	if err != nil {
		return err
	}
	if len(ended) == fetched && ended[fetched-1].Updated.After(begin) {
		v.Since = ended[fetched-1].Updated
	}
	ended = slices.DeleteFunc(ended, func(one cluster.Case) bool { return one.Updated.Before(begin) || one.State == cluster.CaseExpired })
	v.Ended, v.LaterEnded = ended[:min(3*mostListed, len(ended))], ended[min(3*mostListed, len(ended)):]
	var said []cluster.JournalLine
	if page, err := client.Journal(ctx, api.JournalQuery{Limit: fetched}); err == nil { // a server need not keep one
		if n := len(page.Entries); page.Before > 0 && n > 0 && page.Entries[n-1].At.After(begin) {
			v.SaidSince = page.Entries[n-1].At
		}
		said = slices.DeleteFunc(page.Entries, func(e cluster.JournalLine) bool {
			return e.At.Before(begin) || !slices.Contains([]cluster.EntryKind{cluster.EntryOrdered, cluster.EntryLifted, cluster.EntryTrust, cluster.EntryRun}, e.Kind)
		})
	}
	v.Said, v.LaterSaid = said[:min(2*mostListed, len(said))], said[min(2*mostListed, len(said)):]
	v.Day = newDay(ended, said, now)
	return nil
}

// tiles makes the tiles that the filter lets through: all by name or, where there are many, those in trouble first, and then the fullest.
func (v *overview) tiles(asked url.Values, s cluster.Snapshot, loads []cluster.Load, scores []cluster.VMScore, found []cluster.Finding, orders cluster.Orders, all []trouble) {
	bad, query := map[string]bool{}, strings.ToLower(v.Query)
	for _, one := range all {
		bad[one.Host] = true
	}
	carries := carrying(s, query)
	for _, l := range loads {
		if query != "" && !strings.Contains(strings.ToLower(l.Host), query) && !carries[l.Host] {
			continue
		}
		t := newTile(s, l, found, orders)
		if v.State != "" && v.State != t.State && v.State != l.Kind {
			continue
		}
		if t.trouble = bad[l.Host]; t.trouble {
			t.busy += unseenShare // before all that are full
		}
		v.Hosts = append(v.Hosts, t)
	}
	grouped := slices.Contains(v.Groupings, v.Group)
	if grouped {
		v.Alone = asked.Get("in")
	}
	if v.Alone != "" {
		v.Hosts = slices.DeleteFunc(v.Hosts, func(t tile) bool { return !slices.Contains(t.groups(v.Group), v.Alone) })
	}
	v.Dense = len(v.Hosts) > roomy
	if !v.Dense {
		fillBlocks(v.Hosts, s, scores)
	}
	if grouped {
		v.groupUp()
		return
	}
	if v.Dense {
		slices.SortStableFunc(v.Hosts, func(x, y tile) int { return cmp.Compare(y.busy, x.busy) })
		v.Hosts, v.Hidden = firstOf(v.Hosts, mostTiles)
	}
}

// carrying are the hosts of VMs that have the text in their name.
func carrying(s cluster.Snapshot, query string) map[string]bool {
	on := map[string]bool{}
	if query == "" {
		return on
	}
	for _, vm := range s.VMs {
		if strings.Contains(strings.ToLower(vm.Label()), query) {
			on[vm.Host] = true
		}
	}
	return on
}

// fillBlocks draws the VMs on their hosts' tiles, the largest first.
func fillBlocks(tiles []tile, s cluster.Snapshot, scores []cluster.VMScore) {
	at, score := map[string]int{}, map[string]float64{}
	for i, t := range tiles {
		at[t.Name] = i
	}
	for _, one := range scores {
		score[one.VM] = one.Score
	}
	most := int64(1)
	for _, vm := range s.VMs {
		most = max(most, vm.MemoryBytes)
	}
	vms := slices.Clone(s.VMs)
	slices.SortFunc(vms, func(x, y cluster.VM) int {
		return cmp.Or(cmp.Compare(y.MemoryBytes, x.MemoryBytes), cmp.Compare(x.Label(), y.Label()))
	})
	for _, vm := range vms {
		i, shown := at[vm.Host]
		switch {
		case !shown || vm.Host == "":
		case len(tiles[i].Blocks) >= mostBlocks:
			tiles[i].More++
		default:
			tiles[i].Blocks = append(tiles[i].Blocks, newBlock(vm, score, most))
		}
	}
}

func newTile(s cluster.Snapshot, l cluster.Load, found []cluster.Finding, orders cluster.Orders) tile {
	t := tile{Name: l.Host, State: l.State.String(), Kind: "hypervisor", Physical: l.Kind == cluster.KindPhysical, VMs: l.VMs, busy: max(l.CPUUtilisation, l.MemoryUtilisation), cpu: l.CPUUtilisation, memory: l.MemoryUtilisation}
	subject := cluster.HostSubject(l.Host)
	for _, f := range found {
		if f.Subject == subject {
			t.Findings++
		}
	}
	t.Note = s.GapOf(subject)
	if t.Physical {
		t.Kind = "physical machine"
		for _, m := range s.Machines {
			if m.ID == l.Host {
				t.Note, t.Tags = m.Reason, m.Tags
				t.CPU, t.Memory = loadBars(l, m.CPUCores, float64(m.MemoryBytes), 0, 0, m.CPUUsedCores.Known)
				t.Waits = waits(m.CPUPressureRatio, m.MemoryPressureRatio, m.IOPressureRatio)
			}
		}
		return t
	}
	if h, ok := s.Host(l.Host); ok {
		t.Kind, t.Domain, t.Tags = cmp.Or(h.Hypervisor, "hypervisor"), h.FailureDomain, h.Tags
		t.CPU, t.Memory = loadBars(l, h.CPUCores, float64(h.MemoryBytes), h.ReservedCPUCores, float64(h.ReservedMemoryBytes), l.State == cluster.HostUp || l.State == cluster.HostMaintenance)
		t.Waits = waits(h.CPUPressureRatio, h.MemoryPressureRatio, h.IOPressureRatio)
	}
	now := time.Now()
	if o := orders.Standby(l.Host, now); o != nil {
		t.State, t.Note = "standby", restWord(o.Rest)
	} else if o := orders.Maintenance(l.Host, now); o != nil {
		t.State, t.Note = "maintenance", "kept empty by "+o.Word.Who
		if o.Word.Reason != "" {
			t.Note += ": " + o.Word.Reason
		}
		if l.VMs > 0 {
			t.Note += fmt.Sprintf("; %d VMs are on it still", l.VMs)
		}
	}
	return t
}

// loadBars draw a machine's demand, of it what the host needs itself, against what it has.
func loadBars(l cluster.Load, cores, memory, ownCores, ownMemory float64, known bool) (cpu, mem bar) {
	if !known {
		return bar{Label: "CPU", Text: "not known"}, bar{Label: "Memory", Text: "not known"}
	}
	own := func(amount float64, text string) string {
		if amount <= 0 {
			return ""
		}
		return ", of it " + text + " its own"
	}
	return newBar("CPU", l.CPUUtilisation, max(full, l.CPUUtilisation), fmt.Sprintf("%.1f of %.4g cores, %s%s", l.CPUUtilisation*cores, cores, percent(l.CPUUtilisation), own(ownCores, fmt.Sprintf("%.1f", ownCores)))).
			reserving(ownCores / max(cores, 1)),
		newBar("Memory", l.MemoryUtilisation, max(full, l.MemoryUtilisation), fmt.Sprintf("%s of %s, %s%s", size(l.MemoryUtilisation*memory), size(memory), percent(l.MemoryUtilisation), own(ownMemory, size(ownMemory)))).
			reserving(ownMemory / max(memory, 1))
}

// waits puts the pressures that are known into words.
func waits(cpu, memory, io cluster.Number) string {
	var all []string
	for _, one := range []struct {
		name  string
		ratio cluster.Number
	}{{"CPU", cpu}, {"memory", memory}, {"disks", io}} {
		if one.ratio.Known {
			all = append(all, one.name+" "+percent(one.ratio.Value))
		}
	}
	return strings.Join(all, ", ")
}

// newBlock draws a VM: as wide as its memory beside that of the largest, and coloured and marked by its score.
func newBlock(vm cluster.VM, scores map[string]float64, most int64) block {
	b := block{ID: vm.ID, Class: "still", Mark: "‖", Size: 1}
	for b.Size < 4 && vm.MemoryBytes<<(4-b.Size) > most {
		b.Size++
	}
	what := vm.State.String()
	if score, ok := scores[vm.ID]; ok {
		l := levelOf(score)
		b.Class, b.Mark, what = l.Word, l.Mark, fmt.Sprintf("score %.0f (%s)", score, l.Word)
	}
	b.Title = fmt.Sprintf("%s: %s, wants %.2f cores, %s", vm.Label(), what, vm.CPUDemandCores, size(float64(vm.MemoryBytes)))
	return b
}

func losses(p cluster.Points) []loss {
	all := []loss{
		{Name: "CPU contention", Class: "l1", Points: p.CPUContention}, {Name: "CPU headroom", Class: "l2", Points: p.CPUHeadroom},
		{Name: "Memory contention", Class: "l3", Points: p.MemoryContention}, {Name: "Memory headroom", Class: "l4", Points: p.MemoryHeadroom},
		{Name: "Rules", Class: "l5", Points: p.Rules},
	}
	at := p.Score()
	for i := range all {
		all[i].At = at
		at += all[i].Points
	}
	return all
}

func findingsOf(list []cluster.Finding, s cluster.Snapshot) []finding {
	var all []finding
	for _, f := range list {
		one := finding{Finding: f, About: f.Subject}
		if host, ok := strings.CutPrefix(f.Subject, cluster.HostSubject("")); ok {
			one.Link, one.About = "hosts", host
		}
		if id, ok := strings.CutPrefix(f.Subject, cluster.VMSubject("")); ok {
			one.About = id
			if vm, known := s.VM(id); known {
				one.Link, one.About = "vms", vm.Label()
			}
		}
		all = append(all, one)
	}
	return all
}

// ID is what the link names.
func (f finding) ID() string {
	_, id, _ := strings.Cut(f.Subject, "/")
	return id
}

// ordersOf are those that somebody who looks should know of first.
func ordersOf(orders cluster.Orders) []order {
	var all []order
	for _, o := range orders {
		var one order
		switch o.Kind {
		case cluster.OrderPause:
			one = order{"Paused", "nothing happens to " + o.Subject}
		case cluster.OrderDisarm:
			one = order{"Disarmed", "nothing is done about failures of " + o.Subject}
		case cluster.OrderApprove:
			one = order{"Approved in advance", o.Policy + " for " + o.Subject}
		case cluster.OrderMaintenance:
			one = order{"Maintenance", o.Subject + " is kept empty"}
		case cluster.OrderStandby:
			one = order{"Standby", o.Subject + " is " + restWord(o.Rest)}
		case cluster.OrderOff:
			one = order{"Said to be off", o.Subject}
		case cluster.OrderNone:
			continue
		}
		one.Sentence += ", says " + o.Word.Who
		if o.Word.Reason != "" {
			one.Sentence += " (" + o.Word.Reason + ")"
		}
		if !o.Until.IsZero() {
			one.Sentence += ", until " + clock(o.Until)
		}
		all = append(all, one)
	}
	return all
}

// firstOf cuts a list, and says how many were cut off.
func firstOf[T any](list []T, most int) ([]T, int) {
	n := min(most, len(list))
	return list[:n], len(list) - n
}
