package config

import (
	"encoding"
	"fmt"
	"time"

	"github.com/alecthomas/units"
	"github.com/evenkeel/evenkeel/internal/cluster"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// Duration is written as Prometheus writes it: 30s, 5m, 15d.
type Duration time.Duration

// UnmarshalYAML reads a duration.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := model.ParseDuration(n.Value)
	if err != nil {
		return at(n, fmt.Errorf("%q is no duration; write for example 30s, 5m or 15d", n.Value))
	}
	*d = Duration(v)
	return nil
}

// Bytes is written with its unit: 4GiB, 512MiB.
type Bytes int64

// UnmarshalYAML reads a size.
func (b *Bytes) UnmarshalYAML(n *yaml.Node) error {
	v, err := units.ParseStrictBytes(n.Value)
	if err != nil || v < 0 {
		return at(n, fmt.Errorf("%q is no size; write for example 512MiB or 4GiB", n.Value))
	}
	*b = Bytes(v)
	return nil
}

// Level is an automation level.
type Level cluster.Level

// UnmarshalYAML reads an automation level.
func (l *Level) UnmarshalYAML(n *yaml.Node) error { return text(n, (*cluster.Level)(l)) }

// AutomationLevel is an automation level, or "earned": as much as has been earned up to the ceiling.
type AutomationLevel struct {
	Level  cluster.Level
	Earned bool
}

// UnmarshalYAML reads an automation level or "earned".
func (l *AutomationLevel) UnmarshalYAML(n *yaml.Node) error {
	if l.Earned = n.Value == "earned"; l.Earned {
		return nil
	}
	if text(n, &l.Level) != nil {
		return at(n, fmt.Errorf("%q is no automation level; use one of off, manual, partial, full, earned", n.Value))
	}
	return nil
}

// RuleKind is the kind of a rule.
type RuleKind cluster.RuleKind

// UnmarshalYAML reads the kind of a rule.
func (k *RuleKind) UnmarshalYAML(n *yaml.Node) error { return text(n, (*cluster.RuleKind)(k)) }

// RuleStrength says whether a rule must or should hold.
type RuleStrength cluster.RuleStrength

// UnmarshalYAML reads the strength of a rule.
func (r *RuleStrength) UnmarshalYAML(n *yaml.Node) error { return text(n, (*cluster.RuleStrength)(r)) }

// HTTPClient holds basic_auth, tls_config and so on, as in a scrape_config of Prometheus.
type HTTPClient struct{ promconfig.HTTPClientConfig }

// UnmarshalYAML reads the settings. It takes the decoder's older form, which passes strictness on.
func (h *HTTPClient) UnmarshalYAML(unmarshal func(any) error) error {
	type plain promconfig.HTTPClientConfig // whose own form validates as well, and cannot tell the line
	h.HTTPClientConfig = promconfig.DefaultHTTPClientConfig
	return unmarshal((*plain)(&h.HTTPClientConfig))
}

func (h HTTPClient) check(p *problems, key string) {
	err := h.Validate()
	p.add(err != nil, key, "%v", err)
}

// text reads a word. YAML takes off and on for booleans in places; the word as written counts.
func text(n *yaml.Node, into encoding.TextUnmarshaler) error {
	if err := into.UnmarshalText([]byte(n.Value)); err != nil {
		return at(n, err)
	}
	return nil
}

// at makes an error that the decoder collects with its own, line first.
func at(n *yaml.Node, err error) error {
	return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d column %d: %v", n.Line, n.Column, err)}}
}
