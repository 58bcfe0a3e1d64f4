package actuator

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"pgregory.net/rapid"
)

func TestWhatIsDependedOnComesFirstAndElseTheOldest(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	one := func(id string, minute int, score float64, after ...string) cluster.Case {
		return cluster.Case{Recommendation: cluster.Recommendation{ID: id, Made: at.Add(time.Duration(minute) * time.Minute), Before: cluster.Assessment{Score: score}, DependsOn: after}}
	}
	for _, c := range []struct {
		name  string
		cases []cluster.Case
		want  string
	}{
		{"nothing", nil, "[]"},
		{"by time, score and ID", []cluster.Case{one("d", 1, 5), one("c", 0, 9), one("b", 0, 7), one("a", 0, 9)}, "[b a c d]"},
		// Pair by pair x is before y, y before z, and z before x.
		{"what is older waits for what is newer", []cluster.Case{one("x", 0, 0, "z"), one("y", 1, 0), one("z", 2, 0)}, "[z x y]"},
		{"a chain", []cluster.Case{one("a", 0, 0, "b"), one("b", 1, 0, "c"), one("c", 2, 0, "gone")}, "[c b a]"},
		{"a circle", []cluster.Case{one("a", 0, 0, "b"), one("b", 1, 0, "a")}, "[b a]"},
	} {
		var ids []string
		for _, x := range inOrder(c.cases) {
			ids = append(ids, x.Recommendation.ID)
		}
		if got := fmt.Sprint(ids); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestTheOrderIsOneWhateverTheStart shuffles cases, whose dependencies lead to older numbers, and wants one answer in
// which every case stands after what it depends on.
func TestTheOrderIsOneWhateverTheStart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var cases []cluster.Case
		for i := range rapid.IntRange(0, 12).Draw(t, "cases") {
			r := cluster.Recommendation{ID: fmt.Sprintf("r%02d", i), Made: time.Unix(rapid.Int64Range(0, 3).Draw(t, "made"), 0), Before: cluster.Assessment{Score: float64(rapid.IntRange(0, 2).Draw(t, "score"))}}
			for j := range i {
				if rapid.IntRange(0, 3).Draw(t, "depends") == 0 {
					r.DependsOn = append(r.DependsOn, fmt.Sprintf("r%02d", j))
				}
			}
			cases = append(cases, cluster.Case{Recommendation: r})
		}
		ids := func(list []cluster.Case) []string {
			var ids []string
			for _, c := range list {
				ids = append(ids, c.Recommendation.ID)
			}
			return ids
		}
		ordered := inOrder(slices.Clone(cases))
		if again := inOrder(rapid.Permutation(cases).Draw(t, "shuffled")); !slices.Equal(ids(ordered), ids(again)) || len(ordered) != len(cases) {
			t.Fatalf("%v and %v", ids(ordered), ids(again))
		}
		for i, c := range ordered {
			for _, d := range c.Recommendation.DependsOn {
				if at := slices.Index(ids(ordered), d); at > i {
					t.Fatalf("%s stands before %s, which it depends on: %v", c.Recommendation.ID, d, ids(ordered))
				}
			}
		}
	})
}
