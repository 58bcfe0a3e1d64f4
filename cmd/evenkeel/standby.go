package main

import (
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/actuator"
	"github.com/evenkeel/evenkeel/actuator/power"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
)

// standby publishes which hosts evenkeel keeps off and when they were woken last, so that the analyzer finds it in Prometheus
// and advice can be replayed.
type standby struct{ server *server }

func standbyDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_host_standby", "Whether evenkeel keeps the host off (2), is emptying it to turn it off (1), or neither (0).", []string{"host"}, nil)
}

func downDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_host_standby_timestamp_seconds", "When the host that evenkeel keeps off was told to shut down.", []string{"host"}, nil)
}

func wakeFailedDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_host_wake_failed", "Whether the host did not come back the last time that evenkeel woke it (1) or it did, or was never woken (0).", []string{"host"}, nil)
}

func wokenDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_host_wake_last_success", "Whether the host was back in the cluster the last time that evenkeel woke it (1) or not (0); absent where it never did.", []string{"host"}, nil)
}

func wokenAtDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_host_wake_last_timestamp_seconds", "When evenkeel woke the host, or tried to, for the last time.", []string{"host"}, nil)
}

func wakeSecondsDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_host_wake_last_duration_seconds", "How long that took until the host was back in the cluster, or was given up.", []string{"host"}, nil)
}

func wakingDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_host_waking_timestamp_seconds", "When evenkeel began to wake the host that is not back yet; absent where it is not waking it.", []string{"host"}, nil)
}

// Describe is part of prometheus.Collector.
func (standby) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{standbyDesc(), downDesc(), wakeFailedDesc(), wokenDesc(), wokenAtDesc(), wakeSecondsDesc(), wakingDesc()} {
		ch <- d
	}
}

// Collect is part of prometheus.Collector.
func (s standby) Collect(ch chan<- prometheus.Metric) {
	kept := s.server.empty.Load()
	if kept == nil || s.server.actuator == nil {
		return
	}
	orders, now := s.server.actuator.Orders(), time.Now()
	failed := map[string]float64{}
	proofs := s.server.actuator.Proofs()
	for _, p := range proofs {
		if !p.Woke {
			failed[p.Host] = 1
		}
	}
	gauge := func(d *prometheus.Desc, value float64, host string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, host)
	}
	for host := range *kept {
		value := 0.0
		if o := orders.Standby(host, now); o != nil {
			value = 1
			if !o.Rest.Asleep.IsZero() {
				value = 2
				gauge(downDesc(), float64(o.Rest.Down.UnixMilli())/1000, host)
			}
		}
		gauge(standbyDesc(), value, host)
		gauge(wakeFailedDesc(), failed[host], host)
	}
	for host, since := range s.server.actuator.Waking() {
		gauge(wakingDesc(), float64(since.UnixMilli())/1000, host)
	}
	for _, p := range proofs {
		woke := 0.0
		if p.Woke {
			woke = 1
		}
		gauge(wokenDesc(), woke, p.Host)
		gauge(wokenAtDesc(), float64(p.At.UnixMilli())/1000, p.Host)
		gauge(wakeSecondsDesc(), p.Seconds, p.Host)
	}
}

func powerHosts(c config.Config) []power.Host {
	var hosts []power.Host
	for _, h := range c.Hosts {
		one := power.Host{Name: h.Name, WakeOnLAN: h.WakeOnLAN.Address()}
		if h.Shutdown != nil {
			one.Shutdown, one.Timeout = h.Shutdown.Command, time.Duration(h.Shutdown.Timeout)
		}
		if h.WakeOnLAN != nil {
			one.Broadcast = h.WakeOnLAN.Broadcast
		}
		hosts = append(hosts, one)
	}
	return hosts
}

// mayRest judges whether the host can be emptied, and whether it is needed.
func (s *server) mayRest(snap cluster.Snapshot, host string) (stay, reserve string) {
	r := plan.MayRest(snap, host, s.analyzer.Policy().Plan)
	return r.Stay, r.Reserve
}

