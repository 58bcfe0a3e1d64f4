package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/evenkeel/evenkeel/actuator/definitions"
	"github.com/evenkeel/evenkeel/actuator/etcdstore"
	"github.com/evenkeel/evenkeel/actuator/journal"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/spf13/cobra"
)

func newStore() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Move, check, export and restore what a server keeps, in files or in etcd",
		Long:  "Move, check, export and restore what a server keeps: the journal, the definitions of VMs and what its rooms must not forget. A place is the directory of --storage.path, or etcd://HOST:PORT[,HOST:PORT] (etcds:// with TLS). See docs/state.md.",
	}
	cmd.AddCommand(newStoreMigrate(), newStoreVerify(), newStoreExport(), newStoreRestore())
	return cmd
}

// storeCommand are the flags of all of them.
type storeCommand struct {
	access                   StoreAccess
	cluster, config, archive string
}

func (f *storeCommand) register(cmd *cobra.Command) {
	f.access.Register(cmd.Flags())
	cmd.Flags().StringVar(&f.cluster, "cluster", "", "the cluster's name, under which the keys in etcd stand; empty for the one in --config.file")
	cmd.Flags().StringVar(&f.config, "config.file", "evenkeel.yml", "configuration file of the server, for the cluster's name")
	cmd.Flags().StringVar(&f.archive, "storage.path", "data", "with a store in etcd: the server's directory, where archives of the journal stand")
}

// options are how etcd at an address is opened.
func (f *storeCommand) options(address string) (etcdstore.Options, error) {
	name := f.cluster
	if name == "" {
		c, err := config.Load(f.config)
		if err != nil {
			return etcdstore.Options{}, fmt.Errorf("the cluster's name is not known; give --cluster, or --config.file: %w", err)
		}
		name = c.Cluster
	}
	return f.access.Options(address, name)
}

// open opens a place as files or in etcd.
func (f *storeCommand) open(ctx context.Context, where string, inDir func(string) (*storePlace, error), inEtcd func(context.Context, etcdstore.Options, string) (*storePlace, error), archives string) (*storePlace, error) {
	if !etcdstore.IsAddress(where) {
		return inDir(where)
	}
	o, err := f.options(where)
	if err != nil {
		return nil, err
	}
	p, err := inEtcd(ctx, o, archives)
	if err == nil {
		p.name = where
	}
	return p, err
}

func newStoreMigrate() *cobra.Command {
	var f storeCommand
	var from, to string
	cmd := &cobra.Command{
		Use:   "migrate --from PLACE --to PLACE",
		Short: "Copy all that a server keeps to an empty place, and verify the copy",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.migrate(cmd.Context(), cmd.OutOrStdout(), from, to)
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&from, "from", "", "the place that is copied and stays as it is")
	cmd.Flags().StringVar(&to, "to", "", "the place that is filled; it must be empty")
	cmd.MarkFlagsRequiredTogether("from", "to")
	cmd.MarkFlagsOneRequired("from")
	return cmd
}

func (f *storeCommand) migrate(ctx context.Context, out io.Writer, from, to string) error {
	archives := f.archive
	if !etcdstore.IsAddress(from) {
		archives = from
	}
	source, err := f.open(ctx, from, readDir, holdEtcd, archives)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	defer source.close()
	target, err := f.open(ctx, to, newDir, newEtcd, archives)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	defer target.close()
	if err := copyStore(ctx, out, source, target); err != nil {
		return fmt.Errorf("%w; %s is as it was, and what was begun in %s does not count: run it again, it begins anew", err, from, to)
	}
	fmt.Fprintf(out, "All of it is in %s, and was compared. %s is as it was: start no server with it any more, and keep it until you are sure.\n", to, from)
	fmt.Fprintln(out, "The key of the definitions is a file and was not copied: each server needs the same definitions.key in its --storage.path (or failures.key_file).")
	return nil
}

// copyStore copies all and makes it count.
func copyStore(ctx context.Context, out io.Writer, from, to *storePlace) error {
	v, err := from.journal.CopyTo(ctx, to.journal)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "journal: %s, head %s\n", counted(v.Entries, "entry", "entries"), v.Head)
	if from.definitions != nil {
		n, err := definitions.Copy(ctx, from.definitions, to.definitions)
		if err != nil {
			return fmt.Errorf("copy the definitions: %w", err)
		}
		fmt.Fprintf(out, "definitions: %s\n", tally(n))
	}
	for _, name := range memories() {
		if err := copyMemory(out, name, from, to); err != nil {
			return fmt.Errorf("copy %s: %w", name, err)
		}
	}
	return to.done()
}

func copyMemory(out io.Writer, name string, from, to *storePlace) error {
	text, err := from.memory(name).Read()
	if err != nil || text == nil {
		return err
	}
	if err := to.memory(name).Write(text); err != nil {
		return err
	}
	got, err := to.memory(name).Read()
	if err == nil && string(got) != string(text) {
		err = errors.New("the copy is not what was copied: was something written meanwhile?")
	}
	if err == nil {
		fmt.Fprintf(out, "%s: %s\n", name, counted(uint64(len(text)), "byte", "bytes"))
	}
	return err
}

func tally(n definitions.Tally) string {
	return fmt.Sprintf("%s of %s", counted(uint64(n.Versions), "version", "versions"), counted(uint64(n.VMs), "VM", "VMs"))
}

