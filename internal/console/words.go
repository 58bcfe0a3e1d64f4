package console

import (
	"fmt"
	"html/template"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// words are the functions that pages call.
func words() template.FuncMap {
	return template.FuncMap{
		"percent": percent, "size": func(n any) string { return size(float(n)) }, "ms": func(seconds float64) float64 { return 1000 * seconds }, "clock": clock, "stamp": stamp, "next": func(n uint64) uint64 { return n + 1 }, "segment": url.PathEscape, "until": until, "ago": ago,
		"plain": func(name string) string { return strings.ReplaceAll(name, "_", " ") },
		"level": func(score float64) string { return levelOf(score).Word }, "points": func(n float64) string { return fmt.Sprintf("%.1f", n) },
		"number": number, "energy": energy, "took": took, "who": who, "when": when, "meaning": meaning, "dial": dial, "short": short, "instant": instant,
		"putoff": func(c cluster.Case) bool { return c.PutOff(time.Now()) },
	}
}

// float takes what the vocabulary counts bytes in.
func float(n any) float64 {
	if whole, ok := n.(int64); ok {
		return float64(whole)
	}
	f, _ := n.(float64) // nothing else is passed
	return f
}

func percent(ratio float64) string { return fmt.Sprintf("%.0f %%", 100*ratio) }

// size writes an amount of memory.
func size(bytes float64) string {
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if math.Abs(bytes) < 1024 {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", bytes), ".0") + " " + unit
		}
		bytes /= 1024
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", bytes), ".0") + " TiB"
}

// number writes a value of evidence with its unit.
func number(value float64, unit string) string {
	switch unit {
	case "ratio":
		return fmt.Sprintf("%.1f %%", 100*value)
	case "bytes":
		return size(value)
	case "bytes/s":
		return size(value) + "/s"
	}
	return strings.TrimSpace(fmt.Sprintf("%.4g %s", value, unit))
}

// clock writes a time in the server's time zone, with the date where it is not today's.
func clock(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	t = t.Local()
	if now := time.Now(); t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("2 Jan 2006 15:04")
}

// stamp writes a time for machines.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// instant writes a time for Prometheus, which tells parts of a second apart.
func instant(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func until(t time.Time) string {
	left := time.Until(t).Round(time.Second)
	if left <= 0 {
		return "over"
	}
	return "in " + left.String()
}

func ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return time.Since(t).Round(time.Second).String() + " ago"
}

func energy(wh float64) string {
	if math.Abs(wh) < 1000 {
		return fmt.Sprintf("%.1f Wh", wh)
	}
	return fmt.Sprintf("%.2f kWh", wh/1000)
}

// took says how long an action lasted, "" where nothing was done.
func took(o *cluster.Outcome) string {
	if o == nil || o.Started.IsZero() || o.Finished.IsZero() {
		return ""
	}
	return fmt.Sprintf("%.1f s", o.Finished.Sub(o.Started).Seconds())
}

// meaning says what a state is, to who does not know the word.
func meaning(s cluster.CaseState) string {
	switch s {
	case cluster.CaseOpen:
		return "It waits for a person's word; nothing happens without."
	case cluster.CaseApproved:
		return "It has its yes, and waits for its turn."
	case cluster.CaseRunning:
		return "It is being done."
	case cluster.CaseDone:
		return "It was done, and the hypervisors confirm it."
	case cluster.CaseFailed:
		return "It was tried, and did not come to be."
	case cluster.CaseRefused:
		return "It had its yes, and a gate refused."
	case cluster.CaseRejected:
		return "A person said no."
	case cluster.CaseExpired:
		return "Nobody decided in time."
	case cluster.CaseWithdrawn:
		return "It is not advised any more: the cluster has changed."
	case cluster.CaseUnknown:
		return "Nobody can say what came of it. It is looked for again and again, and not repeated."
	}
	return ""
}

// who says by whose word it was done.
func who(c cluster.Case) string {
	word := c.Word()
	switch {
	case word != "":
		return word
	case c.Outcome != nil:
		return "not recorded"
	}
	return "nobody's"
}

// when is when it ended, or became what it is.
func when(c cluster.Case) time.Time {
	if c.Outcome != nil && !c.Outcome.Finished.IsZero() {
		return c.Outcome.Finished
	}
	return c.Updated
}

// restWord says how far a host is on its way into standby.
func restWord(r cluster.Rest) string {
	switch {
	case !r.Asleep.IsZero() && r.WakeAt.IsZero():
		return "asleep since " + clock(r.Asleep)
	case !r.Asleep.IsZero():
		return "asleep since " + clock(r.Asleep) + ", to be woken at " + clock(r.WakeAt)
	case !r.Down.IsZero():
		return "going down since " + clock(r.Down)
	}
	return "being emptied to fall asleep"
}

// bar is a ratio drawn as a bar, 100 wide. Beside the colour it has a word, for who sees none.
type bar struct {
	Label, Text, Class string
	Fill               float64
	// Limit is where the whole host ends, on a bar that goes beyond it; else 0.
	Limit float64
	// Own is how much of it the host needs itself, from the left.
	Own float64
	// Known is false where there is no number.
	Known bool
}

// The shares of a host from which a bar says that it gets tight, and that it is full.
const tight, full = 0.8, 1.0

// newBar draws a ratio on a bar as long as the scale, which is the whole host or more.
func newBar(label string, ratio, scale float64, text string) bar {
	b := bar{Label: label, Text: text, Fill: math.Round(1000*max(0, ratio)/scale) / 10, Class: "calm", Known: true}
	if scale > full {
		b.Limit = math.Round(1000/scale) / 10
	}
	switch {
	case ratio > full:
		b.Class, b.Text = "over", text+" – over"
	case ratio > tight:
		b.Class, b.Text = "tight", text+" – tight"
	}
	return b
}

// reserving shows which share of the whole host the host needs itself.
func (b bar) reserving(share float64) bar {
	whole := 100.0
	if b.Limit > 0 {
		whole = b.Limit
	}
	b.Own = math.Round(10*min(b.Fill, share*whole)) / 10
	return b
}

// level is how something does, as a word, a mark and a class: colour is never the only sign.
type level struct{ Word, Mark string }

func levelOf(score float64) level {
	switch {
	case score >= 90:
		return level{Word: "good"}
	case score >= 70:
		return level{Word: "fair", Mark: "~"}
	}
	return level{Word: "poor", Mark: "!"}
}
