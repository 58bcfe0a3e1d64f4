package main

import (
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/spf13/cobra"
)

func newJournal() *cobra.Command {
	var ask clientFlags
	want := api.JournalQuery{}
	cmd := &cobra.Command{
		Use:   "journal [TEXT]",
		Short: "Read what was said and done, entry by entry, the newest first",
		Long:  "Read what was said and done, entry by entry, the newest first. Whether any of it was changed afterwards says evenkeel history --verify.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			want.Text = strings.Join(args, "")
			page, err := client.Journal(cmd.Context(), want)
			if err != nil {
				return err
			}
			return ask.print(cmd.OutOrStdout(), page, func(t *table) { drawJournal(t, page) })
		},
	}
	ask.register(cmd.Flags())
	cmd.Flags().StringVar(&want.Kind, "kind", "", "only entries of a kind, for example approved, outcome or ordered")
	cmd.Flags().StringVar(&want.About, "about", "", "only what is about a VM, host, kind of action or recommendation")
	cmd.Flags().Uint64Var(&want.Before, "before", 0, "begin before the entry of that number")
	cmd.Flags().IntVar(&want.Limit, "limit", 20, "how many, the newest first")
	return cmd
}

func drawJournal(t *table, page api.JournalPage) {
	t.row("NUMBER", "WHEN", "WHO", "WHAT", "WHAT CAME OF IT", "SAID", "HASH")
	for _, l := range page.Entries {
		t.row(strconv.FormatUint(l.Seq, 10), clock(l.At), orDash(l.Who), l.What, orDash(l.Effect), orDash(l.Said), l.Hash[:min(12, len(l.Hash))])
	}
	if page.Stopped != "" {
		t.line("the search stopped early: %s", page.Stopped)
	}
	if page.Before > 0 {
		t.line("there is more: --before %d", page.Before)
	}
	if page.Archived > 0 {
		t.line("%d older entries stand in the archive beside the journal, which is not searched", page.Archived)
	}
}
