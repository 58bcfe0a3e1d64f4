// Command evenkeel keeps clusters of virtualisation hosts on an even keel: it shows what it sees,
// explains what it would do and why, asks first, and proves what came of it. This package holds
// flags, signals and wiring, one subcommand a file; what the subcommands do stands in the rooms that
// they wire together.
package main

import (
	_ "time/tzdata" // freezes name time zones, and small machines have no list of them

	"github.com/evenkeel/evenkeel/internal/command"
	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "development"

func main() { command.Main(newRoot()) }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "evenkeel",
		Short:         "Load balancing, explained and gated, for clusters of libvirt hosts",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddGroup(&cobra.Group{ID: "run", Title: "To run:"}, &cobra.Group{ID: "ask", Title: "To ask a server and to decide:"}, &cobra.Group{ID: "file", Title: "To work with files:"}, &cobra.Group{ID: "hand", Title: "To switch hosts by hand:"})
	for group, commands := range map[string][]*cobra.Command{
		"run":  {command.Exporter(version), newServer(), newDemo()},
		"ask":  {newStatus(), newHosts(), newFailures(), newDisarm(), newArm(), newRecommendations(), newApprove(), newReject(), newSnooze(), newGates(), newPause(), newResume(), newMaintenance(), newStandby(), newSchedules(), newPowerStatus(), newMigrate(), newPowerOfVM(), newHistory(), newCaptures(), newDefinitions(), newRuns(), newRunbook(), newEffects(), newWhere(), newMoves(), newJournal(), newAutonomy(), newConfig(), newImpact(), newTrends(), newDrill(), newExplain(), newPlace(), newRightsizing(), newTargets(), newReload(), newProfile(), newSupportBundle(), newWhoami()},
		"file": {newPlan(), newSnapshot(), newSimulate(), newCheckConfig(), newDashboards(), newStore()},
		"hand": {newFence()},
	} {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	return root
}
