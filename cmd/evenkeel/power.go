package main

import (
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/actuator/energy"
	"github.com/evenkeel/evenkeel/actuator/verdict"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/spf13/cobra"
)

func energyPolicy(c config.Config) energy.Policy {
	w := c.Power
	p := energy.Policy{CycleWh: w.CycleWh, PricePerKWh: w.PricePerKWh, CarbonPerKWh: w.CarbonPerKWh, Currency: w.Currency, Advises: w.Advise}
	for _, h := range c.Hosts {
		p.Hosts = append(p.Hosts, energy.Host{Name: h.Name, Curve: c.Curve(h), AsleepWatts: w.AsleepWatts})
	}
	return p
}

// maxUseAge is how old a look at the cluster may be to say what a host draws.
const maxUseAge = 2 * time.Minute

// powerView is what is known of the hosts that matters for what they draw.
func (s *server) powerView() energy.View {
	v := energy.View{Use: map[string]float64{}, Empty: map[string]bool{}, Rests: map[string]cluster.Rest{}, Proofs: s.actuator.Proofs()}
	now, awake := time.Now(), map[string]bool{}
	for _, h := range s.watch.Hosts() {
		awake[h.Host] = h.Verdict == string(verdict.Alive)
		if o := s.actuator.Orders().Standby(h.Host, now); o != nil {
			v.Rests[h.Host] = o.Rest
			awake[h.Host] = awake[h.Host] && o.Rest.Down.IsZero()
		}
	}
	board, err := s.analyzer.Board()
	if err != nil || now.Sub(board.Snapshot.At) > maxUseAge {
		return v
	}
	for _, l := range board.Loads {
		if awake[l.Host] && (l.State == cluster.HostUp || l.State == cluster.HostMaintenance) { // the look may be older than that the host went off
			v.Use[l.Host], v.Empty[l.Host] = l.CPUUtilisation, l.VMs == 0
		}
	}
	return v
}

func newPowerStatus() *cobra.Command {
	var ask clientFlags
	cmd := &cobra.Command{
		Use:   "power",
		Short: "Show what each host draws, whether it can be woken, and what those that slept saved",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			status, err := client.Power(cmd.Context())
			if err != nil {
				return err
			}
			return ask.print(cmd.OutOrStdout(), status, func(t *table) { printPower(t, status) })
		},
	}
	ask.register(cmd.Flags())
	return cmd
}

func printPower(t *table, status cluster.PowerStatus) {
	t.row("HOST", "STATE", "WATTS", "IDLE", "WOKEN", "SLEPT TODAY", "SAVED TODAY")
	for _, h := range status.Hosts {
		state := "in use"
		if h.Rest != nil {
			state = restWord(*h.Rest)
		}
		t.row(h.Host, state, wattsWord(h.Watts, h.Source), wattsWord(h.IdleWatts, h.IdleSource), proofWord(h.Proof), sleptWord(h.Today), energyWord(h.Today.NetWh()))
	}
	for _, h := range status.Hosts {
		if h.Problem != "" {
			t.line("%s: its BMC does not say what it draws: %s", h.Host, h.Problem)
		}
	}
	t.line("")
	t.row("", "SLEPT", "WAKES", "SAVED", "COST", "CO2")
	for _, p := range status.Periods {
		cost, carbon := "-", "-"
		if p.Cost.Known {
			cost = fmt.Sprintf("%.2f %s", p.Cost.Value, status.Currency)
		}
		if p.CarbonGrams.Known {
			carbon = fmt.Sprintf("%.2f kg", p.CarbonGrams.Value/1000)
		}
		t.row(p.Name, sleptWord(p.Saving), fmt.Sprint(p.Saving.Wakes), energyWord(p.Saving.NetWh()), cost, carbon)
	}
	t.line("")
	if !status.Advises {
		t.line("power.advise is off: hosts sleep only when a person says so (evenkeel standby enter HOST).")
	}
	t.line("Saved is what a host would have drawn awake and idle, less what it drew and what falling asleep and waking took.")
}

func wattsWord(watts cluster.Number, source string) string {
	if !watts.Known {
		return "-"
	}
	return fmt.Sprintf("%.0f (%s)", watts.Value, source)
}

// proofWord says how the last wake went.
func proofWord(p *cluster.WakeProof) string {
	switch {
	case p == nil:
		return "never"
	case !p.Woke:
		return fmt.Sprintf("FAILED %s: %s", clock(p.At), p.Reason)
	}
	return fmt.Sprintf("%s, took %s", clock(p.At), time.Duration(p.Seconds*float64(time.Second)).Round(time.Second))
}

func sleptWord(s cluster.Saving) string {
	if s.SleptSeconds == 0 {
		return "-"
	}
	return time.Duration(s.SleptSeconds * float64(time.Second)).Round(time.Second).String()
}

func energyWord(wh float64) string {
	switch {
	case wh == 0:
		return "-"
	case wh > -1000 && wh < 1000:
		return fmt.Sprintf("%.1f Wh", wh)
	}
	return fmt.Sprintf("%.2f kWh", wh/1000)
}
