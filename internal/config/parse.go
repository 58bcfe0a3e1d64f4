package config

import (
	"bytes"
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
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return c, errors.Join(located(name, keys{}, err)...)
	}
	k := keys{}
	k.collect("", &root)
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return c, errors.Join(located(name, k, err)...)
	}
	for i := range c.Hosts {
		if c.Hosts[i].MigrationURI == "" {
			c.Hosts[i].MigrationURI = c.Hosts[i].URI
		}
	}
	var errs []error
	for _, p := range c.problems() {
		errs = append(errs, fmt.Errorf("%s:%d: %s: %s", name, k.line(p.key), p.key, p.text))
	}
	return c, errors.Join(errs...)
}

// keys are the places of all keys of a file, as dotted paths with indexes: hosts[1].uri.
type keys struct {
	lines map[string]int
	paths []path
}

type path struct {
	key  string
	line int
}

func (k *keys) collect(at string, n *yaml.Node) {
	if k.lines == nil {
		k.lines = map[string]int{}
	}
	if at != "" && k.lines[at] == 0 {
		k.lines[at] = n.Line
		k.paths = append(k.paths, path{at, n.Line})
	}
	switch n.Kind {
	case yaml.DocumentNode:
		for _, c := range n.Content {
			k.collect(at, c)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := strings.TrimPrefix(at+"."+n.Content[i].Value, ".")
			k.lines[key] = n.Content[i].Line
			k.paths = append(k.paths, path{key, n.Content[i].Line})
			k.collect(key, n.Content[i+1])
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			k.collect(fmt.Sprintf("%s[%d]", at, i), c)
		}
	case yaml.ScalarNode, yaml.AliasNode:
	}
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

// at returns the innermost key on the line.
func (k keys) at(line int) string {
	found := ""
	for _, p := range k.paths {
		if p.line == line {
			found = p.key
		}
	}
	return found
}

// The decoder's messages, which carry their line in the text.
func patterns() (line, unknown, mistyped *regexp.Regexp) {
	return regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`),
		regexp.MustCompile(`^field (.+) not found in type .*$`),
		regexp.MustCompile("^cannot unmarshal !!(\\w+)(?: `(.*)`)? into (.*)$")
}

func located(name string, k keys, err error) []error {
	messages := []string{err.Error()}
	var typ *yaml.TypeError
	if errors.As(err, &typ) {
		messages = typ.Errors
	}
	var errs []error
	for _, m := range messages {
		errs = append(errs, locate(name, k, m))
	}
	return errs
}

func locate(name string, k keys, message string) error {
	withLine, unknown, mistyped := patterns()
	parts := withLine.FindStringSubmatch(message)
	if parts == nil {
		return fmt.Errorf("%s: %s", name, strings.TrimPrefix(message, "yaml: "))
	}
	line, err := strconv.Atoi(parts[1])
	if err != nil {
		return fmt.Errorf("%s: %s", name, message)
	}
	key, what := k.at(line), parts[2]
	if m := unknown.FindStringSubmatch(what); m != nil {
		what = fmt.Sprintf("there is no key %q here", m[1])
	}
	if m := mistyped.FindStringSubmatch(what); m != nil {
		what = fmt.Sprintf("%s is wanted here, not %s", wanted(m[3]), given(m[1], m[2]))
	}
	if key == "" {
		return fmt.Errorf("%s:%d: %s", name, line, what)
	}
	return fmt.Errorf("%s:%d: %s: %s", name, line, key, what)
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
