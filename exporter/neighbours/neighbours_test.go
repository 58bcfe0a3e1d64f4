package neighbours

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
)

const every = 2 * time.Second

// network says what comes of a question to an address: answered unless a test says otherwise.
type network struct {
	mu    sync.Mutex
	says  map[string]outcome
	hangs chan struct{} // what questions wait for, however long
	asked map[string]int
}

func (n *network) ask(_ context.Context, address string) (outcome, error) {
	n.mu.Lock()
	hangs := n.hangs
	n.asked[address]++
	says, told := n.says[address]
	n.mu.Unlock()
	if hangs != nil {
		<-hangs
	}
	switch {
	case !told:
		return answered, nil
	case says == unreachable:
		time.Sleep(connectTimeout)
	}
	return says, errors.New("it is so")
}

func (n *network) say(address string, o outcome) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.says[address] = o
}

const three = "h1 10.0.0.1:9\nh2 10.0.0.2:9\nh3 10.0.0.3:9\n"

// asking runs h1's questions in a bubble of synctest, with a file that says so.
func asking(t *testing.T, text string, net *network) (n *Neighbours, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "neighbours")
	write(t, file, text)
	n, err := New(file, 3, every)
	if err != nil {
		t.Fatal(err)
	}
	if net.says == nil {
		net.says = map[string]outcome{}
	}
	net.asked, n.ask = map[string]int{}, net.ask
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go n.Run(ctx, "h1")
	time.Sleep(every / 2) // tests look in the middle between two rounds
	synctest.Wait()
	return n, file
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func passes(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// age is how old the peer's answer is, or -1 when that is not told.
func age(s stat.Neighbours, peer string) float64 {
	for _, p := range s.Peers {
		if p.Host == peer {
			return p.AgeSeconds
		}
	}
	return -1
}

func between(t *testing.T, what string, got, low, high float64) {
	t.Helper()
	if !(got >= low && got <= high) {
		t.Errorf("%s is %v, want %v to %v", what, got, low, high)
	}
}

func TestANeighbourThatDiesGrowsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &network{}
		n, _ := asking(t, three, net)
		passes(10 * every)
		s := n.Read()
		if s.Err != "" || len(s.Peers) != 2 || net.asked["10.0.0.1:9"] != 0 || net.asked["10.0.0.2:9"] != 11 {
			t.Errorf("%+v; asked %v", s, net.asked)
		}
		between(t, "h2's age", age(s, "h2"), 1, 1)
		net.say("10.0.0.2:9", unreachable)
		passes(30 * every)
		s = n.Read()
		between(t, "the age of h2, which died", age(s, "h2"), 61, 61)
		between(t, "h3's age", age(s, "h3"), 0, 2)
		net.say("10.0.0.2:9", answered)
		passes(every)
		between(t, "the age of h2, which is back", age(n.Read(), "h2"), 0, 2)
	})
}

func TestANeighbourThatNeverAnsweredIsNotYoung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &network{says: map[string]outcome{"10.0.0.2:9": unreachable, "10.0.0.3:9": unroutable}}
		n, _ := asking(t, three, net)
		for range 3 {
			if s := n.Read(); len(s.Peers) != 0 {
				t.Errorf("it is told too early: %+v", s)
			}
			passes(every)
		}
		passes(2 * every)
		s := n.Read()
		between(t, "h2's age", age(s, "h2"), math.Inf(1), math.Inf(1))
		between(t, "the age of h3, to which there is no way", age(s, "h3"), math.Inf(1), math.Inf(1))
	})
}

// What fails on this side is not told as the others' silence, neither at first nor ever.
func TestWhatFailsHereSaysNothingOfOthers(t *testing.T) {
	for name, c := range map[string]struct {
		says    map[string]outcome
		hangs   bool
		trouble string
	}{
		"no question can be asked": {says: map[string]outcome{"10.0.0.2:9": unsaid, "10.0.0.3:9": unsaid}, trouble: "h2 cannot be asked: it is so"},
		"there is no network":      {says: map[string]outcome{"10.0.0.2:9": unroutable, "10.0.0.3:9": unroutable}, trouble: "h2 cannot be asked: it is so"},
		"the questions hang":       {hangs: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := &network{}
				n, _ := asking(t, three, net)
				free := make(chan struct{})
				defer close(free)
				net.mu.Lock()
				net.says = c.says
				if c.hangs {
					net.hangs = free
				}
				net.mu.Unlock()
				for range 200 {
					passes(every / 10)
					if a := age(n.Read(), "h2"); a > 7 {
						t.Fatalf("h2 looks silent for %v s", a)
					}
				}
				if s := n.Read(); len(s.Peers) != 0 || s.Err != c.trouble {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

func TestTheFileIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &network{says: map[string]outcome{"10.0.0.4:9": unreachable}}
		n, file := asking(t, three, net)
		write(t, file, "h1 10.0.0.1:9\nh3 10.0.0.4:9\nh5 10.0.0.5:9\n")
		passes(3 * every)
		s := n.Read()
		if age(s, "h2") != -1 || age(s, "h3") != -1 || s.Err != "" {
			t.Errorf("h2 has gone, and h3 is another address that has not answered yet: %+v", s)
		}
		between(t, "the age of h5, which is new", age(s, "h5"), 0, 2)

		write(t, file, "h1 10.0.0.1:9\nh3\n")
		passes(3 * every)
		s = n.Read()
		if want := file + `:2: "h3" is not NAME ADDRESS:PORT`; s.Err != want {
			t.Errorf("got %q, want %q", s.Err, want)
		}
		between(t, "h5's age by the file of before", age(s, "h5"), 0, 2)

		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		passes(3 * every)
		if s = n.Read(); !strings.Contains(s.Err, "no such file") || age(s, "h5") < 0 {
			t.Errorf("without a file: %+v", s)
		}
		write(t, file, three)
		passes(3 * every)
		if s = n.Read(); s.Err != "" || len(s.Peers) != 2 || age(s, "h2") < 0 {
			t.Errorf("whole again: %+v", s)
		}
		write(t, file, "h2 10.0.0.2:9\nh3 10.0.0.3:9\n")
		passes(3 * every)
		if s = n.Read(); !strings.Contains(s.Err, "does not name this host (h1)") || len(s.Peers) != 2 {
			t.Errorf("without this host: %+v", s)
		}
	})
}

func TestWhatCannotBeAskedIsSaidAtTheStart(t *testing.T) {
	dir := t.TempDir()
	good, broken := filepath.Join(dir, "good"), filepath.Join(dir, "broken")
	write(t, good, three)
	write(t, broken, "h1")
	for _, c := range []struct {
		file  string
		count int
		every time.Duration
		want  string
	}{
		{good, 1, minInterval, ""},
		{good, 0, every, "0 of them is none"},
		{good, 3, 0, "every 0s is too often"},
		{broken, 3, every, broken + ":1: "},
		{filepath.Join(dir, "none"), 3, every, "no such file"},
	} {
		_, err := New(c.file, c.count, c.every)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
