package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/docs"
	"github.com/evenkeel/evenkeel/internal/config"
)

var update = flag.Bool("update", false, "write the reference of the configuration anew")

// The reference lists every key that the code has, and each has a meaning.
func TestTheReferenceOfTheConfigurationIsCurrent(t *testing.T) {
	const file = "../../docs/config-reference.md"
	var page strings.Builder
	page.WriteString("# Every key of the configuration\n\nMade of the code by `make generate`; [configuration.md](configuration.md) tells the same by subject, with examples. `[]` stands for the elements of a list, `*` for a name that is free.\n\n| key | type | default | meaning |\n|---|---|---|---|\n")
	keys := config.Reference(docs.Meanings())
	for _, k := range keys {
		if k.Meaning == "" {
			t.Errorf("%s has no meaning: give it a line in docs/configuration.md", k.Name)
		}
		otherwise := ""
		if k.Default != "" {
			otherwise = "`" + k.Default + "`"
		}
		fmt.Fprintf(&page, "| `%s` | %s | %s | %s |\n", k.Name, k.Type, otherwise, strings.ReplaceAll(k.Meaning, "|", `\|`))
	}
	if len(keys) < 150 {
		t.Errorf("there are only %d keys", len(keys))
	}
	if *update {
		if err := os.WriteFile(file, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if was, err := os.ReadFile(file); err != nil || string(was) != page.String() {
		t.Errorf("%s is out of date (%v): run make generate", file, err)
	}
}
