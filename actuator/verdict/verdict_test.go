package verdict

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// row is a line of the table in docs/ha.md.
type row struct {
	words   [5]string
	verdict Verdict
}

func documented(t *testing.T) []row {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "ha.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## The table")
	table, _, _ = strings.Cut(table, "Two rules")
	var rows []row
	for _, line := range strings.Split(table, "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if len(cells) != 6 || cells[0] == "exporter" {
			continue
		}
		rows = append(rows, row{[5]string(cells[:5]), Verdict(cells[5])})
	}
	if len(rows) < 8 {
		t.Fatalf("the page has %d rows", len(rows))
	}
	return rows
}

func (r row) fits(e Evidence) bool {
	for i, s := range []Sign{e.Exporter, e.Libvirt, e.Heartbeat, e.Neighbours, e.Power} {
		if r.words[i] != "any" && r.words[i] != s.String() {
			return false
		}
	}
	return true
}

// every hands out all combinations of signs of a host that has been silent for long.
func every(f func(Evidence)) {
	three := []Sign{Unknown, Yes, No}
	for _, exporter := range three {
		for _, libvirt := range []Sign{Unknown, Yes, No, Refused} {
			for _, heartbeat := range three {
				for _, neighbours := range three {
					for _, power := range three {
						f(Evidence{Host: "h1", Exporter: exporter, Libvirt: libvirt, Heartbeat: heartbeat, Neighbours: neighbours, Power: power, Since: time.Hour})
					}
				}
			}
		}
	}
}

func usual() Policy { return Policy{MaxSilent: 0.5, Confirm: 4 * time.Second} }

// The page and the program give the same verdict for every combination, and each row of the page is needed.
func TestThePageAboutVerdictsIsTrue(t *testing.T) {
	rows := documented(t)
	used := make([]bool, len(rows))
	every(func(e Evidence) {
		for i, r := range rows {
			if !r.fits(e) {
				continue
			}
			used[i] = true
			if got := Judge([]Evidence{e}, usual())[0]; got.Verdict != r.verdict || got.Reason == "" {
				t.Errorf("%+v is %s (%s), and the page says %s", e, got.Verdict, got.Reason, r.verdict)
			}
			return
		}
		t.Errorf("the page has no row for %+v", e)
	})
	for i, r := range rows {
		if !used[i] {
			t.Errorf("nothing ever comes to the row %v", r)
		}
	}
}

// The law: only a host that gives no sign of life and whose power is off is one on which nothing runs.
func TestLawSilenceProvesNothing(t *testing.T) {
	every(func(e Evidence) {
		for _, others := range [][]Evidence{nil, {{Host: "h2", Libvirt: Yes}}, {{Host: "h2", Exporter: No, Libvirt: No, Since: time.Hour}, {Host: "h3", Exporter: No, Libvirt: No, Since: time.Hour}}} {
			got := Judge(append([]Evidence{e}, others...), usual())[0].Verdict
			if want := e.Silent() && e.Power == No && e.Heartbeat != Yes && e.Neighbours != Yes; (got == Dead) != want {
				t.Errorf("%+v beside %v is %s", e, others, got)
			}
			if lives := e.Exporter == Yes || e.Libvirt == Yes || e.Libvirt == Refused; lives && (got == Hung || got == Isolated || got == Unproven || got == Blind) {
				t.Errorf("%+v gives a sign of life and is %s", e, got)
			}
		}
	})
}

func TestAMomentOfSilenceMeansNothing(t *testing.T) {
	e := Evidence{Host: "h1", Exporter: No, Libvirt: No, Heartbeat: No, Power: Yes, Since: 3 * time.Second}
	if got := Judge([]Evidence{e, {Host: "h2", Libvirt: Yes}}, usual())[0]; got.Verdict != Alive || !strings.Contains(got.Reason, "3s") {
		t.Errorf("after 3 s it is %+v", got)
	}
	e.Since = 4 * time.Second
	if got := Judge([]Evidence{e, {Host: "h2", Libvirt: Yes}}, usual())[0]; got.Verdict != Hung {
		t.Errorf("after 4 s it is %+v", got)
	}
	e.Power, e.Since = No, 0
	if got := Judge([]Evidence{e, {Host: "h2", Libvirt: Yes}}, usual())[0]; got.Verdict != Dead {
		t.Errorf("without power it is %+v", got)
	}
}

func TestWhenMostAreSilentTheObserverIsInDoubt(t *testing.T) {
	silent := Evidence{Exporter: No, Libvirt: No, Since: time.Hour}
	alive := Evidence{Exporter: Yes, Libvirt: Yes}
	off := silent
	off.Power = No
	cut := silent
	cut.Heartbeat = Yes
	for name, c := range map[string]struct {
		hosts []Evidence
		want  string
	}{
		"one of three":                    {[]Evidence{silent, alive, alive}, "unproven alive alive"},
		"two of four":                     {[]Evidence{silent, silent, alive, alive}, "unproven unproven alive alive"},
		"two of three":                    {[]Evidence{silent, silent, alive}, "blind blind alive"},
		"all":                             {[]Evidence{silent, silent, silent}, "blind blind blind"},
		"the only one":                    {[]Evidence{silent}, "unproven"},
		"both of two":                     {[]Evidence{silent, silent}, "blind blind"},
		"those that are off do not count": {[]Evidence{off, silent, alive}, "dead unproven alive"},
		"and stay dead":                   {[]Evidence{off, silent, silent, alive}, "dead unproven unproven alive"},
		"isolated ones may be we":         {[]Evidence{cut, cut, cut, alive}, "blind blind blind alive"},
	} {
		var got []string
		for _, f := range Judge(c.hosts, usual()) {
			got = append(got, string(f.Verdict))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
}
