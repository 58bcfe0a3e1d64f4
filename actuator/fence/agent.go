package fence

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/secret"
)

// The exit statuses of an agent's action status. Two is also what Python and shells end with when they cannot
// read the program, so that it counts only together with what the agent prints.
const (
	exitOn  = 0
	exitOff = 2
)

// Agent is one of the programs of fence-agents, or one that keeps to their protocol.
type Agent struct {
	// Name is the program, for example fence_ipmilan, or its path.
	Name string
	// Options are what the agent calls them: ip, username, lanplus, plug, and so on.
	Options map[string]string
	// OptionFiles are options, such as password, whose values are read from files at each use.
	OptionFiles map[string]string
}

// String names the agent and what it speaks to.
func (a Agent) String() string {
	name := filepath.Base(a.Name)
	for _, option := range []string{"ip", "ipaddr", "plug", "port"} {
		if v := a.Options[option]; v != "" {
			name += " " + v
		}
	}
	return name
}

func (a Agent) status(ctx context.Context) (cluster.PowerState, error) {
	o, err := a.run(ctx, "status")
	if err != nil {
		return cluster.PowerUnknown, err
	}
	said := strings.ToUpper(lastLine(o.stdout))
	switch {
	case o.code == exitOn && said == "STATUS: ON":
		return cluster.PowerOn, nil
	case o.code == exitOff && said == "STATUS: OFF":
		return cluster.PowerOff, nil
	case o.code == exitOn || o.code == exitOff:
		return cluster.PowerUnknown, fmt.Errorf("exit status %d without the line %q proves nothing: %s", o.code, map[int]string{exitOn: "Status: ON", exitOff: "Status: OFF"}[o.code], o.words())
	}
	return cluster.PowerUnknown, o.failure()
}

func (a Agent) turn(ctx context.Context, to cluster.PowerState) error {
	o, err := a.run(ctx, to.String())
	if err == nil && o.code != 0 {
		err = o.failure()
	}
	return err
}

// run runs the agent for one action. What comes back holds none of its secrets.
func (a Agent) run(ctx context.Context, action string) (outcome, error) {
	input, secrets, err := a.input(action)
	if err != nil {
		return outcome{}, err
	}
	o, err := run(ctx, a.Name, input)
	if err != nil {
		return outcome{}, errors.New(redact(err.Error(), secrets))
	}
	o.stdout, o.stderr = redact(o.stdout, secrets), redact(o.stderr, secrets)
	return o, nil
}

// input is what the agent reads: one key=value a line. The secrets in it are returned as well.
func (a Agent) input(action string) (text string, secrets []string, err error) {
	all := maps.Clone(a.Options)
	if all == nil {
		all = map[string]string{}
	}
	for option, file := range a.OptionFiles {
		value, err := secret.Read(file)
		if err != nil {
			return "", nil, fmt.Errorf("read %s of %s: %w", option, a, err)
		}
		all[option], secrets = value, append(secrets, value)
		for _, user := range []string{"username", "login"} { // as web interfaces want both, in base64
			if name := a.Options[user]; name != "" {
				secrets = append(secrets, name+":"+value)
			}
		}
	}
	all["action"] = action
	for _, option := range slices.Sorted(maps.Keys(all)) {
		if line := option + "=" + all[option]; strings.ContainsAny(line, "\r\n\x00") {
			return "", nil, fmt.Errorf("option %q of %s holds a line break; an option is one line", option, a)
		}
		text += option + "=" + all[option] + "\n"
	}
	return text, secrets, nil
}

// check compares the options with those that the agent says it knows.
func (a Agent) check(ctx context.Context) error {
	o, err := run(ctx, a.Name, "action=metadata\n")
	if err != nil {
		return err
	}
	var described struct {
		Parameters []struct {
			Name string `xml:"name,attr"`
		} `xml:"parameters>parameter"`
	}
	if err := xml.Unmarshal([]byte(o.stdout), &described); err != nil || len(described.Parameters) == 0 {
		return fmt.Errorf("it does not describe its options (exit status %d): %s", o.code, o.words())
	}
	known := map[string]bool{}
	for _, p := range described.Parameters {
		known[p.Name], known[strings.ReplaceAll(p.Name, "-", "_")] = true, true
	}
	var strange []string
	for option := range maps.Keys(a.Options) {
		if !known[option] {
			strange = append(strange, option)
		}
	}
	for option := range maps.Keys(a.OptionFiles) {
		if !known[option] {
			strange = append(strange, option)
		}
	}
	if len(strange) > 0 {
		slices.Sort(strange)
		return fmt.Errorf("it knows no option %s and passes over it; %s -o metadata lists those that it knows", strings.Join(strange, ", "), filepath.Base(a.Name))
	}
	return nil
}

// failure is the error of an agent that could not do what it was asked for.
func (o outcome) failure() error { return fmt.Errorf("exit status %d: %s", o.code, o.words()) }

// noise is what agents put before and after what they have to say; times would make each answer another one.
var noise = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ (ERROR: )?|^Please use '-h' for usage$`)

// maxWords is how much of what an agent says is passed on, in bytes.
const maxWords = 300

// words is the end of what the agent said, in one line.
func (o outcome) words() string {
	text := o.stderr
	if strings.TrimSpace(text) == "" {
		text = o.stdout
	}
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(noise.ReplaceAllString(strings.TrimSpace(line), "")); line != "" {
			lines = append(lines, line)
		}
	}
	said := strings.ToValidUTF8(strings.Join(lines, "; "), "?")
	if said == "" {
		return "it said nothing"
	}
	if len(said) > maxWords {
		said = "… " + strings.ToValidUTF8(said[len(said)-maxWords:], "")
	}
	return said
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
}
