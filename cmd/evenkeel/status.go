package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/spf13/cobra"
)

func newStatus() *cobra.Command {
	var ask clientFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show hosts, VMs and load, what was found, and how the server does",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			status, err := client.Status(cmd.Context())
			if err != nil {
				return err
			}
			var board analyzer.Judgement
			if !status.SnapshotAt.IsZero() { // nothing was judged before
				if board, err = client.Board(cmd.Context()); err != nil {
					return err
				}
			}
			all := struct {
				Status api.Status         `json:"status"`
				Board  analyzer.Judgement `json:"board"`
			}{status, board}
			return ask.print(cmd.OutOrStdout(), all, func(t *table) { drawStatus(t, status, board) })
		},
	}
	ask.register(cmd.Flags())
	return cmd
}

// drawServers tells who leads, and who could.
func drawServers(t *table, s *api.Servers) {
	if s == nil {
		return
	}
	if s.Holds != "" {
		t.line("IT HOLDS AND CHANGES NOTHING: %s", s.Holds)
	}
	if s.Error != "" {
		t.line("WHO LEADS IS NOT KNOWN: %s", s.Error)
	}
	for _, one := range s.All {
		role := "waits to lead"
		if one.Leads {
			role = "leads"
		}
		t.line("the server %s at %s, version %s, %s", one.ID, one.URL, one.Version, role)
	}
	if len(s.All) == 1 {
		t.line("NO OTHER SERVER waits to lead: when this one ends, nobody looks after the cluster")
	}
}

func drawStatus(t *table, s api.Status, b analyzer.Judgement) {
	if s.SnapshotAt.IsZero() {
		t.line("NOTHING WAS SEEN YET since this server began, so that nothing is known of hosts and VMs: ask again in a minute; automation level %s", s.Level)
		if s.LastError != "" {
			t.line("THE LAST PASS FAILED: %s", s.LastError)
		}
		drawServers(t, s.Servers)
		drawOrders(t, s.Orders)
		return
	}
	score := "not known, since no VM could be judged"
	if len(b.Scores) > 0 {
		score = fmt.Sprintf("%.0f of 100", b.Lost.Score())
	}
	t.line("cluster %s at %s: score %s, automation level %s, %d open recommendations", s.Cluster, clock(s.SnapshotAt), score, s.Level, s.Open)
	t.line("lost to: CPU contention %.1f, CPU headroom %.1f, memory contention %.1f, memory headroom %.1f, rules %.0f", b.Lost.CPUContention, b.Lost.CPUHeadroom, b.Lost.MemoryContention, b.Lost.MemoryHeadroom, b.Lost.Rules)
	if s.LastError != "" {
		t.line("THE LAST PASS FAILED, this is what was seen before: %s", s.LastError)
	}
	if s.Unknown > 0 {
		t.line("NOBODY KNOWS what came of %d actions: evenkeel recommendations shows them", s.Unknown)
	}
	if f := s.Failover; f != nil {
		t.line("of the %d failures that it is to survive, %d are proven to be", f.Of, f.Proven)
		for _, b := range f.Broken {
			t.line("NOT SURVIVED %s %s: %s", b.Kind, b.Subject, b.Reason)
		}
	}
	drawServers(t, s.Servers)
	drawReplicas(t, b.Snapshot.Replicas)
	for _, one := range s.Schedules {
		t.line("the schedule %s has %s, until %s", one.Name, one.What, clock(one.Until))
	}
	drawStandings(t, s.Earned)
	drawOrders(t, s.Orders)
	for _, one := range s.Stops {
		t.line("STOPPED by %s: %s", one.Gate, one.Detail)
	}
	t.line("")
	t.row("HOST", "STATE", "CPU", "", "MEMORY", "", "VMS")
	for _, l := range b.Loads {
		vms := fmt.Sprint(l.VMs)
		if l.Kind == cluster.KindPhysical {
			vms = "physical machine"
		}
		t.row(l.Host, l.State.String(), bar(l.CPUUtilisation), percent(l.CPUUtilisation), bar(l.MemoryUtilisation), percent(l.MemoryUtilisation), vms)
	}
	t.line("")
	t.row("VM", "HOST", "STATE", "WANTS CPU", "WAITS", "MEMORY", "")
	vms := slices.Clone(b.Snapshot.VMs)
	slices.SortFunc(vms, func(x, y cluster.VM) int {
		return strings.Compare(x.Host+"\x00"+x.Label(), y.Host+"\x00"+y.Label())
	})
	for _, v := range vms {
		note := b.Snapshot.GapOf(cluster.VMSubject(v.ID))
		if note == "" && !v.Movable {
			note = "not movable: " + v.ImmovableReason
		}
		t.row(v.Label(), orDash(v.Host), v.State.String(), fmt.Sprintf("%.2f cores", v.CPUDemandCores), ratio(v.CPUStealRatio), size(v.MemoryBytes), note)
	}
	for _, m := range b.Snapshot.Machines {
		if m.Reason != "" {
			t.line("NOT UP %s: %s", m.ID, m.Reason)
		}
	}
	for _, g := range b.Snapshot.Gaps {
		if strings.HasPrefix(g.Subject, cluster.VMSubject("")) {
			continue // it stands beside the VM
		}
		t.line("NOT SEEN %s: %s", g.Subject, g.Reason)
	}
	t.line("")
	for _, f := range b.Findings {
		held := ""
		if f.Pending {
			held = " (not for long enough to act upon yet)"
		}
		t.line("FOUND %s at %s: %s%s", f.Detector, f.Subject, f.Reason, held)
	}
	t.line("%d moves advised; no more because: %s", len(b.Recommendations), b.Plan.StoppedBecause)
}

func ratio(n cluster.Number) string {
	if !n.Known {
		return "not known"
	}
	return percent(n.Value)
}

func size(bytes int64) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%.0f KiB", float64(bytes)/(1<<10))
	}
	if bytes < 1<<30 {
		return fmt.Sprintf("%.0f MiB", float64(bytes)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
}
