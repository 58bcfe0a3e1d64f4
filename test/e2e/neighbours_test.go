package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// neighbours gives each host an address on the VM LAN, and returns the flags of an exporter that asks the others there, at a port where nothing listens.
func neighbours(t *testing.T) []string {
	t.Helper()
	file, text := filepath.Join(t.TempDir(), "neighbours"), "# one file for all hosts\n"
	for i := 1; i <= hosts; i++ {
		host, addr := fmt.Sprintf("host%d", i), fmt.Sprintf("10.77.0.24%d", i)
		lab(t, "sh", host, "ip", "addr", "replace", addr+"/25", "dev", "br0")
		t.Cleanup(func() { _, _ = hostlab("sh", host, "ip", "addr", "del", addr+"/25", "dev", "br0") })
		text += fmt.Sprintf("%s %s:9\n", host, addr)
	}
	writeFile(t, file, text)
	return []string{"--neighbours.file=" + file, "--neighbours.interval=1s"}
}

// hear waits until what the neighbours say of host3 is this, and wants the verdict on it to be so then.
func (s *instance) hear(word, verdict string, within time.Duration) {
	s.t.Helper()
	eventually(s.t, within, "the neighbours to say "+word+" of host3", func() error {
		list, err := s.client.Hosts(ctx())
		if err != nil || len(list) != hosts {
			return fmt.Errorf("%+v %v", list, err)
		}
		if h := list[hosts-1]; h.Neighbours != word || h.Heartbeat != "unknown" || h.Verdict != verdict {
			return fmt.Errorf("it is %+v", h)
		}
		return nil
	})
}

// stays wants host3 to be this for some seconds.
func (s *instance) stays(verdict string) {
	s.t.Helper()
	for range 5 {
		time.Sleep(time.Second)
		s.becomes(verdict, 0)
	}
}

// Without a heartbeat, what the hosts say of each other tells a host that is cut off from one without power.
func TestNeighboursAreWitnesses(t *testing.T) {
	home(t)
	flags := neighbours(t)
	for i := 1; i <= hosts; i++ {
		exporter(t, i, flags...)
	}
	s := server(t, fencedAll(t, config(quiet, swift)))
	s.hear("yes", "alive", 30*time.Second)

	defer lab(t, "heal", "host3", "mgmt")
	lab(t, "cut", "host3", "mgmt")
	t.Logf("a cut network is known after %.1f s", s.becomes("isolated", 30*time.Second).Seconds())
	s.hear("yes", "isolated", 0)
	s.stays("isolated")
	lab(t, "heal", "host3", "mgmt")
	s.becomes("alive", 30*time.Second)

	defer lab(t, "revive", "host3")
	lab(t, "kill", "host3", "power")
	t.Logf("a power cut is certain after %.1f s", s.becomes("dead", 40*time.Second).Seconds())
	s.hear("no", "dead", 0)
	s.stays("dead")
	lab(t, "revive", "host3")
	exporter(t, 3, flags...)
	s.becomes("alive", 30*time.Second)
	s.hear("yes", "alive", 30*time.Second)
}
