package docs_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/docs"
	"github.com/evenkeel/evenkeel/internal/config"
)

// Every key of the configuration that has a default means something that can be read where it is shown.
func TestEverySettingHasAMeaning(t *testing.T) {
	meanings := docs.Meanings()
	for key, want := range map[string]string{"cluster": "what the cluster is called", "hosts[].name": "what the host calls itself", "stability.cool_down_max": "how long balance leaves a VM alone",
		"automation.kinds.*": "the level of one kind", "schedules[].level.kinds.*": "in place of automation.level", "hosts[].migration_uri": "how the other hosts reach"} {
		if !strings.HasPrefix(meanings[key], want) {
			t.Errorf("%s means %q", key, meanings[key])
		}
	}
	markup := regexp.MustCompile("`|\\]\\(|\\*\\w")
	for key, text := range meanings {
		if text == "" || markup.MatchString(text) {
			t.Errorf("%s means %q", key, text)
		}
	}
	for _, s := range config.Default().Settings(meanings) {
		inside := slices.ContainsFunc(slices.Collect(maps.Keys(meanings)), func(key string) bool { return strings.HasPrefix(key, s.Key+"[].") })
		if s.Meaning == "" && !inside { // a list of nothing is told of by its elements
			t.Errorf("%s means nothing; give it a line in docs/configuration.md", s.Key)
		}
	}
}
