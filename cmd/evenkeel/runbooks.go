package main

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/actuator/runbook"
	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/config"
)

// newRunbooks returns the room of the runbooks; which there are is for setRunbooks.
func (s *server) newRunbooks() (*runbook.Room, error) {
	house := runbook.House{Desk: s.actuator, World: &s.source, Advisor: advisor{s.analyzer}, Prometheus: &s.source, Journal: s.journal}
	if s.slack != nil {
		house.Crier = s.slack
	}
	return runbook.New(house, s.log.With("room", "runbook"), s.registry)
}

// setRunbooks puts the runbooks of a configuration into force, and the token of the webhook.
func (s *server) setRunbooks(c config.Config) error {
	secret, err := c.Alertmanager.ReadToken()
	if err != nil {
		return fmt.Errorf("read the token for Alertmanager: %w", err)
	}
	list, err := runbooks(c)
	if err != nil {
		return err
	}
	return s.runbooks.Configure(list, secret)
}

func runbooks(c config.Config) ([]runbook.Runbook, error) {
	var list []runbook.Runbook
	for _, r := range c.Runbooks {
		match, err := r.Matchers()
		if err != nil {
			return nil, fmt.Errorf("runbook %s: %w", r.Name, err)
		}
		one := runbook.Runbook{Name: r.Name, Match: match, DryRun: r.DryRun, AtOnce: r.BlastRadius.AtOnce, PerHour: r.BlastRadius.PerHour, Alerts: r.BlastRadius.Alerts,
			VMLabel: r.VMLabel, HostLabel: r.HostLabel, NameLabel: r.NameLabel}
		for _, s := range r.Steps {
			one.Steps = append(one.Steps, step(s))
		}
		list = append(list, one)
	}
	return list, nil
}

// step is a step of the configuration, of which exactly one key is given.
func step(s config.RunbookStep) runbook.Step {
	one := runbook.Step{Kind: s.Kinds()[0]}
	switch {
	case s.Evacuate != nil:
		one.For, one.Timeout = time.Duration(s.Evacuate.For), time.Duration(s.Evacuate.Timeout)
	case s.Notify != nil:
		one.Text = s.Notify.Text
	case s.Wait != nil:
		one.Text, one.For, one.Timeout = s.Wait.Query, time.Duration(s.Wait.For), time.Duration(s.Wait.Timeout)
	}
	return one
}

// advisor makes recommendations of what runbooks ask for, by the analyzer's policy.
type advisor struct{ analyzer *analyzer.Analyzer }

// Advise makes the recommendation.
func (a advisor) Advise(s cluster.Snapshot, want cluster.Action, why string, at time.Time) (cluster.Recommendation, error) {
	return plan.Ask(s, want, why, a.analyzer.Policy().Plan, at)
}

// Holds tells whether a query has a sample that is not zero.
func (s *swappable) Holds(ctx context.Context, query string, at time.Time) (bool, error) {
	return s.current.Load().Holds(ctx, query, at)
}
