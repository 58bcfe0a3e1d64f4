package main

import (
	"errors"
	"fmt"

	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/spf13/cobra"
)

func newPlace() *cobra.Command {
	var ask clientFlags
	var local localFlags
	vm := cluster.VM{}
	var memory string
	var ignore bool
	cmd := &cobra.Command{
		Use:   "place --vcpus N --memory SIZE",
		Short: "Say where a VM that does not run yet should start, and why there",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := parseSize(memory, &vm.MemoryBytes); err != nil {
				return fmt.Errorf("--%w", err)
			}
			if vm.VCPUs < 1 || vm.MemoryBytes == 0 {
				return errors.New("--vcpus and --memory are needed, for example --vcpus 4 --memory 8GiB")
			}
			vm.Name = vm.ID
			p, err := placement(cmd, ask, local, vm, ignore)
			if err != nil {
				return err
			}
			if err := ask.print(cmd.OutOrStdout(), p, func(t *table) { drawPlacement(t, p) }); err != nil {
				return err
			}
			if p.Host == "" {
				return errors.New("no host can take it")
			}
			return nil
		},
	}
	ask.register(cmd.Flags())
	local.register(cmd.Flags())
	f := cmd.Flags()
	f.StringVar(&vm.ID, "name", "new", "what the VM is to be called; rules may name it")
	f.IntVar(&vm.VCPUs, "vcpus", 0, "its vCPUs")
	f.StringVar(&memory, "memory", "", "its memory, for example 8GiB")
	f.Float64Var(&vm.CPUDemandCores, "cpu-demand", 0, "cores that it is expected to use; without it, what the others use of theirs on average")
	f.StringSliceVar(&vm.Tags, "tags", nil, "its tags; rules may name them")
	f.StringSliceVar(&vm.Storage, "storage", nil, "storage that it needs")
	f.StringSliceVar(&vm.Networks, "networks", nil, "networks that it needs")
	f.StringVar(&vm.CPUCompat, "cpu-compat", "", "group of CPUs that it needs")
	f.StringVar(&vm.CPUModel, "cpu-model", "", "named CPU model that it needs")
	f.BoolVar(&ignore, "ignore-admission", false, "take also a host where it would break what the cluster is to survive (reserve in the configuration)")
	f.StringVar(&vm.Hypervisor, "hypervisor", "", "kind of hypervisor that it needs, QEMU or Xen")
	return cmd
}

func placement(cmd *cobra.Command, ask clientFlags, local localFlags, vm cluster.VM, ignore bool) (plan.Placement, error) {
	if err := ask.check(); err != nil {
		return plan.Placement{}, err
	}
	if !local.given() {
		client, err := ask.client()
		if err != nil {
			return plan.Placement{}, err
		}
		return client.Place(cmd.Context(), vm, ignore)
	}
	snapshots, policy, err := local.look(cmd.Context(), ask)
	if err != nil {
		return plan.Placement{}, err
	}
	if len(snapshots[0].FindVMs(vm.ID)) > 0 {
		return plan.Placement{}, fmt.Errorf("there is a VM %q already; give the new one another --name", vm.ID)
	}
	policy.Plan.IgnoreAdmission = ignore
	return plan.Place(snapshots[0], analyzer.Findings(snapshots, policy), policy.Plan, vm), nil
}

func drawPlacement(t *table, p plan.Placement) {
	if p.Host == "" {
		t.line("%s", p.Reason)
	} else {
		t.line("start %s on %s: %s", p.VM.Label(), p.Host, p.Reason)
	}
	drawCandidates(t, p.Candidates)
}
