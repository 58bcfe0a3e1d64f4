package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/spf13/cobra"
)

func newApprove() *cobra.Command {
	var ask clientFlags
	var reason string
	var all, wait bool
	cmd := &cobra.Command{
		Use:   "approve ID... | --all",
		Short: "Say yes to recommendations; the gates are asked at once and again just before acting",
		RunE: func(cmd *cobra.Command, ids []string) error {
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
				fmt.Fprintf(out, "approved %s  %s\n", id, c.Recommendation.Action)
			}
			if wait {
				refused = errors.Join(refused, watch(cmd.Context(), client, approved, out))
			}
			return errors.Join(refused, printCases(cmd, ask, client, approved))
		},
	}
	ask.register(cmd.Flags())
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the journal")
	cmd.Flags().BoolVar(&all, "all", false, "every open recommendation")
	cmd.Flags().BoolVar(&wait, "wait", false, "show progress and return when all have ended; fail when one did not succeed")
	return cmd
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

// watch shows the progress of cases until all have ended.
func watch(ctx context.Context, client *api.Client, ids []string, out io.Writer) error {
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
	case c.State == cluster.CaseRunning:
		return fmt.Sprintf("%s %s copied", bar(c.Progress.Ratio()), percent(c.Progress.Ratio()))
	}
	return c.State.String()
}
