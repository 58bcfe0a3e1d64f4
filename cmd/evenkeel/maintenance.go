package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
)

// maintenance publishes which hosts are to be kept empty, by the configuration or by order, so that the analyzer
// finds it in Prometheus and advice can be replayed.
type maintenance struct{ server *server }

func maintenanceDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_host_maintenance", "Whether the host is in maintenance (1) and to be kept empty, or not (0).", []string{"host"}, nil)
}

// Describe is part of prometheus.Collector.
func (m maintenance) Describe(ch chan<- *prometheus.Desc) { ch <- maintenanceDesc() }

// Collect is part of prometheus.Collector.
func (m maintenance) Collect(ch chan<- prometheus.Metric) {
	kept := m.server.empty.Load()
	if kept == nil || m.server.actuator == nil {
		return
	}
	orders := m.server.actuator.Orders()
	for host, on := range *kept {
		value := 0.0
		if on || orders.Maintenance(host, time.Now()) != nil {
			value = 1
		}
		ch <- prometheus.MustNewConstMetric(maintenanceDesc(), prometheus.GaugeValue, value, host)
	}
}

func newMaintenance() *cobra.Command {
	cmd := &cobra.Command{Use: "maintenance", Short: "Empty a host and keep it empty, or end that"}
	cmd.AddCommand(newMaintenanceEnter(), newMaintenanceExit())
	return cmd
}

func newMaintenanceEnter() *cobra.Command {
	var ask clientFlags
	var reason, lasting string
	var wait time.Duration
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "enter HOST",
		Short: "Move everything away from the host, which is approved by this, and keep it empty",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, hosts []string) error {
			if dryRun {
				return tryOut(cmd, ask, api.ActionRequest{Kind: cluster.Maintenance, Host: hosts[0], Reason: reason})
			}
			until, err := lastingUntil(lasting)
			if err != nil {
				return err
			}
			what := subjectFlags{host: hosts[0]}
			if err := what.order(cmd, ask, api.OrderRequest{Kind: cluster.OrderMaintenance, Until: until, Reason: reason}, (*api.Client).Order, "in maintenance:"); err != nil || wait == 0 {
				return err
			}
			client, err := ask.client()
			if err != nil {
				return err
			}
			return emptied(cmd.Context(), client, hosts[0], wait, ask.progress(cmd))
		},
	}
	ask.register(cmd.Flags())
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the journal")
	cmd.Flags().StringVar(&lasting, "for", "", "how long, for example 4h; until it is ended when left out")
	cmd.Flags().DurationVar(&wait, "wait", 0, "show progress and return when the host is empty; fail with what blocks it after this time")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "change nothing; show which VMs would go where, and what would stay")
	return cmd
}

func newMaintenanceExit() *cobra.Command {
	var ask clientFlags
	cmd := &cobra.Command{
		Use:   "exit HOST",
		Short: "Let VMs run on the host again",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, hosts []string) error {
			what := subjectFlags{host: hosts[0]}
			return what.order(cmd, ask, api.OrderRequest{Kind: cluster.OrderMaintenance}, (*api.Client).Lift, "no longer in maintenance by order:")
		},
	}
	ask.register(cmd.Flags())
	return cmd
}

// emptied follows a host until nothing runs on it, and says what is left when the time is over.
func emptied(ctx context.Context, client *api.Client, host string, within time.Duration, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	last := ""
	var left []string
	for {
		board, err := client.Board(ctx)
		if err == nil {
			left = nil
			for _, v := range board.Snapshot.VMs {
				if v.Host == host && v.State.Active() {
					left = append(left, v.Label())
				}
			}
			h, _ := board.Snapshot.Host(host)
			switch text := fmt.Sprintf("%d VMs left on %s", len(left), host); {
			case h.State != cluster.HostMaintenance:
				text = "the analyzer has not seen the order yet"
				fallthrough
			case len(left) > 0:
				if text != last {
					last = text
					fmt.Fprintln(out, text)
				}
			default:
				fmt.Fprintf(out, "%s is empty\n", host)
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s is not empty after %s; on it are %v", host, within, left), blockers(client, host))
		case <-time.After(time.Second):
		}
	}
}

// blockers says why VMs stay on the host.
func blockers(client *api.Client, host string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // the caller's time is over
	defer cancel()
	e, err := client.Explain(ctx, host, time.Time{})
	if err != nil {
		return err
	}
	errs := []error{errors.New(e.Verdict)}
	for _, reason := range e.Reasons {
		errs = append(errs, errors.New(reason))
	}
	return errors.Join(errs...)
}
