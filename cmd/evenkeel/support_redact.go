package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// redact takes out of every part what may be a secret, and with --anonymise who is who.
func (f *bundleFlags) redact(parts []part) error {
	clean := cleaner{}
	if secret, err := os.ReadFile(f.ask.tokenFile); err == nil { // without one nothing was sent
		clean.token = strings.TrimSpace(string(secret))
	}
	if f.anonymise {
		if err := clean.learn(parts); err != nil {
			return err
		}
	}
	for i := range parts {
		p := &parts[i]
		p.missing = clean.text(p.missing)
		if p.missing != "" {
			continue
		}
		var err error
		if p.body, err = clean.part(p.name, p.body); err != nil {
			p.body, p.missing = nil, "it is no JSON, so that it could not be searched for secrets"
		}
	}
	return nil
}

// cleaner takes secrets out of texts.
type cleaner struct {
	token string // the caller's own, empty for none
	// names finds the names that are to be hidden, aliases has what stands in their place; nil where all names stay.
	names   *regexp.Regexp
	aliases map[string]string
}

var (
	// page is what follows the host in an address of the web: paths are keys there, for example of webhooks. In other addresses only what follows a
	// question mark is.
	page  = regexp.MustCompile(`(?i)(https?://[^\s"'/?#\\]+)[/?#][^\s"'\\]*`)
	query = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s"'?\\]+)\?[^\s"'\\]+`)
	// issued are the words that well-known services begin their tokens with.
	issued = regexp.MustCompile(`\b(xox[a-z]|xapp|glsa|ghp|github_pat)[-_][A-Za-z0-9_-]{6,}`)
	// worded are keys of JSON whose text is a secret.
	worded = regexp.MustCompile(`(?i)^(.*[_-])?(password|passwd|passphrase|secret|token|credentials|api_?key|private_?key)$`)
	block  = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`)
)

const takenOut = "(taken out)"

// text is the text without what looks like a secret.
func (c cleaner) text(s string) string {
	if c.token != "" {
		s = strings.ReplaceAll(s, c.token, takenOut)
	}
	s = block.ReplaceAllLiteralString(s, takenOut)
	s = issued.ReplaceAllLiteralString(s, takenOut)
	s = page.ReplaceAllString(api.Cleaned(s), "$1")
	s = query.ReplaceAllString(s, "$1")
	if c.names != nil {
		s = c.names.ReplaceAllStringFunc(s, func(name string) string { return c.aliases[name] })
	}
	return s
}

// part is a file of the bundle without what looks like a secret. JSON stays JSON.
func (c cleaner) part(name string, body []byte) ([]byte, error) {
	if !strings.HasSuffix(name, ".json") {
		return []byte(c.text(string(body))), nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber() // a number is to stay as it was written
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(c.value(v))
	return out.Bytes(), err
}

func (c cleaner) value(v any) any {
	switch v := v.(type) {
	case string:
		return c.text(v)
	case []any:
		for i := range v {
			v[i] = c.value(v[i])
		}
		return v
	case map[string]any:
		clean := make(map[string]any, len(v))
		for key, each := range v {
			if text, ok := each.(string); ok && text != "" && worded.MatchString(key) {
				each = takenOut
			}
			clean[c.text(key)] = c.value(each)
		}
		if c.names != nil && clean["restricted"] == true { // a setting that says where something is, or who may do what
			clean["value"], clean["default"] = takenOut, ""
		}
		return clean
	}
	return v
}

// learn finds the names of VMs, hosts and people in the parts.
func (c *cleaner) learn(parts []part) error {
	c.aliases = map[string]string{}
	counts := map[string]int{}
	name := func(kind, name string) {
		if _, known := c.aliases[name]; name != "" && !known {
			counts[kind]++
			c.aliases[name] = fmt.Sprintf("%s-%d", kind, counts[kind])
		}
	}
	seen := map[string][]byte{}
	for _, p := range parts {
		seen[p.name] = p.body
	}
	s, err := cluster.DecodeSnapshot(seen["snapshot.json"])
	if err != nil {
		return errors.New("--anonymise takes a snapshot, which tells what the VMs and hosts are called, and there is none; find out with evenkeel snapshot why, or go without --anonymise")
	}
	for _, h := range s.Hosts {
		name("host", h.ID)
	}
	for _, m := range s.Machines {
		name("machine", m.ID)
	}
	for _, vm := range s.VMs {
		name("vm", vm.Name)
	}
	// What is unreadable names nobody; it is left out of the bundle as well.
	var settings []cluster.Setting
	_ = json.Unmarshal(seen["config.json"], &settings)
	for _, s := range settings {
		if configuredName.MatchString(s.Key) {
			name(configuredName.FindStringSubmatch(s.Key)[1], s.Value)
		}
	}
	var me api.Me
	_ = json.Unmarshal(seen["whoami.json"], &me)
	name("person", me.Name)
	var journal api.JournalPage
	_ = json.Unmarshal(seen["journal.json"], &journal)
	for _, l := range journal.Entries {
		name("person", l.Who)
	}
	c.names = anyOf(c.aliases)
	return nil
}

var configuredName = regexp.MustCompile(`^(host|machine)s\[\d+\]\.name$`)

// anyOf finds each of the names where it stands as a word, the longest first; nil for none.
func anyOf(aliases map[string]string) *regexp.Regexp {
	var list []string
	for name := range aliases {
		list = append(list, regexp.QuoteMeta(name))
	}
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return regexp.MustCompile(`\b(?:` + strings.Join(list, "|") + `)\b`)
}
