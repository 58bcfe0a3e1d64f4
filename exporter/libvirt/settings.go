package libvirt

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// settingsNamespace is the XML namespace of evenkeel's element in a domain's metadata.
const settingsNamespace = "https://evenkeel.dev/vm/1"

// vmElement is <vm automation="…" restart-priority="…"><tag>…</tag></vm> in that namespace.
type vmElement struct {
	Attrs []xml.Attr `xml:",any,attr"`
	Tags  []string   `xml:"tag"`
	Rest  []struct {
		XMLName xml.Name
	} `xml:",any"`
}

// parseSettings reads what the metadata say to evenkeel. What cannot be used is told and left out:
// a word that is misspelt must not stand for a level that somebody chose.
func parseSettings(metadata string) stat.Settings {
	var s stat.Settings
	dec := xml.NewDecoder(strings.NewReader(metadata))
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return s
		}
		if err != nil {
			s.Problem = "the metadata cannot be read: " + err.Error()
			return s
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if start.Name.Space != settingsNamespace || start.Name.Local != "vm" {
			if err := dec.Skip(); err != nil {
				s.Problem = "the metadata cannot be read: " + err.Error()
				return s
			}
			continue
		}
		var e vmElement
		if err := dec.DecodeElement(&e, &start); err != nil {
			s.Problem = "the metadata cannot be read: " + err.Error()
			return s
		}
		take(&s, e)
	}
}

func take(s *stat.Settings, e vmElement) {
	for _, a := range e.Attrs {
		switch {
		case a.Name.Space == "xmlns" || a.Name.Local == "xmlns":
		case a.Name.Local == "automation":
			var level cluster.Level
			if level.UnmarshalText([]byte(a.Value)) != nil {
				s.Problem = fmt.Sprintf("automation %q is not off, manual, partial or full, and counts as off", a.Value)
				s.Automation = cluster.LevelOff.String() // somebody wanted caution, and must not get none for a slip of the pen
				continue
			}
			s.Automation = a.Value
		case a.Name.Local == "restart-priority":
			if known := append(cluster.RestartPriorities(), cluster.RestartDisabled); !slices.Contains(known, a.Value) {
				s.Problem = fmt.Sprintf("restart-priority %q is not one of %s", a.Value, strings.Join(known, ", "))
				continue
			}
			s.RestartPriority = a.Value
		default:
			s.Problem = fmt.Sprintf("attribute %q is not known", a.Name.Local)
		}
	}
	for _, r := range e.Rest {
		s.Problem = fmt.Sprintf("element <%s> is not known", r.XMLName.Local)
	}
	for _, t := range e.Tags {
		if t = strings.TrimSpace(t); t != "" && !slices.Contains(s.Tags, t) {
			s.Tags = append(s.Tags, t)
		}
	}
	slices.Sort(s.Tags)
}
