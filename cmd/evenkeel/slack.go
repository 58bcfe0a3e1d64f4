package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/actuator/slack"
	"github.com/evenkeel/evenkeel/internal/config"
)

// newSlack returns the channel's clerk, or nil where none is configured.
func (s *server) newSlack(c config.Config) (*slack.Slack, error) {
	if c.Slack == nil {
		return nil, nil
	}
	o := slack.Options{
		Channel: c.Slack.Channel, ApproverGroups: c.Slack.ApproverGroups, Names: map[string]string{}, SnoozeFor: time.Duration(c.Slack.Snooze),
		APIURL: c.Slack.APIURL, ConsoleURL: c.Slack.ConsoleURL, State: s.place("slack"),
	}
	for _, a := range c.Slack.Approvers {
		o.Approvers = append(o.Approvers, a.User)
		o.Names[a.User] = a.Name
	}
	var errs []error
	for _, secret := range []struct {
		into *string
		file string
	}{{&o.BotToken, c.Slack.BotTokenFile}, {&o.AppToken, c.Slack.AppTokenFile}, {&o.SigningSecret, c.Slack.SigningSecretFile}} {
		if secret.file == "" {
			continue
		}
		text, err := config.ReadSecret(secret.file)
		*secret.into, errs = text, append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("read the secrets for Slack: %w", err)
	}
	return slack.New(s.actuator, o, s.log.With("room", "slack"), s.registry)
}
