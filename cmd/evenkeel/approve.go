package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/spf13/cobra"
)

func newApprove() *cobra.Command {
	var ask clientFlags
	var what subjectFlags
	var reason, kind, lasting string
	var all, wait, end bool
	cmd := &cobra.Command{
		Use:   "approve ID... | --all | --kind KIND --for DURATION",
		Short: "Say yes to recommendations; the gates are asked at once and again just before acting",
		RunE: func(cmd *cobra.Command, ids []string) error {
			if kind != "" {
				if all || wait || len(ids) > 0 {
					return errors.New("--kind approves what will be advised; give no IDs, --all or --wait with it")
				}
				return approveKind(cmd, ask, what, api.OrderRequest{Kind: cluster.OrderApprove, Policy: kind, Reason: reason}, lasting, end)
			}
			client, err := ask.client()
			if err != nil {
				return err
			}
			if ids, err = chosen(cmd.Context(), client, ids, all); err != nil {
				return err
			}
			out := ask.progress(cmd)
			var approved []string
			var refused error
			for _, id := range ids {
				c, err := client.Approve(cmd.Context(), id, reason)
				if err != nil {
					refused = errors.Join(refused, fmt.Errorf("%s: %w", id, err))
					continue
				}
				approved = append(approved, id)
				said := "approved"
				if c.State == cluster.CaseOpen {
					said = "said yes, another person must as well:"
				}
				fmt.Fprintf(out, "%s %s  %s\n", said, id, c.Recommendation.Action)
			}
			if wait {
				refused = errors.Join(refused, follow(cmd.Context(), client, approved, out))
			}
			return errors.Join(refused, printCases(cmd, ask, client, approved))
		},
	}
	ask.register(cmd.Flags())
	what.register(cmd.Flags())
	cmd.Flags().StringVar(&kind, "kind", "", "approve in advance what will be advised of this kind: "+strings.Join(cluster.Policies(), ", "))
	cmd.Flags().StringVar(&lasting, "for", "", "how long an approval in advance holds, for example 8h")
	cmd.Flags().BoolVar(&end, "end", false, "take an approval in advance back")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the journal")
	cmd.Flags().BoolVar(&all, "all", false, "every open recommendation")
	cmd.Flags().BoolVar(&wait, "wait", false, "show progress and return when all have ended; fail when one did not succeed")
	return cmd
}

// approveKind approves in advance, or takes that back.
func approveKind(cmd *cobra.Command, ask clientFlags, what subjectFlags, o api.OrderRequest, lasting string, end bool) error {
	if end {
		return what.order(cmd, ask, o, (*api.Client).Lift, "no longer approved in advance:")
	}
	var err error
	if o.Until, err = lastingUntil(lasting); err != nil {
		return err
	}
	if o.Until.IsZero() {
		return errors.New("--for: say how long the approval in advance holds, for example 8h")
	}
	return what.order(cmd, ask, o, (*api.Client).Order, "approved in advance:")
}

// progress is where lines about single steps go: out of the way of JSON.
func (c *clientFlags) progress(cmd *cobra.Command) io.Writer {
	if c.output == "json" {
		return cmd.ErrOrStderr()
	}
	return cmd.OutOrStdout()
}

// printCases writes the cases as they stand now, for programs.
func printCases(cmd *cobra.Command, ask clientFlags, client *api.Client, ids []string) error {
	if ask.output != "json" {
		return nil
	}
	cases := []cluster.Case{}
	for _, id := range ids {
		c, err := client.Recommendation(cmd.Context(), id)
		if err != nil {
			return err
		}
		cases = append(cases, c)
	}
	return ask.print(cmd.OutOrStdout(), cases, nil)
}

// chosen returns the IDs given, or with all those of every open recommendation.
func chosen(ctx context.Context, client *api.Client, ids []string, all bool) ([]string, error) {
	if all == (len(ids) > 0) {
		return nil, errors.New("name recommendations by ID, or give --all")
	}
	if !all {
		return ids, nil
	}
	open, err := client.Recommendations(ctx, cluster.CaseOpen.String())
	if err != nil {
		return nil, err
	}
	for _, c := range open {
		ids = append(ids, c.Recommendation.ID)
	}
	if len(ids) == 0 {
		return nil, errors.New("no recommendation is open")
	}
	return ids, nil
}

// follow shows the progress of cases until all have ended.
func follow(ctx context.Context, client *api.Client, ids []string, out io.Writer) error {
	var bad error
	for _, id := range ids {
		last := ""
		for {
			c, err := client.Recommendation(ctx, id)
			if err != nil {
				return err
			}
			if text := progress(c); text != last {
				last = text
				fmt.Fprintf(out, "%s  %-40s %s\n", id, c.Recommendation.Action, text)
			}
			if !c.State.Pending() {
				if c.State != cluster.CaseDone {
					bad = errors.Join(bad, fmt.Errorf("%s ended as %s", id, c.State))
				}
				break
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(300 * time.Millisecond):
			}
		}
	}
	return bad
}

func progress(c cluster.Case) string {
	switch {
	case c.Outcome != nil:
		return fmt.Sprintf("%s, runs on %s, %.1f s %s", c.State, orDash(c.Outcome.RunsOn), c.Outcome.Finished.Sub(c.Outcome.Started).Seconds(), c.Outcome.Reason)
	case c.State == cluster.CaseRunning && c.Progress.TotalBytes == 0:
		return c.State.String()
	case c.State == cluster.CaseRunning:
		return fmt.Sprintf("%s %s copied", bar(c.Progress.Ratio()), percent(c.Progress.Ratio()))
	}
	return c.State.String()
}
