package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// goal is one thing that ours should reach.
type goal struct {
	what       string
	got, limit float64
	// least tells that more is better.
	least bool
}

func atMost(what string, got, limit float64) goal  { return goal{what, got, limit, false} }
func atLeast(what string, got, limit float64) goal { return goal{what, got, limit, true} }

func (g goal) met() bool { return g.got <= g.limit != g.least || g.got == g.limit }

func ms(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond)) }

// ratio is 0 where there is nothing to compare with.
func ratio(x, y time.Duration) float64 {
	if y == 0 {
		return 0
	}
	return float64(x) / float64(y)
}

// writeTable writes a row for each; the floor is the first.
func writeTable(w io.Writer, all []figures, daemon bool) {
	header := []string{"exporter", "families", "series", "wall ms", "CPU ms exporter", "CPU ms libvirtd", "CPU ms sum", "wall / floor", "CPU / floor", "at rest, CPU ms/s exporter", "libvirtd"}
	line(w, header)
	line(w, slices.Repeat([]string{"---"}, len(header)))
	for _, f := range all {
		row := []string{f.name, fmt.Sprint(f.families), fmt.Sprint(f.series), ms(f.wall), ms(f.cpu), ms(f.daemon), ms(f.sum()),
			fmt.Sprintf("%.2f", ratio(f.wall, all[0].wall)), fmt.Sprintf("%.2f", ratio(f.sum(), all[0].sum())), ms(f.restCPU), ms(f.restDaemon)}
		if !daemon {
			row[5], row[9], row[10] = "-", "-", "-"
		}
		line(w, row)
	}
}

func line(w io.Writer, cells []string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }

func guestGoals(all []figures) []goal {
	floor, own := all[0], all[1]
	goals := []goal{
		atMost("guests: wall, times the floor's", ratio(own.wall, floor.wall), 1.3),
		atMost("guests: CPU sum, times the floor's", ratio(own.sum(), floor.sum()), 1.3),
	}
	for _, peer := range all[2:] {
		if strings.HasPrefix(peer.name, "Debian") {
			goals = append(goals,
				atMost("guests: CPU sum, times "+peer.name, ratio(own.sum(), peer.sum()), 2),
				atLeast("guests: families, times "+peer.name, float64(own.families)/float64(max(1, peer.families)), 5))
		} else {
			goals = append(goals, atMost("guests: CPU sum, times "+peer.name, ratio(own.sum(), peer.sum()), 0.5))
		}
	}
	return goals
}

func domainGoals(all []figures) []goal {
	own := all[1]
	var goals []goal
	for _, peer := range all[2:] {
		if strings.HasPrefix(peer.name, "Debian") {
			goals = append(goals,
				atMost("domains: wall, times "+peer.name, ratio(own.wall, peer.wall), 1.0/3),
				atMost("domains: CPU, times "+peer.name, ratio(own.cpu, peer.cpu), 1.0/3))
		}
	}
	return goals
}

func memoryGoals(few, many float64) []goal {
	return []goal{
		atMost("memory: MiB after many scrapes", many, 60),
		atMost("memory: after many scrapes, times after few", many/few, 1.1),
	}
}

func writeGoals(w io.Writer, goals []goal) {
	if len(goals) == 0 {
		return
	}
	fmt.Fprint(w, "\n## Goals\n\n| goal | limit | measured | |\n|---|---|---|---|\n")
	for _, g := range goals {
		word, sign := "missed", "<="
		if g.met() {
			word = "met"
		}
		if g.least {
			sign = ">="
		}
		fmt.Fprintf(w, "| %s | %s %.2f | %.2f | %s |\n", g.what, sign, g.limit, g.got, word)
	}
}
