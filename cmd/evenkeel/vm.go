package main

import (
	"errors"
	"fmt"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newMigrate() *cobra.Command {
	var f askFlags
	var to, pool string
	cmd := &cobra.Command{
		Use:   "migrate VM --to HOST | --storage POOL",
		Short: "Move a running VM to another host, or its disks to another pool, through the same gates as advice",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, vms []string) error {
			switch {
			case (to == "") == (pool == ""):
				return errors.New("say where: --to HOST for the VM, or --storage POOL for its disks")
			case pool != "":
				return f.ask(cmd, api.ActionRequest{Kind: cluster.MoveStorage, VM: vms[0], Pool: pool})
			}
			return f.ask(cmd, api.ActionRequest{Kind: cluster.Migrate, VM: vms[0], To: to})
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&to, "to", "", "the host that the VM goes to")
	cmd.Flags().StringVar(&pool, "storage", "", "the storage pool of its host that its disks go to; the old images stay")
	return cmd
}

func newPowerOfVM() *cobra.Command {
	cmd := &cobra.Command{Use: "vm", Short: "Start, shut down, reset, suspend or resume a VM, through the same gates as advice"}
	for kind, short := range map[cluster.Kind]string{
		cluster.Start:    "Start a VM that runs nowhere; every host must say that it does not run it",
		cluster.Shutdown: "Ask the guest to shut down",
		cluster.Reset:    "Reset the VM's hardware; what the guest has not written is lost",
		cluster.Suspend:  "Stop the VM's vCPUs until it is resumed",
		cluster.Resume:   "Let a suspended VM run again",
	} {
		cmd.AddCommand(newPower(kind, short))
	}
	return cmd
}

func newPower(kind cluster.Kind, short string) *cobra.Command {
	var f askFlags
	var on string
	cmd := &cobra.Command{
		Use: kind.String() + " VM", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, vms []string) error {
			return f.ask(cmd, api.ActionRequest{Kind: kind, VM: vms[0], To: on})
		},
	}
	f.register(cmd.Flags())
	if kind == cluster.Start {
		cmd.Flags().StringVar(&on, "on", "", "the host to start it on, which must have its definition; the one that has it when left out")
	}
	return cmd
}

// askFlags are the flags of every subcommand that asks for an action.
type askFlags struct {
	clientFlags
	reason string
	detach bool
	dryRun bool
}

func (f *askFlags) register(flags *pflag.FlagSet) {
	f.clientFlags.register(flags)
	flags.StringVar(&f.reason, "reason", "", "why, for the journal")
	flags.BoolVar(&f.detach, "detach", false, "return when it is approved; do not show progress and wait for the end")
	flags.BoolVar(&f.dryRun, "dry-run", false, "change nothing; show what would come of it and what the gates say")
}

// ask asks for the action and follows it to its end.
func (f *askFlags) ask(cmd *cobra.Command, a api.ActionRequest) error {
	client, err := f.client()
	if err != nil {
		return err
	}
	a.Reason = f.reason
	if f.dryRun {
		return tryOut(cmd, f.clientFlags, a)
	}
	c, err := client.Ask(cmd.Context(), a)
	if err != nil {
		return err
	}
	id, out := c.Recommendation.ID, f.progress(cmd)
	if c.State == cluster.CaseOpen {
		fmt.Fprintf(out, "said yes to %s  %s\nit takes the yes of another person as well: evenkeel approve %s\n", id, c.Recommendation.Action, id)
		return printCases(cmd, f.clientFlags, client, []string{id})
	}
	fmt.Fprintf(out, "approved %s  %s\n", id, c.Recommendation.Action)
	if !f.detach {
		err = follow(cmd.Context(), client, []string{id}, out)
	}
	return errors.Join(err, printCases(cmd, f.clientFlags, client, []string{id}))
}
