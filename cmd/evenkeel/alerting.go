package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"github.com/evenkeel/evenkeel/alerts"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/evenkeel/evenkeel/internal/engine"
)

// ruleFiles are the rules that the configuration asks for: those that come with evenkeel, and its user's.
func ruleFiles(c config.Config) ([]engine.RuleFile, error) {
	var files []engine.RuleFile
	var errs []error
	if c.Alerting.OwnRules {
		names, err := fs.Glob(alerts.Files, "*.yml")
		errs = append(errs, err)
		for _, name := range names {
			text, err := alerts.Files.ReadFile(name)
			errs = append(errs, err)
			files = append(files, engine.RuleFile{Name: "evenkeel:" + name, Text: text})
		}
	}
	for _, name := range c.Alerting.RuleFiles {
		text, err := os.ReadFile(name)
		errs = append(errs, err)
		files = append(files, engine.RuleFile{Name: name, Text: text})
	}
	return files, errors.Join(errs...)
}

// alerting is what the embedded Prometheus does with what it stores.
func (s basis) alerting(c config.Config) (engine.Alerting, error) {
	files, err := ruleFiles(c)
	if err != nil {
		return engine.Alerting{}, fmt.Errorf("read the rule files: %w", err)
	}
	return engine.Alerting{Rules: files, Interval: time.Duration(c.Alerting.Interval), Alertmanagers: endpoints(c.Alerting.Alertmanagers),
		RemoteWrite: endpoints(c.RemoteWrite), ExternalLabels: c.ExternalLabels, ExternalURL: s.prometheusURL()}, nil
}

func endpoints(list []config.Endpoint) []engine.Endpoint {
	var all []engine.Endpoint
	for _, e := range list {
		all = append(all, engine.Endpoint{URL: e.URL, HTTPClient: e.HTTP.HTTPClientConfig})
	}
	return all
}

// prometheusURL is where people find the embedded Prometheus, for the links in alerts.
func (s basis) prometheusURL() string {
	if own := s.ownURL(); own != "" {
		return own + "/prometheus"
	}
	return ""
}

// ownURL is where the server is found.
func (s basis) ownURL() string {
	scheme := "http"
	if s.flags.web.Config != "" {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(s.flags.web.Listen[0])
	if err != nil {
		return ""
	}
	if name, err := os.Hostname(); err == nil && (host == "" || net.ParseIP(host).IsUnspecified()) {
		host = name
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}
