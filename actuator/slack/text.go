package slack

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Limits of Slack's, in characters.
const (
	maxHeader  = 150
	maxSection = 3000
	maxButton  = 75
	// maxMessage is for all texts of one message together. Slack does not say what it takes; messages of
	// more than about 11,000 have been refused.
	maxMessage = 8000
	// maxReply keeps a reply readable; Slack takes some more.
	maxReply = 3500
)

// escape keeps text from being read as Slack's markup for links and mentions.
func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

// mono is text in a monospaced face, on one line.
func mono(text string) string {
	return "`" + escape(strings.NewReplacer("`", "'", "\n", " ").Replace(text)) + "`"
}

// cut shortens text to at most so many characters, between characters and not within an escape.
func cut(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	short := string([]rune(text)[:most-1])
	if amp := strings.LastIndexByte(short, '&'); amp >= 0 && len(short)-amp <= len("&amp;") && !strings.Contains(short[amp:], ";") {
		short = short[:amp]
	}
	return short + "…"
}

func percent(ratio float64) string { return fmt.Sprintf("%.0f %%", 100*ratio) }

func share(n cluster.Number) string {
	if !n.Known {
		return "an unknown share"
	}
	return fmt.Sprintf("%.1f %%", 100*n.Value)
}

// clock shows a time in the reader's own zone, and in UTC where Slack cannot.
func clock(t time.Time) string {
	return fmt.Sprintf("<!date^%d^{date_short_pretty} {time}|%s>", t.Unix(), t.UTC().Format(time.RFC3339))
}

// seconds shows a duration as people say it.
func seconds(s float64) string {
	switch {
	case s < 0.9995:
		return fmt.Sprintf("%.0f ms", 1000*s)
	case s < 10:
		return fmt.Sprintf("%.1f s", s)
	}
	return fmt.Sprintf("%.0f s", s)
}

// number is a name of a number as a person reads it.
func number(name string) string { return strings.ReplaceAll(name, "_", " ") }

// what is an action in words.
func what(c cluster.Case) string { return escape(c.Recommendation.Action.String()) }

// count says how many, with the noun in its number.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
