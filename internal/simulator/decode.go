package simulator

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/units"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// ParseScenario reads the text of a scenario; name is what errors call the file, dir where traces are
// looked for. Keys that are not known are errors.
func ParseScenario(name, dir string, text []byte) (Scenario, error) {
	s := Scenario{Seed: 1, Duration: Duration(usualDuration), Step: Duration(usualStep), Speed: 1, Migration: Migration{Bandwidth: usualBandwidth},
		Power: Power{Shutdown: Duration(usualShutdown), Boot: Duration(usualBoot), MendAfter: Duration(usualMend)}, dir: dir}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return s, errors.Join(located(name, nil, err)...)
	}
	k := places{}
	k.collect("", &root)
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&s); err != nil && !errors.Is(err, io.EOF) {
		return s, errors.Join(located(name, k, err)...)
	}
	s.complete()
	var errs []error
	for _, p := range s.problems() {
		errs = append(errs, fmt.Errorf("%s:%d: %s: %s", name, k.line(p.key), p.key, p.text))
	}
	return s, errors.Join(errs...)
}

// Duration is written as Prometheus writes it: 30s, 5m, 1d.
type Duration time.Duration

// UnmarshalYAML reads a duration.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := model.ParseDuration(n.Value)
	if err != nil {
		return wrong(n, fmt.Errorf("%q is no duration; write for example 30s, 5m or 1d", n.Value))
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
		return wrong(n, fmt.Errorf("%q is no size; write for example 512MiB or 4GiB", n.Value))
	}
	*b = Bytes(v)
	return nil
}

// RuleKind is written as its word.
type RuleKind cluster.RuleKind

// UnmarshalYAML reads a kind of rule.
func (k *RuleKind) UnmarshalYAML(n *yaml.Node) error { return word(n, (*cluster.RuleKind)(k)) }

// Strength is written as its word.
type Strength cluster.RuleStrength

// UnmarshalYAML reads the strength of a rule.
func (s *Strength) UnmarshalYAML(n *yaml.Node) error { return word(n, (*cluster.RuleStrength)(s)) }

// EventKind is the state that an event puts its host into.
type EventKind cluster.HostState

// UnmarshalYAML reads what happens.
func (e *EventKind) UnmarshalYAML(n *yaml.Node) error {
	if err := word(n, (*cluster.HostState)(e)); err != nil || cluster.HostState(*e) == cluster.HostUnknown {
		return wrong(n, fmt.Errorf("%q is nothing that can happen; use down, maintenance, standby or up", n.Value))
	}
	return nil
}

func word(n *yaml.Node, into encoding.TextUnmarshaler) error {
	if err := into.UnmarshalText([]byte(n.Value)); err != nil {
		return wrong(n, err)
	}
	return nil
}

// wrong makes an error that the decoder collects with its own, line first.
func wrong(n *yaml.Node, err error) error {
	return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %v", n.Line, err)}}
}

// place is where a key or a value stands in the file. Keys are dotted paths with indexes: vms[1].load.
type place struct {
	key, value string
	line       int
}

type places []place

func (p *places) collect(at string, n *yaml.Node) {
	switch n.Kind {
	case yaml.DocumentNode:
		for _, c := range n.Content {
			p.collect(at, c)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := strings.TrimPrefix(at+"."+n.Content[i].Value, ".")
			*p = append(*p, place{key, n.Content[i+1].Value, n.Content[i].Line})
			p.collect(key, n.Content[i+1])
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			key := fmt.Sprintf("%s[%d]", at, i)
			*p = append(*p, place{key, c.Value, c.Line})
			p.collect(key, c)
		}
	case yaml.ScalarNode, yaml.AliasNode:
	}
}

// line returns where the key stands or, when it is missing, where the nearest key around it does.
func (p places) line(key string) int {
	for ; key != ""; key = key[:max(0, strings.LastIndexAny(key, ".["))] {
		for _, at := range p {
			if at.key == key {
				return at.line
			}
		}
	}
	return 1
}

// at returns the key on the line whose last part or whose value is the text.
func (p places) at(line int, text string) string {
	found := ""
	for _, at := range p {
		if at.line == line && (found == "" || at.value == text || strings.HasSuffix("."+at.key, "."+text)) {
			found = at.key
		}
	}
	return found
}

// located puts file, line and key before what the decoder says.
func located(name string, p places, err error) []error {
	texts := []string{err.Error()}
	if typ := (*yaml.TypeError)(nil); errors.As(err, &typ) {
		texts = typ.Errors
	}
	withLine := regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
	unknown := regexp.MustCompile(`^field (.+) not found in type .*$`)
	mistyped := regexp.MustCompile("^cannot unmarshal !!\\w+(?: `(.*)`)? into (.*)$")
	quoted := regexp.MustCompile(`^"(.*?)"`)
	var errs []error
	for _, text := range texts {
		m := withLine.FindStringSubmatch(text)
		if m == nil {
			errs = append(errs, fmt.Errorf("%s: %s", name, strings.TrimPrefix(text, "yaml: ")))
			continue
		}
		line, _ := strconv.Atoi(m[1]) // the pattern lets only digits through
		key, what := "", m[2]
		if u := unknown.FindStringSubmatch(what); u != nil {
			key, what = p.at(line, u[1]), fmt.Sprintf("there is no key %q here", u[1])
		} else if t := mistyped.FindStringSubmatch(what); t != nil {
			key, what = p.at(line, t[1]), fmt.Sprintf("%s is wanted here, not %q", wanted(t[2]), t[1])
		} else if q := quoted.FindStringSubmatch(what); q != nil {
			key = p.at(line, q[1])
		}
		errs = append(errs, fmt.Errorf("%s:%d: %s", name, line, strings.TrimPrefix(key+": "+what, ": ")))
	}
	return errs
}

func wanted(goType string) string {
	switch {
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	case strings.HasPrefix(goType, "int"), strings.HasPrefix(goType, "uint"):
		return "a whole number"
	case strings.HasPrefix(goType, "float"):
		return "a number"
	case goType == "bool":
		return "true or false"
	case goType == "string":
		return "a text"
	case goType == "time.Time":
		return "a time like 2026-01-05T00:00:00Z"
	}
	return "a block of keys"
}