func newStoreVerify() *cobra.Command {
	var f storeCommand
	var key string
	cmd := &cobra.Command{
		Use:   "verify PLACE",
		Short: "Read all that a server keeps and say what is damaged or was changed",
		Long:  "Read all that a server keeps and say what is damaged or was changed. Files are read while no server has them; etcd at any time.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.verify(cmd.Context(), cmd.OutOrStdout(), args[0], key)
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&key, "definitions.key", "", "file with the key of the definitions; empty for definitions.key in the directory")
	return cmd
}

func (f *storeCommand) verify(ctx context.Context, out io.Writer, where, key string) error {
	p, err := f.open(ctx, where, readDir, readEtcd, f.archive)
	if err != nil {
		return err
	}
	defer p.close()
	dir := f.archive
	if !etcdstore.IsAddress(where) {
		dir = where
	}
	var errs []error
	v, err := p.journal.Verify(ctx, cluster.Head{})
	if err == nil {
		t := newTable(out)
		drawVerification(t, v, "")
		err = t.flush()
	}
	if err == nil && v.Flaw != nil {
		err = errors.New("journal: " + v.Flaw.String())
	}
	errs = append(errs, err, verifyDefinitions(ctx, out, p, cmp.Or(key, filepath.Join(dir, "definitions.key")), key != ""))
	for _, name := range memories() {
		errs = append(errs, verifyMemory(out, p, name))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s is NOT as it was written:\n%w\nKeep it as it is and take a copy before anything else is done; docs/state.md says how to restore", where, err)
	}
	return nil
}

// verifyDefinitions opens each version where there is a key.
func verifyDefinitions(ctx context.Context, out io.Writer, p *storePlace, key string, asked bool) error {
	if p.definitions == nil {
		fmt.Fprintln(out, "definitions: none are kept")
		return nil
	}
	ids, err := p.definitions.IDs()
	if err != nil {
		return fmt.Errorf("definitions: %w", err)
	}
	if _, err := os.Stat(key); len(ids) == 0 || errors.Is(err, fs.ErrNotExist) && !asked {
		fmt.Fprintf(out, "definitions: %s, none opened: %s is not here; give --definitions.key\n", counted(uint64(len(ids)), "version", "versions"), key)
		return nil
	}
	s, err := definitions.On(p.definitions, p.name, key, 1, false)
	if err != nil {
		return err
	}
	n, err := s.Verify(ctx)
	if err != nil {
		return fmt.Errorf("definitions: %w", err)
	}
	fmt.Fprintf(out, "definitions: %s, each opened with its key\n", tally(n))
	return nil
}

func verifyMemory(out io.Writer, p *storePlace, name string) error {
	text, err := p.memory(name).Read()
	if err == nil && text != nil && !jsonObject(text) {
		err = errors.New("it is no JSON object: mend it, or move it away: then that is forgotten")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.memory(name), err)
	}
	if text != nil {
		fmt.Fprintf(out, "%s: %s, whole\n", name, counted(uint64(len(text)), "byte", "bytes"))
	}
	return nil
}

func newStoreExport() *cobra.Command {
	var f storeCommand
	var to string
	var damaged bool
	cmd := &cobra.Command{
		Use:   "export PLACE --to DIR",
		Short: "Write the journal to a file of JSON lines, for evenkeel store restore",
		Long:  "Write the journal to a file of JSON lines, for evenkeel store restore. With --damaged, PLACE is a directory whose journal.db is damaged or was cut off: each run of entries in it that are as they were written becomes a file.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if damaged {
				return salvage(cmd.Context(), cmd.OutOrStdout(), args[0], to)
			}
			p, err := f.open(cmd.Context(), args[0], readDir, readEtcd, f.archive)
			if err != nil {
				return err
			}
			defer p.close()
			done, err := p.journal.Export(cmd.Context(), to)
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "%s in %s\n", done.Span, done.File)
			}
			return err
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&to, "to", ".", "directory that gets the file")
	cmd.Flags().BoolVar(&damaged, "damaged", false, "find what is left in a damaged journal.db")
	return cmd
}

func salvage(ctx context.Context, out io.Writer, dir, to string) error {
	if etcdstore.IsAddress(dir) {
		return errors.New("--damaged is for files; of etcd bring a snapshot back (etcdutl snapshot restore)")
	}
	all, err := journal.Salvage(ctx, filepath.Join(dir, journalFile), to)
	for _, run := range all {
		fmt.Fprintf(out, "%s in %s\n", run.Span, run.File)
	}
	return err
}

func newStoreRestore() *cobra.Command {
	var f storeCommand
	var to string
	cmd := &cobra.Command{
		Use:   "restore FILE --to PLACE",
		Short: "Make a journal of an export or an archive, in an empty place",
		Long:  "Make a journal of an export or an archive, in an empty place. What came before FILE stays moved out: put those files into journal-archive in the server's --storage.path.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := f.open(cmd.Context(), to, newJournalDir, newEtcd, f.archive)
			if err != nil {
				return fmt.Errorf("--to: %w", err)
			}
			defer p.close()
			v, err := journal.Restore(cmd.Context(), args[0], p.journal)
			if err == nil {
				err = p.done()
			}
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "journal: %s, head %s\n", counted(v.Entries, "entry", "entries"), v.Head)
			}
			return err
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&to, "to", "", "the place that gets the journal: a directory without a journal.db, or an empty place in etcd")
	if err := cmd.MarkFlagRequired("to"); err != nil {
		panic(err) // there is no such flag
	}
	return cmd
}

// jsonObject tells whether a text is one.
func jsonObject(text []byte) bool {
	var o map[string]json.RawMessage
	return json.Unmarshal(text, &o) == nil
}
