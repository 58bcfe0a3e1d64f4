package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/actuator/fence"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/spf13/cobra"
)

// fenceFlags are the flags of every subcommand of fence.
type fenceFlags struct {
	config string
	out    clientFlags
}

func newFence() *cobra.Command {
	var flags fenceFlags
	cmd := &cobra.Command{Use: "fence", Short: "Ask whether hosts have power, and turn one off or on, without a server"}
	cmd.PersistentFlags().StringVar(&flags.config, "config.file", "evenkeel.yml", "configuration file")
	cmd.PersistentFlags().StringVarP(&flags.out.output, "output", "o", "table", "table or json")
	cmd.AddCommand(newFenceStatus(&flags), newFenceOff(&flags), newFenceOn(&flags), newFenceConfirm())
	return cmd
}

func newFenceStatus(flags *fenceFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "status [HOST]...",
		Short: "Say whether the hosts have power, and which method told; of all hosts with fence when none is named",
		RunE: func(cmd *cobra.Command, hosts []string) error {
			f, all, err := flags.fencer()
			if err != nil {
				return err
			}
			if len(hosts) == 0 {
				hosts = all
			}
			var errs []error
			var reports []cluster.PowerReport
			for _, host := range hosts {
				r := f.Status(cmd.Context(), host)
				reports = append(reports, r)
				if r.State == cluster.PowerUnknown {
					errs = append(errs, fmt.Errorf("nobody can say whether host %s has power: %s", host, r.Reason))
				} else if err := f.Check(cmd.Context(), host); err != nil {
					fmt.Fprintf(cmd.ErrOrStderr(), "host %s: %v\n", host, err)
				}
			}
			errs = append(errs, flags.out.print(cmd.OutOrStdout(), reports, func(t *table) { drawPower(t, reports) }))
			return errors.Join(errs...)
		},
	}
}

func newFenceOff(flags *fenceFlags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "off HOST --yes",
		Short: "Turn a host off at once, with all that runs on it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				return fmt.Errorf("this takes the power from host %s at once, and from every VM on it; if that is what you want, say so with --yes", args[0])
			}
			return flags.turn(cmd, args[0], (*fence.Fencer).Off)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

func newFenceOn(flags *fenceFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "on HOST",
		Short: "Turn a host on; that it has power does not say that it has started",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.turn(cmd, args[0], (*fence.Fencer).On)
		},
	}
}

// turn switches a host and prints what came of it, also when that is an error.
func (flags *fenceFlags) turn(cmd *cobra.Command, host string, do func(*fence.Fencer, context.Context, string) (cluster.PowerReport, error)) error {
	f, _, err := flags.fencer()
	if err != nil {
		return err
	}
	r, err := do(f, cmd.Context(), host)
	return errors.Join(err, flags.out.print(cmd.OutOrStdout(), r, func(t *table) { drawPower(t, []cluster.PowerReport{r}) }))
}

// fencer reads the configuration. It returns the names of the hosts that can be fenced as well.
func (flags *fenceFlags) fencer() (*fence.Fencer, []string, error) {
	if err := flags.out.check(); err != nil {
		return nil, nil, err
	}
	c, err := config.Load(flags.config)
	if err != nil {
		return nil, nil, err
	}
	hosts := fenceHosts(c)
	var able []string
	for _, h := range hosts {
		if len(h.Methods) > 0 {
			able = append(able, h.Name)
		}
	}
	if len(able) == 0 {
		return nil, nil, fmt.Errorf("no host in %s can be fenced; give hosts a list fence, as docs/fencing.md shows", flags.config)
	}
	return fence.New(hosts), able, nil
}

// fenceHosts says how hosts are fenced in the fencer's own words.
func fenceHosts(c config.Config) []fence.Host {
	var hosts []fence.Host
	for _, h := range c.Hosts {
		one := fence.Host{Name: h.Name}
		for _, f := range h.Fence {
			m := fence.Method{Timeout: time.Duration(f.Timeout), Retries: f.Retries}
			if f.Agent != "" {
				m.Agent = &fence.Agent{Name: f.Agent, Options: f.Options, OptionFiles: f.Secrets()}
			} else {
				m.Redfish = &fence.Redfish{URL: f.Redfish, Username: f.Username, PasswordFile: f.PasswordFile, System: f.System, CAFile: f.CAFile, Insecure: f.Insecure}
			}
			one.Methods = append(one.Methods, m)
		}
		hosts = append(hosts, one)
	}
	return hosts
}

func drawPower(t *table, reports []cluster.PowerReport) {
	for i, r := range reports {
		if i > 0 {
			t.line("")
		}
		if r.State == cluster.PowerUnknown {
			t.line("host %s: NOT KNOWN, after %.1f s", r.Host, r.Seconds)
		} else {
			t.line("host %s: %s, by the status of %s (level %d), after %.1f s", r.Host, r.State, r.Method, r.Level, r.Seconds)
		}
		if len(r.Steps) > 0 {
			t.row("LEVEL", "METHOD", "ASKED FOR", "TOOK", "ANSWER")
		}
		for _, s := range r.Steps {
			t.row(fmt.Sprint(s.Level), s.Method, s.Did, fmt.Sprintf("%.1f s", s.Seconds), powerAnswer(s))
		}
	}
}

// powerAnswer says what came of a step. A command that went well only says that it was taken.
func powerAnswer(s cluster.PowerStep) string {
	answer := s.State.String()
	switch {
	case s.Error != "":
		answer = s.Error
	case slices.Contains([]string{"on", "off"}, s.Did):
		answer = "taken"
	}
	if s.Times > 1 {
		answer = fmt.Sprintf("%s, %d times", answer, s.Times)
	}
	return strings.ReplaceAll(answer, "\t", " ")
}
