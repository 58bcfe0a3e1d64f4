package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/actuator/journal"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// verifyFlags are the flags of history that look at the journal's chain instead of at its cases.
type verifyFlags struct {
	verify     bool
	file, head string
}

func (v *verifyFlags) register(f *pflag.FlagSet) {
	f.BoolVar(&v.verify, "verify", false, "say whether the journal was changed since it was written, instead of listing")
	f.StringVar(&v.file, "journal", "", "verify this journal file, or this archive of one, without a server")
	f.StringVar(&v.head, "head", "", "NUMBER:HASH as printed by --verify before: that entry must be there still")
}

// given tells whether the journal is to be verified: each of the flags asks for it.
func (v *verifyFlags) given() bool { return v.verify || v.file != "" || v.head != "" }

// run verifies and prints. What was changed is an error.
func (v *verifyFlags) run(cmd *cobra.Command, ask clientFlags) error {
	found, err := v.look(cmd.Context(), ask)
	if err != nil {
		return err
	}
	if err := ask.print(cmd.OutOrStdout(), found, func(t *table) { drawVerification(t, found, v.head) }); err != nil {
		return err
	}
	if found.Flaw != nil {
		return errors.New("journal: " + found.Flaw.String())
	}
	return nil
}

func (v *verifyFlags) look(ctx context.Context, ask clientFlags) (cluster.Verification, error) {
	var want cluster.Head
	if v.head != "" {
		h, err := cluster.ParseHead(v.head)
		if err != nil {
			return cluster.Verification{}, fmt.Errorf("--head: %w", err)
		}
		want = h
	}
	if v.file != "" {
		if err := ask.check(); err != nil {
			return cluster.Verification{}, err
		}
		return journal.VerifyFile(ctx, v.file, want)
	}
	client, err := ask.client()
	if err != nil {
		return cluster.Verification{}, err
	}
	return client.VerifyJournal(ctx, want)
}

func drawVerification(t *table, v cluster.Verification, compared string) {
	if v.Flaw != nil {
		t.line("journal: NOT as it was written. Keep the file and the archives as they are, and take a copy before anything else is done")
		return
	}
	if v.Entries == 0 {
		t.line("journal: no entries")
	} else {
		t.line("journal: %s, from %s to %s, none changed", counted(v.Entries, "entry", "entries"), stamp(v.From), stamp(v.To))
	}
	if v.Archives > 0 {
		t.line("archives: %s in %s, none changed", counted(v.Archived, "entry", "entries"), counted(uint64(v.Archives), "file", "files"))
	}
	for _, a := range v.Absent {
		t.line("archives: %s were moved out and are not here; they were not looked at", a)
	}
	if compared != "" {
		t.line("The head %.20s… that was kept elsewhere is in it", compared)
	}
	if v.Head.Seq > 0 {
		t.line("Head %s", v.Head)
		t.line("Keep the head elsewhere: --head NUMBER:HASH shows later also whether the end was cut off or all was written anew")
	}
}

// stamp writes a time with its date, for what is kept.
func stamp(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

func counted(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

// thousands writes a number with commas, as people read it.
func thousands(n uint64) string {
	text := strconv.FormatUint(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
