package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// What a page for people tells them to type at night must exist.
func TestRunbooksNameOnlyWhatExists(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "runbooks", "*.md"))
	if err != nil || len(pages) < 50 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	v, commands := everything(t), 0
	for _, r := range rulesOf(t) {
		if _, err := v.strangers(r.Expr, r.Record); err != nil {
			t.Fatal(err)
		}
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range typed(string(text)) {
			switch {
			case strings.HasPrefix(line, "evenkeel "):
				commands++
				if wrong := unknownCommand(line); wrong != "" {
					t.Errorf("%s: %s: %s", filepath.Base(page), line, wrong)
				}
			case regexp.MustCompile(`^[a-z_0-9 (]*(evenkeel_|vm:|host:)`).MatchString(line):
				strange, err := v.strangers(line, "")
				if err != nil || len(strange) > 0 {
					t.Errorf("%s: %s: %v %v", filepath.Base(page), line, strange, err)
				}
			}
		}
	}
	if commands < 100 {
		t.Errorf("only %d commands were found", commands)
	}
}

func TestAMistypedCommandIsFound(t *testing.T) {
	for line, wrong := range map[string]bool{
		"evenkeel fence confirm HOST --yes": false, "evenkeel disarm --for 2h --reason TEXT": false, "evenkeel hosts": false,
		"evenkeel host": true, "evenkeel fence kill HOST": true, "evenkeel hosts --all": true, "evenkeel arm --vm VM": true,
	} {
		if got := unknownCommand(line); (got != "") != wrong {
			t.Errorf("%s: it finds %q", line, got)
		}
	}
}

// typed lists what a page shows as something to type: indented lines and what stands between backticks, without remarks.
func typed(page string) []string {
	var found []string
	for line := range strings.SplitSeq(page, "\n") {
		if block, ok := strings.CutPrefix(line, "    "); ok {
			block, _, _ = strings.Cut(block, " # ")
			for one := range strings.SplitSeq(block, ";") {
				found = append(found, strings.TrimSpace(one))
			}
			continue
		}
		for _, span := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(line, -1) {
			if strings.HasPrefix(span[1], "evenkeel ") {
				found = append(found, span[1])
			}
		}
	}
	return found
}

// unknownCommand says what of a command line does not exist.
func unknownCommand(line string) string {
	cmd, rest, err := newRoot().Find(strings.Fields(line)[1:])
	if err != nil {
		return err.Error()
	}
	if !cmd.HasParent() || cmd.HasSubCommands() {
		return "there is no such command"
	}
	cmd.InitDefaultHelpFlag()
	flags := map[bool]int{}
	for _, word := range rest {
		if name, ok := strings.CutPrefix(word, "--"); ok {
			name, _, _ = strings.Cut(name, "=")
			if cmd.Flag(name) == nil {
				return "it has no --" + name
			}
			flags[cmd.Flag(name).NoOptDefVal == ""]++
		}
	}
	return tooMany(cmd, len(rest)-2*flags[true]-flags[false])
}

// tooMany says that a command does not take so many arguments.
func tooMany(cmd *cobra.Command, n int) string {
	if cmd.Args == nil {
		return ""
	}
	if err := cmd.Args(cmd, make([]string, n)); err != nil {
		return err.Error()
	}
	return ""
}
