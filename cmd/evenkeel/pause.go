package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newPause() *cobra.Command {
	var ask clientFlags
	var what subjectFlags
	var reason, lasting string
	cmd := &cobra.Command{
		Use:   "pause",
		Short: "Stop everything, or what touches a host or a VM, approved or not, until it is resumed",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			until, err := lastingUntil(lasting)
			if err != nil {
				return err
			}
			return what.order(cmd, ask, api.OrderRequest{Kind: cluster.OrderPause, Until: until, Reason: reason}, (*api.Client).Order, "paused")
		},
	}
	ask.register(cmd.Flags())
	what.register(cmd.Flags())
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the journal")
	cmd.Flags().StringVar(&lasting, "for", "", "how long, for example 2h; until it is resumed when left out")
	return cmd
}

func newResume() *cobra.Command {
	var ask clientFlags
	var what subjectFlags
	cmd := &cobra.Command{
		Use:   "resume",
		Short: "End a pause",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return what.order(cmd, ask, api.OrderRequest{Kind: cluster.OrderPause}, (*api.Client).Lift, "resumed")
		},
	}
	ask.register(cmd.Flags())
	what.register(cmd.Flags())
	return cmd
}

// subjectFlags say what an order is about.
type subjectFlags struct{ host, vm string }

func (f *subjectFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.host, "host", "", "only what touches this host")
	flags.StringVar(&f.vm, "vm", "", "only what touches this VM, by name or UUID")
}

func (f *subjectFlags) subject() (string, error) {
	switch {
	case f.host != "" && f.vm != "":
		return "", errors.New("give --host or --vm, not both")
	case f.host != "":
		return cluster.HostSubject(f.host), nil
	case f.vm != "":
		return cluster.VMSubject(f.vm), nil
	}
	return "cluster", nil
}

// order sends an order or takes it back, and says so.
func (f *subjectFlags) order(cmd *cobra.Command, ask clientFlags, o api.OrderRequest, send func(*api.Client, context.Context, api.OrderRequest) (cluster.Order, error), done string) error {
	client, err := ask.client()
	if err != nil {
		return err
	}
	if o.Subject, err = f.subject(); err != nil {
		return err
	}
	made, err := send(client, cmd.Context(), o)
	if err != nil {
		return err
	}
	return ask.print(cmd.OutOrStdout(), made, func(t *table) {
		what := made.Subject
		if made.Policy != "" {
			what = made.Policy + " for " + what
		}
		until := ""
		if !made.Until.IsZero() {
			until = ", until " + clock(made.Until)
		}
		t.line("%s %s%s", done, what, until)
	})
}

// lastingUntil reads how long something is to last; zero when nothing is said.
func lastingUntil(text string) (time.Time, error) {
	until, err := api.LastingUntil(text)
	if err != nil {
		return until, fmt.Errorf("--for: %w", err)
	}
	return until, nil
}

// drawOrders lists orders in force, a line each.
func drawOrders(t *table, orders cluster.Orders) {
	for _, o := range orders {
		until := "until it is ended"
		if !o.Until.IsZero() {
			until = "until " + clock(o.Until)
		}
		switch o.Kind {
		case cluster.OrderPause:
			t.line("paused: %s, by %s at %s, %s %s", o.Subject, o.Word.Who, clock(o.Word.At), until, strings.TrimSpace(o.Word.Reason))
		case cluster.OrderApprove:
			t.line("approved in advance: %s for %s, by %s, %s %s", o.Policy, o.Subject, o.Word.Who, until, strings.TrimSpace(o.Word.Reason))
		case cluster.OrderMaintenance:
			t.line("in maintenance: %s, by %s at %s, %s %s", o.Subject, o.Word.Who, clock(o.Word.At), until, strings.TrimSpace(o.Word.Reason))
		case cluster.OrderDisarm:
			t.line("DISARMED, nothing is done about failures: %s, by %s at %s, %s %s", o.Subject, o.Word.Who, clock(o.Word.At), until, strings.TrimSpace(o.Word.Reason))
		case cluster.OrderOff:
			t.line("said to be off: %s, by %s at %s, %s %s", o.Subject, o.Word.Who, clock(o.Word.At), until, strings.TrimSpace(o.Word.Reason))
		case cluster.OrderStandby:
			t.line("%s: %s, by %s at %s, %s", restWord(o.Rest), o.Subject, o.Word.Who, clock(o.Word.At), strings.TrimSpace(o.Word.Reason))
		case cluster.OrderNone:
		}
	}
}
