package calamity

import (
	"flag"
	"testing"
)

var (
	days  = flag.Int("days", 200, "how many days to run")
	first = flag.Uint64("seed", 1, "the first one's seed")
)

func TestDays(t *testing.T) {
	broken, looks := 0, 0
	for i := range *days {
		r := Day(*first+uint64(i), Options{})
		looks += r.Looks
		if len(r.Broken) > 0 {
			broken++
			if broken <= 15 {
				t.Errorf("day %d: %v", r.Seed, r.Broken[:min(3, len(r.Broken))])
			}
		}
	}
	t.Logf("%d days broken, %d looks a day", broken, looks / *days)
}

func TestOneDay(t *testing.T) {
	Day(*first, Options{Log: func(line string) { t.Log(line) }})
}
