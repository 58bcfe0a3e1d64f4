package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/promql"
	"github.com/evenkeel/evenkeel/analyzer/rightsize"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/spf13/cobra"
)

// usageLasts is for how long what VMs used in a week is not asked for again: it is a large question.
const usageLasts = 15 * time.Minute

// sizes is what VMs used over a long time, as it was asked for last.
type sizes struct {
	server *server
	// asking is held while Prometheus is asked, which can take minutes: a reload does not wait for that.
	asking sync.Mutex

	mu     sync.Mutex
	config config.Rightsizing
	at     time.Time
	usage  []cluster.VMUsage
}

func (z *sizes) configure(c config.Rightsizing) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.config, z.at = c, time.Time{}
}

// Rightsizing is part of api.Sizer. Who asks while another does waits for the same answer.
func (z *sizes) Rightsizing(ctx context.Context) (rightsize.Report, error) {
	board, err := z.server.analyzer.Board()
	if err != nil {
		return rightsize.Report{}, err
	}
	z.asking.Lock()
	defer z.asking.Unlock()
	z.mu.Lock()
	c, usage, at, now := z.config, z.usage, z.at, time.Now()
	z.mu.Unlock()
	window := time.Duration(c.Window)
	if at.IsZero() || now.Sub(at) > usageLasts {
		if usage, err = z.server.source.current.Load().Usage(ctx, now, window); err != nil {
			return rightsize.Report{}, err
		}
		at = now
		z.keep(c, usage, at)
	}
	report := rightsize.Make(board.Snapshot, usage, rightsize.Policy{IdleCPUCores: c.IdleCPUCores, IdleNetworkBytesPerSecond: float64(c.IdleNetwork),
		IdleDiskBytesPerSecond: float64(c.IdleDisk), Plan: z.server.analyzer.Policy().Plan})
	report.At, report.WindowSeconds = at, window.Seconds()
	report.Sources = promql.UsageSources(window)
	return report, nil
}

// keep keeps the answer, unless the question is another one by now.
func (z *sizes) keep(asked config.Rightsizing, usage []cluster.VMUsage, at time.Time) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.config == asked {
		z.usage, z.at = usage, at
	}
}

func newRightsizing() *cobra.Command {
	var ask clientFlags
	cmd := &cobra.Command{
		Use:   "rightsizing",
		Short: "Show VMs that do nothing or have more than they use, and which host could sleep without them",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			report, err := client.Rightsizing(cmd.Context())
			if err != nil {
				return err
			}
			return ask.print(cmd.OutOrStdout(), report, func(t *table) { printRightsizing(t, report) })
		},
	}
	ask.register(cmd.Flags())
	return cmd
}

func printRightsizing(t *table, r rightsize.Report) {
	window := time.Duration(r.WindowSeconds * float64(time.Second))
	t.line("By what VMs used in %s; of %d VMs that run, %d were there all the time.", lasting(window), r.Running, r.Known)
	if len(r.Idle)+len(r.Oversized) > 0 {
		t.line("")
		t.row("VM", "HOST", "", "VCPUS", "MEMORY", "CPU USED", "MEMORY USED", "NETWORK", "DISK")
	}
	for _, v := range r.Idle {
		t.row(sizeRow(v, "idle", fmt.Sprint(v.VCPUs), size(v.MemoryBytes))...)
	}
	for _, v := range r.Oversized {
		vcpus, memory := fmt.Sprint(v.VCPUs), size(v.MemoryBytes)
		if v.WantedVCPUs < v.VCPUs {
			vcpus += fmt.Sprintf(" -> %d", v.WantedVCPUs)
		}
		if v.WantedMemoryBytes < v.MemoryBytes {
			memory += " -> " + size(v.WantedMemoryBytes)
		}
		t.row(sizeRow(v, "oversized", vcpus, memory)...)
	}
	t.line("")
	t.line("Without the %d idle VMs %s were free, and %s more with the %d oversized ones resized. evenkeel does neither.", len(r.Idle), freed(r.Idle), freed(r.Oversized), len(r.Oversized))
	if len(r.Sleepable) > 0 {
		t.line("As it is, %s could sleep, by what is used now.", strings.Join(r.Sleepable, ", "))
	}
	t.line("%s", sleepWord(r.Sleep))
}

func sizeRow(v rightsize.VM, what, vcpus, memory string) []string {
	used := "-"
	if v.Usage.MemoryBytes.Known {
		used = size(int64(v.Usage.MemoryBytes.Value))
	}
	return []string{v.Name, v.Host, what, vcpus, memory, fmt.Sprintf("%.2f", v.Usage.CPUCores), used, size(int64(v.Usage.NetworkBytesPerSecond)) + "/s", size(int64(v.Usage.DiskBytesPerSecond)) + "/s"}
}

func freed(list []rightsize.VM) string {
	vcpus, memory := 0, int64(0)
	for _, v := range list {
		vcpus, memory = vcpus+v.VCPUs-v.WantedVCPUs, memory+v.MemoryBytes-v.WantedMemoryBytes
	}
	return fmt.Sprintf("%d vCPUs and %s", vcpus, size(memory))
}

func sleepWord(s *rightsize.Sleep) string {
	switch {
	case s == nil:
		return "No further host could sleep with all of that done."
	case len(s.Resized) == 0:
		return fmt.Sprintf("With these %d gone, %s can sleep: %s.", len(s.Gone), s.Host, strings.Join(s.Gone, ", "))
	case len(s.Gone) == 0:
		return fmt.Sprintf("With these %d resized, %s can sleep: %s.", len(s.Resized), s.Host, strings.Join(s.Resized, ", "))
	}
	return fmt.Sprintf("With these %d gone and these %d resized, %s can sleep: %s; %s.", len(s.Gone), len(s.Resized), s.Host, strings.Join(s.Gone, ", "), strings.Join(s.Resized, ", "))
}

// lasting writes a span for people, in days where it is some.
func lasting(d time.Duration) string {
	if days := d / (24 * time.Hour); days > 0 && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%d days", days)
	}
	return d.String()
}
