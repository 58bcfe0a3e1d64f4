package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// goal is one thing that ours should reach.
type goal struct {
	what       string
	got, limit float64
}

func atMost(what string, got, limit float64) goal { return goal{what, got, limit} }

func (g goal) met() bool { return g.got <= g.limit }

func line(w io.Writer, cells ...string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }

func header(w io.Writer, cells ...string) {
	line(w, cells...)
	line(w, slices.Repeat([]string{"---"}, len(cells))...)
}

func gibOf(x float64) string   { return fmt.Sprintf("%.0f", x) }
func ratioOf(x float64) string { return fmt.Sprintf("%.3f", x) }

// balanceCells are the moves, the memory moved, and the two utilisations with their spread and maximum.
func balanceCells(b balance) []string {
	return []string{fmt.Sprint(b.moves), gibOf(b.movedGiB), ratioOf(b.cpuStddev), ratioOf(b.maxCPU), ratioOf(b.memoryStddev), ratioOf(b.maxMemory)}
}

func usageCells(u usage) []string {
	return []string{fmt.Sprintf("%.3f", u.CPUSeconds), fmt.Sprintf("%.0f", float64(u.PeakRSSBytes)/mib)}
}

func writeGoals(w io.Writer, goals []goal) {
	if len(goals) == 0 {
		return
	}
	fmt.Fprintln(w, "\n## Goals")
	fmt.Fprintln(w)
	header(w, "goal", "limit", "measured", "")
	for _, g := range goals {
		word := "missed"
		if g.met() {
			word = "met"
		}
		line(w, g.what, fmt.Sprintf("<= %.4g", g.limit), fmt.Sprintf("%.4g", g.got), word)
	}
}

// ratio is infinite where there is nothing to compare with: such a goal is missed.
func ratio(x, y float64) float64 { return x / y }
