package main

import (
	"errors"
	"fmt"

	"github.com/evenkeel/evenkeel/actuator/definitions"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/spf13/cobra"
)

// versions are those that are kept of a VM; none where it has none.
type versions struct{ store *definitions.Store }

// Versions is part of api.Definitions.
func (v versions) Versions(vm string) ([]cluster.Definition, error) {
	list, err := v.store.Versions(vm)
	if errors.Is(err, definitions.ErrNone) {
		return nil, nil
	}
	return list, err
}

func newDefinitions() *cobra.Command {
	var ask clientFlags
	cmd := &cobra.Command{
		Use:   "definitions VM",
		Short: "Show which versions of a VM's definition are kept, for starting it elsewhere when its host is gone",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, vms []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			list, err := client.Definitions(cmd.Context(), vms[0])
			if err != nil {
				return err
			}
			return ask.print(cmd.OutOrStdout(), list, func(t *table) {
				if len(list) == 0 {
					t.line("Nothing is kept of %q: it has no definition that outlives it, or was not seen yet.", vms[0])
					return
				}
				t.row("VERSION", "FIRST SEEN", "NAME", "DEFINED ON")
				for _, d := range list {
					t.row(fmt.Sprint(d.Version), clock(d.At), d.Name, d.Host)
				}
			})
		},
	}
	ask.register(cmd.Flags())
	return cmd
}
