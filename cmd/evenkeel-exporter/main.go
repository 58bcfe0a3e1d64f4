// Command evenkeel-exporter is the exporter alone, for hypervisor hosts: the same as evenkeel
// exporter, in a program without the server and the Prometheus in it, which is less than half as large.
package main

import (
	"os"
	"runtime"
	"runtime/debug"

	"github.com/evenkeel/evenkeel/internal/command"
	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "development"

// garbage is by how many percent the heap may grow before it is collected. Memory of a hypervisor host
// is better left to VMs, at a price of some CPU time a scrape; docs/decisions/0008 has the figures.
const garbage = 25

func main() {
	runtime.MemProfileRate = 0 // nobody can fetch the profile
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	command.Main(newRoot())
}

func newRoot() *cobra.Command {
	root := command.Exporter(version)
	root.Use, root.Version = "evenkeel-exporter", version
	root.SilenceUsage, root.SilenceErrors = true, true
	return root
}
