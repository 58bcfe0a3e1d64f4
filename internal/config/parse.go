package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parse reads the text of a configuration file; name is what errors call the file. The error
// holds everything that is wrong, a line each: file, line, key and what to do.
func Parse(name string, text []byte) (Config, error) {
	c := Default()
	k, err := decode(name, text, &c)
	if err != nil {
		return c, err
	}
	for i := range c.Hosts {
		if c.Hosts[i].MigrationURI == "" {
			c.Hosts[i].MigrationURI = c.Hosts[i].URI
		}
	}
	for i := range c.Machines {
		c.Machines[i].Instance = cmp.Or(c.Machines[i].Instance, c.Machines[i].NodeExporter)
	}
	for i := range c.API.Tokens {
		c.API.Tokens[i].Role = cmp.Or(c.API.Tokens[i].Role, "operator")
	}
	c.API.OIDC.fill()
	for i := range c.Runbooks {
		c.Runbooks[i].fill()
	}
	for i := range c.Schedules {
		c.Schedules[i].fill()
	}
	return c, c.problems().located(name, k)
}

// decode reads a file strictly: an unknown key is an error. Keys are where each stands.
func decode(name string, text []byte, into any) (keys, error) {
	k := keys{}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return k, errors.Join(located(name, k, err)...)
	}
	k.collect("", &root)
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return k, errors.Join(located(name, k, err)...)
	}
	if more := d.Decode(&yaml.Node{}); !errors.Is(more, io.EOF) {
		return k, fmt.Errorf("%s: there is a second document after a line ---; only the first would count, put everything into one", name)
	}
	return k, nil
}

// located says the problems with their places.
func (p problems) located(name string, k keys) error {
	var errs []error
	for _, one := range p {
		errs = append(errs, fmt.Errorf("%s:%d: %s: %s", name, k.line(one.key), one.key, one.text))
	}
	return errors.Join(errs...)
}

// keys are the places of all keys of a file, as dotted paths with indexes: hosts[1].uri.
type keys struct {
	lines map[string]int
	paths []path
}

// path is one key or value: its dotted path, where it stands, and its text if it is a scalar.
type path struct {
	key          string
	line, column int
	text         string
}

func (k *keys) collect(at string, n *yaml.Node) {
	if k.lines == nil {
		k.lines = map[string]int{}
	}
	if at != "" {
		k.note(at, n, n.Value)
	}
	switch n.Kind {
	case yaml.DocumentNode:
		for _, c := range n.Content {
			k.collect(at, c)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := strings.TrimPrefix(at+"."+n.Content[i].Value, ".")
			k.note(key, n.Content[i], "")
			k.collect(key, n.Content[i+1])
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			k.collect(fmt.Sprintf("%s[%d]", at, i), c)
		}
	case yaml.ScalarNode, yaml.AliasNode:
	}
}

func (k *keys) note(key string, n *yaml.Node, text string) {
	if k.lines[key] == 0 {
		k.lines[key] = n.Line
	}
	k.paths = append(k.paths, path{key, n.Line, n.Column, text})
}

// line returns where the key stands or, when it is missing, where the nearest key around it does.
func (k keys) line(key string) int {
	for key != "" {
		if l := k.lines[key]; l > 0 {
			return l
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return 1
}

// find returns the key of the last place on the line that fits.
func (k keys) find(line int, fits func(path) bool) string {
	found := ""
	for _, p := range k.paths {
		if p.line == line && fits(p) {
			found = p.key
		}
	}
	return found
}

// around returns the key that a key stands in.
func around(key string) string { return key[:max(0, strings.LastIndexAny(key, ".["))] }

// message is what the decoder says, taken apart.
type message struct {
	line int
	key  string
	text string
}

func located(name string, k keys, err error) []error {
	texts := []string{err.Error()}
	var typ *yaml.TypeError
	if errors.As(err, &typ) {
		texts = typ.Errors
	}
	var errs []error
	for _, text := range texts {
		m := k.locate(text)
		switch {
		case m.line == 0:
			errs = append(errs, fmt.Errorf("%s: %s", name, m.text))
		case m.key == "":
			errs = append(errs, fmt.Errorf("%s:%d: %s", name, m.line, m.text))
		default:
			errs = append(errs, fmt.Errorf("%s:%d: %s: %s", name, m.line, m.key, m.text))
		}
	}
	return errs
}

// The decoder's messages carry their line in the text, ours a column or the key as well.
var (
	withKey   = regexp.MustCompile(`^key (\S+): (.*)$`)
	withPlace = regexp.MustCompile(`^(?:yaml: )?line (\d+)(?: column (\d+))?: (.*)$`)
	unknown   = regexp.MustCompile(`^field (.+) not found in type .*$`)
	mistyped  = regexp.MustCompile("^cannot unmarshal !!(\\w+)(?: `(.*)`)? into (.*)$")
	// The parser, unlike the scanner under it, counts lines from 0.
	fromZero = regexp.MustCompile(`^did not find expected (node content|key|'-' indicator|',' or|<)`)
)

func (k keys) locate(text string) message {
	if m := withKey.FindStringSubmatch(text); m != nil {
		return message{k.line(m[1]), m[1], m[2]}
	}
	m := withPlace.FindStringSubmatch(text)
	if m == nil {
		return message{text: strings.TrimPrefix(text, "yaml: ")}
	}
	line, _ := strconv.Atoi(m[1])   // the pattern lets only digits through
	column, _ := strconv.Atoi(m[2]) // the same, or nothing, which is 0
	what := m[3]
	if fromZero.MatchString(what) {
		line++
	}
	if u := unknown.FindStringSubmatch(what); u != nil {
		key := k.find(line, func(p path) bool { return p.key == u[1] || strings.HasSuffix(p.key, "."+u[1]) })
		if in := around(key); in != "" {
			key = in
		}
		return message{line, key, fmt.Sprintf("there is no key %q here", u[1])}
	}
	if t := mistyped.FindStringSubmatch(what); t != nil {
		key := k.find(line, func(p path) bool { return t[2] == "" || strings.HasPrefix(p.text, strings.TrimSuffix(t[2], "...")) })
		return message{line, key, fmt.Sprintf("%s is wanted here, not %s", wanted(t[3]), given(t[1], t[2]))}
	}
	return message{line, k.find(line, func(p path) bool { return column == 0 || p.column == column }), what}
}

func wanted(goType string) string {
	switch {
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	case strings.HasPrefix(goType, "int"):
		return "a whole number"
	case strings.HasPrefix(goType, "float"):
		return "a number"
	case goType == "bool":
		return "true or false"
	case goType == "string":
		return "a text"
	}
	return "a block of keys"
}

func given(tag, value string) string {
	switch {
	case tag == "map":
		return "a block of keys"
	case tag == "seq":
		return "a list"
	}
	return strconv.Quote(value)
}
