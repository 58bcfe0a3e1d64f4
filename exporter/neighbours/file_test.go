package neighbours

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
)

func TestWhatAFileSays(t *testing.T) {
	for _, c := range []struct{ what, text, want string }{
		{"two hosts, sorted by name", "host2 10.0.0.2:9\nhost1 10.0.0.1:9\n", "[{host1 10.0.0.1:9} {host2 10.0.0.2:9}]"},
		{"comments, empty lines, tabs, Windows", "# all hosts\r\n\r\n host1\t10.0.0.1:9 # the first\r\n", "[{host1 10.0.0.1:9}]"},
		{"a name and IPv6", "a a.storage.example.net:9\nb [fd00::1%eth1]:65535", "[{a a.storage.example.net:9} {b [fd00::1%eth1]:65535}]"},
		{"a line too short", "a 10.0.0.1:9\n\nhost2", `F:3: "host2" is not NAME ADDRESS:PORT`},
		{"a line too long", "a 10.0.0.1:9 9", `F:1: "a 10.0.0.1:9 9" is not NAME ADDRESS:PORT`},
		{"no port", "a 10.0.0.1", `F:1: "10.0.0.1" is not ADDRESS:PORT; an IPv6 address stands in [ ]`},
		{"IPv6 without brackets", "a fd00::1:9", `F:1: "fd00::1:9" is not ADDRESS:PORT; an IPv6 address stands in [ ]`},
		{"no address", "a :9", `F:1: ":9" is not ADDRESS:PORT; an IPv6 address stands in [ ]`},
		{"port 0", "a 10.0.0.1:0", `F:1: "0" is no port`},
		{"a port too large", "a 10.0.0.1:65536", `F:1: "65536" is no port`},
		{"a port with a name", "a 10.0.0.1:ssh", `F:1: "ssh" is no port`},
		{"a name twice", "a 10.0.0.1:9\nb 10.0.0.2:9\na 10.0.0.3:9", "F:3: a is named twice"},
		{"a name that is no label", "\xff 10.0.0.1:9", `F:1: the name "\xff" is not UTF-8`},
		{"nothing", "# to be filled\n", "F names no host"},
	} {
		hosts, err := parse("F", c.text)
		got := fmt.Sprint(hosts)
		if err != nil {
			got = err.Error()
			if hosts != nil {
				t.Errorf("%s: it is broken, and %v is taken from it", c.what, hosts)
			}
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.what, got, c.want)
		}
	}
}

func TestTheRing(t *testing.T) {
	hosts := func(names string) (list []host) {
		for _, name := range strings.Fields(names) {
			list = append(list, host{name: name})
		}
		return list
	}
	for _, c := range []struct {
		hosts, name string
		count       int
		want        string
	}{
		{"a b c d e", "a", 3, "b c d"},
		{"a b c d e", "d", 3, "e a b"},
		{"a b c d e", "e", 1, "a"},
		{"a b c", "b", 3, "c a"},
		{"a", "a", 3, ""},
		{"a c e", "b", 2, "c e"}, // not in the file
		{"a c e", "f", 2, "a c"},
		{"a c e", "", 2, "a c"},
	} {
		var got []string
		for _, h := range next(hosts(c.hosts), c.name, c.count) {
			got = append(got, h.name)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("of %s, %s asks %v, want %s", c.hosts, c.name, got, c.want)
		}
	}
}

// A host whose death nobody would see is what the ring is there to prevent.
func TestEachHostIsAskedByAsManyAsItAsks(t *testing.T) {
	for size := 2; size < 12; size++ {
		var hosts []host
		for i := range size {
			hosts = append(hosts, host{name: fmt.Sprintf("host%02d", i)})
		}
		askers := map[string][]string{}
		for _, h := range hosts {
			for _, asked := range next(hosts, h.name, 3) {
				askers[asked.name] = append(askers[asked.name], h.name)
			}
		}
		for _, h := range hosts {
			if by := askers[h.name]; len(by) != min(3, size-1) || slices.Contains(by, h.name) {
				t.Errorf("of %d, %s is asked by %v", size, h.name, by)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a 10.0.0.1:9\nb [fd00::1]:9 # b\n")
	f.Add("a\x00 :0\n\xff")
	f.Fuzz(func(t *testing.T, text string) {
		hosts, err := parse("F", text)
		if (err == nil) != (len(hosts) > 0) {
			t.Errorf("%v and %v", hosts, err)
		}
		for i, h := range hosts {
			if i > 0 && hosts[i-1].name >= h.name {
				t.Errorf("%q stands after %q", h.name, hosts[i-1].name)
			}
			if _, _, err := net.SplitHostPort(h.address); err != nil || h.name == "" {
				t.Errorf("%+v: %v", h, err)
			}
		}
	})
}
