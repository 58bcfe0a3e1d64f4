package heartbeat

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

const (
	suffix = ".heartbeat"
	// stampSize is the size of every stamp: one sector of any disk.
	stampSize = 512
	// maxName is the longest name whose file name a file system takes.
	maxName = 255 - len(suffix)
)

// stamp is what a host writes. Later versions may say more behind these lines, never less.
type stamp struct {
	host     string
	sequence uint64
	// unix is the host's own time. It is there for people; ages do not depend on it.
	unix int64
}

// text writes the stamp out, filled up with spaces to its fixed size.
func (s stamp) text() []byte {
	text := fmt.Sprintf("evenkeel-heartbeat 1\nhost %s\nsequence %d\ntime %d\n", s.host, s.sequence, s.unix)
	return []byte(text + strings.Repeat(" ", stampSize-1-len(text)) + "\n")
}

func parseStamp(text []byte) (stamp, error) {
	var s stamp
	if len(text) != stampSize {
		return s, fmt.Errorf("parse the stamp: it has %d bytes, not %d", len(text), stampSize)
	}
	lines := strings.Split(string(text), "\n")
	values := make([]string, 4)
	for i, key := range []string{"evenkeel-heartbeat ", "host ", "sequence ", "time "} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], key) {
			return s, fmt.Errorf("parse the stamp: line %d is not its %s", i+1, strings.TrimSpace(key))
		}
		values[i] = strings.TrimPrefix(lines[i], key)
	}
	if version, err := strconv.ParseUint(values[0], 10, 32); err != nil || version < 1 {
		return s, fmt.Errorf("parse the stamp: %q is no version", values[0])
	}
	var err error
	if s.sequence, err = strconv.ParseUint(values[2], 10, 64); err != nil {
		return s, fmt.Errorf("parse the stamp's sequence: %w", err)
	}
	if s.unix, err = strconv.ParseInt(values[3], 10, 64); err != nil {
		return s, fmt.Errorf("parse the stamp's time: %w", err)
	}
	s.host = values[1]
	return s, checkName(s.host)
}

// checkName says why a name cannot be a host's here: it is part of a file's name and a line of a stamp.
func checkName(name string) error {
	strange := func(c rune) bool { return c == '/' || unicode.IsSpace(c) || !unicode.IsPrint(c) }
	switch {
	case name == "":
		return fmt.Errorf("the host's name is empty")
	case strings.HasPrefix(name, "."):
		return fmt.Errorf("the host's name %q begins with a dot", name)
	case strings.ContainsFunc(name, strange):
		return fmt.Errorf("the host's name %q has a slash, white space or an unprintable character", name)
	case len(name) > maxName:
		return fmt.Errorf("the host's name has %d bytes, more than %d", len(name), maxName)
	}
	return nil
}

func (h *Heartbeat) path(host string) string { return filepath.Join(h.dir, host+suffix) }

// hosts lists whose stamps there are, the own one included, sorted, and on which file system.
func (h *Heartbeat) hosts() ([]string, uint64, error) {
	names, device, err := h.files.list(h.dir)
	if err != nil {
		return nil, 0, err
	}
	var hosts []string
	for _, name := range names {
		if host, ok := strings.CutSuffix(name, suffix); ok && checkName(host) == nil {
			hosts = append(hosts, host)
		}
	}
	slices.Sort(hosts)
	return hosts, device, nil
}
