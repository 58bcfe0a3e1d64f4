// Package docs holds the pages of the documentation of which the program shows parts itself.
package docs

import (
	_ "embed" // the page is a file
	"regexp"
	"strings"
)

//go:embed configuration.md
var configuration string

var (
	quoted   = regexp.MustCompile("`([^`]+)`")
	linked   = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	stressed = regexp.MustCompile(`\*(\w[^*]*\w)\*`)
	freely   = regexp.MustCompile(`\.[A-Z]+$`)
)

// Meanings returns what each key of the configuration means, as the table in configuration.md says it, in plain text. Keys are
// written with [] for the elements of a list and * for a name that is free.
func Meanings() map[string]string {
	meanings := map[string]string{}
	for line := range strings.Lines(configuration) {
		cells := strings.SplitN(strings.TrimSuffix(strings.TrimSpace(line), "|"), "|", 4)
		if !strings.HasPrefix(line, "| `") || len(cells) < 4 {
			continue
		}
		text := stressed.ReplaceAllString(linked.ReplaceAllString(strings.TrimSpace(cells[3]), "$1"), "$1")
		text = strings.ReplaceAll(text, "`", "")
		first := ""
		for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
			key := m[1]
			if rest, ok := strings.CutPrefix(key, "."); ok {
				key = first[:strings.LastIndex(first, ".")+1] + rest
			} else {
				first = key
			}
			meanings[freely.ReplaceAllString(key, ".*")] = text
		}
	}
	return meanings
}
