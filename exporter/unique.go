package exporter

import (
	"fmt"
	"log/slog"
	"slices"

	"github.com/evenkeel/evenkeel/exporter/stat"
)

// distinct leaves out readers whose URI is read already: series that tell of reading bear the URI.
func distinct(readers []Reader, log *slog.Logger) []Reader {
	var kept []Reader
	for _, r := range readers {
		if slices.ContainsFunc(kept, func(k Reader) bool { return k.URI() == r.URI() }) {
			log.Warn("left out: the URI is given twice", "uri", r.URI())
			continue
		}
		kept = append(kept, r)
	}
	return kept
}

// unique leaves each host's name to the first reading that bears it. Two hypervisors of one machine
// have the same name, and so have two machines that nobody named; their series would be the same twice,
// and Prometheus would refuse the whole page. The other reading counts as one that failed.
func unique(readings []reading) {
	for i := range readings {
		r := &readings[i]
		if r.err != nil {
			continue
		}
		at := slices.IndexFunc(readings[:i], func(o reading) bool { return o.err == nil && o.host.Name == r.host.Name })
		if at < 0 {
			continue
		}
		// By its UUID it is the same machine: what the kernel says of it belongs to the reading that stays.
		first := &readings[at]
		first.host.Local = first.host.Local || r.host.Local && r.host.UUID != "" && r.host.UUID == first.host.UUID
		r.err = errTaken(r.host.Name, first.uri)
		r.host = stat.Host{Connection: r.host.Connection}
	}
}

// owner is the URI of the reading that is published under the name, or "".
func owner(readings []reading, name string) string {
	for _, r := range readings {
		if r.err == nil && r.host.Name == name {
			return r.uri
		}
	}
	return ""
}

func errTaken(name, uri string) error {
	return fmt.Errorf("the host's name %q is that of %s already: hosts need names of their own, and of two hypervisors of one machine one exporter can read one", name, uri)
}
