package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/evenkeel/evenkeel/dashboards"
	"github.com/evenkeel/evenkeel/internal/secret"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// maxAnnotated is how many of the newest actions are looked through for annotations: as many as the server tells at once.
const maxAnnotated = 1000

func newDashboards() *cobra.Command {
	cmd := &cobra.Command{Use: "dashboards", Short: "Take the Grafana dashboards to a Grafana, or write them into files"}
	cmd.AddCommand(newDashboardsPush(), newDashboardsWrite())
	return cmd
}

func newDashboardsWrite() *cobra.Command {
	return &cobra.Command{
		Use:   "write DIR",
		Short: "Write the dashboards as files, for Grafana's provisioning",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := dashboards.Write(args[0])
			if err != nil {
				return fmt.Errorf("write the dashboards: %w", err)
			}
			for _, f := range files {
				fmt.Fprintln(cmd.OutOrStdout(), f)
			}
			return nil
		},
	}
}

// grafanaFlags say where Grafana is and who writes to it. Secrets come from files alone.
type grafanaFlags struct {
	url, tokenFile, user, passwordFile, caFile string
}

func (g *grafanaFlags) register(f *pflag.FlagSet) {
	f.StringVar(&g.url, "grafana.url", "", "Grafana's URL, with its path below the host if it has one")
	f.StringVar(&g.tokenFile, "grafana.token-file", "", "file with the token of a service account of role Editor")
	f.StringVar(&g.user, "grafana.user", "", "user, in place of a token")
	f.StringVar(&g.passwordFile, "grafana.password-file", "", "file with the user's password")
	f.StringVar(&g.caFile, "grafana.ca-file", "", "certificates that Grafana's is checked against, in place of the system's")
}

// grafana returns the Grafana that the flags name.
func (g *grafanaFlags) grafana() (*dashboards.Grafana, error) {
	if g.url == "" {
		return nil, errors.New("--grafana.url: say where Grafana is, such as https://grafana.example")
	}
	transport, err := g.transport()
	if err != nil {
		return nil, err
	}
	to, err := dashboards.NewGrafana(g.url, transport)
	if err != nil {
		return nil, fmt.Errorf("--grafana.url: %w", err)
	}
	return to, nil
}

func (g *grafanaFlags) transport() (http.RoundTripper, error) {
	c := promconfig.HTTPClientConfig{TLSConfig: promconfig.TLSConfig{CAFile: g.caFile}}
	switch {
	case g.tokenFile != "" && (g.user != "" || g.passwordFile != ""):
		return nil, errors.New("--grafana.token-file and --grafana.user: one of them is enough")
	case g.tokenFile != "":
		token, err := secret.Read(g.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("--grafana.token-file: %w", err)
		}
		c.Authorization = &promconfig.Authorization{Type: "Bearer", Credentials: promconfig.Secret(token)}
	case g.user != "" && g.passwordFile != "":
		password, err := secret.Read(g.passwordFile)
		if err != nil {
			return nil, fmt.Errorf("--grafana.password-file: %w", err)
		}
		c.BasicAuth = &promconfig.BasicAuth{Username: g.user, Password: promconfig.Secret(password)}
	default:
		return nil, errors.New("who writes to Grafana? give --grafana.token-file, or --grafana.user and --grafana.password-file")
	}
	transport, err := promconfig.NewRoundTripperFromConfig(c, "evenkeel")
	if err != nil {
		return nil, fmt.Errorf("--grafana.ca-file: %w", err)
	}
	return transport, nil
}

func newDashboardsPush() *cobra.Command {
	var ask clientFlags
	var where grafanaFlags
	var folder, source, annotations string
	cmd := &cobra.Command{
		Use:   "push",
		Short: "Write the dashboards to a Grafana, in place of those that are there; with --annotations also what was done",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			back, err := model.ParseDuration(cmp.Or(annotations, "0s"))
			if err != nil {
				return fmt.Errorf("--annotations: %w; write how far to look back, such as 24h", err)
			}
			grafana, err := where.grafana()
			if err != nil {
				return err
			}
			paths, err := grafana.Push(cmd.Context(), folder, source)
			if err != nil {
				return err
			}
			for _, p := range paths {
				fmt.Fprintln(cmd.OutOrStdout(), p)
			}
			if back == 0 {
				return nil
			}
			return annotate(cmd, ask, grafana, time.Duration(back))
		},
	}
	ask.register(cmd.Flags())
	where.register(cmd.Flags())
	cmd.Flags().StringVar(&folder, "folder", "evenkeel", "title of the folder, made where there is none; empty for none")
	cmd.Flags().StringVar(&source, "datasource", "", "name or UID of the data source to begin with; needed where Grafana has several of type prometheus")
	cmd.Flags().StringVar(&annotations, "annotations", "", "write what was done in this time (such as 24h) as annotations; what is there already is not written again")
	return cmd
}

// annotate takes what the server's history holds to Grafana.
func annotate(cmd *cobra.Command, ask clientFlags, grafana *dashboards.Grafana, back time.Duration) error {
	client, err := ask.client()
	if err != nil {
		return err
	}
	cases, err := client.History(cmd.Context(), "", maxAnnotated)
	if err != nil {
		return fmt.Errorf("ask the server what was done: %w", err)
	}
	now := time.Now()
	since := now.Add(-back)
	if len(cases) == maxAnnotated && cases[maxAnnotated-1].Updated.After(since) {
		fmt.Fprintf(cmd.ErrOrStderr(), "the server tells the newest %d cases, back to %s; what was done before is not written: run this more often\n", maxAnnotated, clock(cases[maxAnnotated-1].Updated))
	}
	written, err := grafana.Annotate(cmd.Context(), cases, since, now)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d annotations written\n", written)
	return nil
}