// standbyParts are what it takes to put hosts into standby.
func (s *server) standbyParts() actuator.Standby {
	return actuator.Standby{Power: s.power, Roll: s.driver, Judge: s.mayRest}
}

// restWord says how far a host is on its way into standby.
func restWord(r cluster.Rest) string {
	switch {
	case !r.Asleep.IsZero() && r.WakeAt.IsZero():
		return "in standby since " + clock(r.Asleep)
	case !r.Asleep.IsZero():
		return "in standby since " + clock(r.Asleep) + ", to be woken at " + clock(r.WakeAt)
	case !r.Down.IsZero():
		return "going down since " + clock(r.Down)
	}
	return "being emptied to go into standby"
}

func newStandby() *cobra.Command {
	cmd := &cobra.Command{Use: "standby", Short: "Empty hosts and turn them off, wake them, and prove that they can be woken"}
	cmd.AddCommand(newStandbyEnter(), newStandbyTest(), newWake(), newStandbyForget())
	return cmd
}

func newStandbyEnter() *cobra.Command {
	var f askFlags
	var lasting string
	cmd := &cobra.Command{
		Use:   "enter HOST",
		Short: "Move everything away from the host, which is approved by this, and shut it down; it must have been proven that it can be woken",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, hosts []string) error {
			until, err := lastingUntil(lasting)
			if err != nil {
				return err
			}
			return f.ask(cmd, api.ActionRequest{Kind: cluster.Standby, Host: hosts[0], Until: until})
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&lasting, "for", "", "wake it after this time, for example 8h; it stays off until it is needed or woken when left out")
	return cmd
}

func newStandbyTest() *cobra.Command {
	var f askFlags
	cmd := &cobra.Command{
		Use:   "test HOST",
		Short: "Prove that the host can be woken: empty it, shut it down, wake it, and wait until it is back in the cluster",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, hosts []string) error {
			if err := f.ask(cmd, api.ActionRequest{Kind: cluster.Standby, Host: hosts[0], Test: true}); err != nil || f.detach {
				return err
			}
			return awaitWoken(cmd, f, hosts[0])
		},
	}
	f.register(cmd.Flags())
	return cmd
}

func newWake() *cobra.Command {
	var f askFlags
	cmd := &cobra.Command{
		Use:   "exit HOST",
		Short: "Wake the host, which evenkeel must have turned off",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, hosts []string) error {
			return f.ask(cmd, api.ActionRequest{Kind: cluster.Wake, Host: hosts[0]})
		},
	}
	f.register(cmd.Flags())
	return cmd
}

func newStandbyForget() *cobra.Command {
	var ask clientFlags
	cmd := &cobra.Command{
		Use:   "forget HOST",
		Short: "Let go of the host without waking it: it is off for good, or for somebody else to turn on",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, hosts []string) error {
			what := subjectFlags{host: hosts[0]}
			return what.order(cmd, ask, api.OrderRequest{Kind: cluster.OrderStandby}, (*api.Client).Lift, "no longer kept in standby:")
		},
	}
	ask.register(cmd.Flags())
	return cmd
}

// awaitWoken follows the wake that a test ends with: the server asks for it by itself.
func awaitWoken(cmd *cobra.Command, f askFlags, host string) error {
	client, err := f.client()
	if err != nil {
		return err
	}
	began := time.Now()
	for {
		cases, err := client.History(cmd.Context(), host, 20)
		if err != nil {
			return err
		}
		for _, c := range cases {
			if a := c.Recommendation.Action; a.Kind == cluster.Wake && a.From == host && c.Recommendation.Made.After(began.Add(-time.Minute)) {
				err := follow(cmd.Context(), client, []string{c.Recommendation.ID}, f.progress(cmd))
				if err != nil {
					return fmt.Errorf("%w; %s stays out of standby until this is mended and tested again", err, host)
				}
				return printCases(cmd, f.clientFlags, client, []string{c.Recommendation.ID})
			}
		}
		select {
		case <-cmd.Context().Done():
			return cmd.Context().Err()
		case <-time.After(time.Second):
		}
	}
}
