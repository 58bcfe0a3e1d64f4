package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/config"
	promconfig "github.com/prometheus/common/config"
	"github.com/spf13/pflag"
)

// clientFlags are the flags of every subcommand that asks a server.
type clientFlags struct {
	server, tokenFile, httpFile, output string
}

func (c *clientFlags) register(f *pflag.FlagSet) {
	c.registerServer(f)
	f.StringVarP(&c.output, "output", "o", "table", "table or json")
}

// registerServer is for what prints in one way only.
func (c *clientFlags) registerServer(f *pflag.FlagSet) {
	c.output = "table"
	f.StringVar(&c.server, "server", orDefault(os.Getenv("EVENKEEL_SERVER"), "http://127.0.0.1:9178"), "the server's URL ($EVENKEEL_SERVER)")
	f.StringVar(&c.tokenFile, "token-file", orDefault(os.Getenv("EVENKEEL_TOKEN_FILE"), filepath.Join("data", "token")), "file with the token for what changes state ($EVENKEEL_TOKEN_FILE)")
	f.StringVar(&c.httpFile, "http.config.file", "", "file with basic_auth and tls_config for reaching the server, as in a scrape_config of Prometheus")
}

func (c *clientFlags) client() (*api.Client, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	transport, err := transport(c.httpFile)
	if err != nil {
		return nil, fmt.Errorf("--http.config.file: %w", err)
	}
	secret, err := os.ReadFile(c.tokenFile)
	if err != nil {
		secret = nil // reading needs none, and the server says so where one is needed
	}
	return api.NewClient(c.server, strings.TrimSpace(string(secret)), transport), nil
}

// transport returns one with the passwords and certificates of the file, or nil without a file.
func transport(file string) (http.RoundTripper, error) {
	if file == "" {
		return nil, nil
	}
	c, err := config.LoadHTTPClient(file)
	if err != nil {
		return nil, err
	}
	return promconfig.NewRoundTripperFromConfig(c, "evenkeel")
}

func (c *clientFlags) check() error {
	if c.output != "table" && c.output != "json" {
		return fmt.Errorf("--output: %q is none; use table or json", c.output)
	}
	return nil
}

// print writes the value as JSON, or as the table that draw draws.
func (c *clientFlags) print(w io.Writer, v any, draw func(*table)) error {
	if c.output == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", " ")
		return enc.Encode(v)
	}
	t := newTable(w)
	draw(t)
	return t.flush()
}

// table writes aligned columns.
type table struct {
	w *tabwriter.Writer
}

func newTable(w io.Writer) *table { return &table{w: tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)} }

func (t *table) row(cells ...string) {
	fmt.Fprintln(t.w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
}

// line writes a line that takes no part in the columns.
func (t *table) line(format string, args ...any) {
	_ = t.w.Flush() // an error of the writer comes back from the last flush as well
	fmt.Fprintf(t.w, format+"\n", args...)
	_ = t.w.Flush()
}

func (t *table) flush() error { return t.w.Flush() }

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func orDash(s string) string { return orDefault(s, "-") }

// clock writes a time for people: the local time of day, and the date when it is not today's.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	t = t.Local()
	if now := time.Now(); t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04:05")
}

func percent(ratio float64) string { return fmt.Sprintf("%.0f %%", 100*ratio) }

// bar draws a ratio in ten cells; what is over the full host is marked.
func bar(ratio float64) string {
	const cells = 10
	full := min(cells, max(0, int(ratio*cells+0.5)))
	end := "]"
	if ratio > 1 {
		end = "!"
	}
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", cells-full) + end
}
