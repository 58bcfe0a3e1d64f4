package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/docs"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/spf13/cobra"
)

// bundleFlags say what goes into a bundle for a bug report.
type bundleFlags struct {
	ask             clientFlags
	file            string
	config, storage string
	journal         int
	anonymise       bool
}

func newSupportBundle() *cobra.Command {
	var f bundleFlags
	cmd := &cobra.Command{
		Use:   "support-bundle",
		Short: "Collect what a bug report needs into one file, without secrets",
		Long: `Collect what a bug report needs into one file, without secrets.

It asks a server for what it shows to whoever holds the token, and writes a tar.gz: MANIFEST says what is in it and what could not be had. Definitions of
VMs, tokens, passwords and keys are not asked for, and what looks like one is taken out of the rest. Look through it before you hand it on.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := f.ask.client()
			if err != nil {
				return err
			}
			parts := f.collect(cmd.Context(), client)
			if err := f.redact(parts); err != nil {
				return err
			}
			if f.file == "" {
				f.file = "evenkeel-support-" + time.Now().UTC().Format("20060102T150405Z") + ".tar.gz"
			}
			if err := writeBundle(f.file, parts); err != nil {
				return err
			}
			missing := 0
			for _, p := range parts {
				if p.missing != "" {
					missing++
				}
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d parts, and %d that could not be had; MANIFEST in it says why\n", f.file, len(parts)-missing, missing)
			return err
		},
	}
	f.ask.registerServer(cmd.Flags())
	cmd.Flags().StringVarP(&f.file, "output", "o", "", "file to write; it must not be there yet (default evenkeel-support-TIME.tar.gz)")
	cmd.Flags().StringVar(&f.config, "config.file", "", "also this configuration file, as the server would read it, without secrets")
	cmd.Flags().StringVar(&f.storage, "storage.path", "", "also the names and sizes of the files in this directory")
	cmd.Flags().IntVar(&f.journal, "journal", 200, "how many entries of the journal, the newest first")
	cmd.Flags().BoolVar(&f.anonymise, "anonymise", false, "call VMs, hosts and people vm-1, host-1 and person-1, and leave out addresses")
	return cmd
}

// part is one file of the bundle.
type part struct {
	name string
	body []byte
	// missing says why there is no body; empty where there is one.
	missing string
}

// question is a part that a server is asked for.
type question struct {
	name, path string
	query      url.Values
}

func (f *bundleFlags) asked() []question {
	questions := []question{{"metrics.txt", "/metrics", nil}, {"journal.json", "/api/v1/journal", url.Values{"limit": {strconv.Itoa(f.journal)}}}, {"journal-verification.json", "/api/v1/journal/verify", nil}}
	for _, name := range []string{"whoami", "status", "config", "board", "snapshot", "recommendations", "hosts", "failures", "orders", "autonomy", "schedules"} {
		questions = append(questions, question{name + ".json", "/api/v1/" + name, nil})
	}
	return questions
}

// collect asks for every part. What cannot be had is named, and stops nothing.
func (f *bundleFlags) collect(ctx context.Context, client *api.Client) []part {
	parts := []part{{name: "version.txt", body: fmt.Appendf(nil, "this program: %s\n%s on %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)}}
	add := func(name string, body []byte, err error) {
		p := part{name: name, body: body}
		if err != nil {
			p.missing = err.Error()
		}
		parts = append(parts, p)
	}
	for _, a := range f.asked() {
		body, err := client.Page(ctx, a.path, a.query)
		add(a.name, body, err)
	}
	if f.config != "" {
		body, err := localSettings(f.config)
		add("config-file.json", body, err)
	}
	if f.storage != "" {
		body, err := listing(f.storage)
		add("storage.txt", body, err)
	}
	return parts
}

// localSettings are those of a configuration file, without secrets.
func localSettings(file string) ([]byte, error) {
	c, err := config.Load(file)
	if err != nil {
		// What is wrong may quote the line, and in it a password.
		return nil, errors.New("the file cannot be used; evenkeel check-config says why")
	}
	return json.Marshal(c.Settings(docs.Meanings()))
}

// listing names the files below the directory with their sizes in bytes. None is opened.
func listing(dir string) ([]byte, error) {
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a running server takes files away
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		fmt.Fprintf(&b, "%s %12d %s %s\n", info.Mode(), info.Size(), info.ModTime().UTC().Format(time.RFC3339), name)
		return err
	})
	return []byte(b.String()), err
}

// writeBundle writes the file, for its owner alone. One that is there is left as it is.
func writeBundle(file string, parts []part) error {
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already; name another file with -o", file)
	}
	if err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	err = errors.Join(pack(out, parts), out.Close())
	if err != nil {
		return errors.Join(fmt.Errorf("write the bundle: %w", err), os.Remove(file))
	}
	return nil
}

func pack(w io.Writer, parts []part) error {
	zip := gzip.NewWriter(w)
	archive, now := tar.NewWriter(zip), time.Now()
	put := func(name string, body []byte) error {
		if err := archive.WriteHeader(&tar.Header{Name: "evenkeel-support/" + name, Mode: 0o600, Size: int64(len(body)), ModTime: now}); err != nil {
			return err
		}
		_, err := archive.Write(body)
		return err
	}
	errs := []error{put("MANIFEST", manifest(parts, now))}
	for _, p := range parts {
		if p.missing == "" {
			errs = append(errs, put(p.name, p.body))
		}
	}
	return errors.Join(append(errs, archive.Close(), zip.Close())...)
}

// manifest says what is in the bundle, and why the rest is not.
func manifest(parts []part, at time.Time) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "evenkeel support bundle, made at %s by evenkeel %s\n\n", at.UTC().Format(time.RFC3339), version)
	for _, p := range parts {
		if p.missing == "" {
			fmt.Fprintf(&b, "%-27s %d bytes\n", p.name, len(p.body))
		} else {
			fmt.Fprintf(&b, "%-27s not there: %s\n", p.name, p.missing)
		}
	}
	return []byte(b.String())
}
