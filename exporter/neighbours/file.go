package neighbours

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// host is a line of the file.
type host struct{ name, address string }

// parse reads the file's text: a line a host, its name and where it can be asked. The hosts are sorted
// by name.
func parse(file, text string) ([]host, error) {
	var hosts []host
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if err := check(fields); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, i+1, err)
		}
		h := host{fields[0], fields[1]}
		at, twice := find(hosts, h.name)
		if twice {
			return nil, fmt.Errorf("%s:%d: %s is named twice", file, i+1, h.name)
		}
		hosts = slices.Insert(hosts, at, h)
	}
	// An empty file is one that is being written, or was lost.
	if len(hosts) == 0 {
		return nil, fmt.Errorf("%s names no host", file)
	}
	return hosts, nil
}

func check(fields []string) error {
	if len(fields) != 2 {
		return fmt.Errorf("%q is not NAME ADDRESS:PORT", strings.Join(fields, " "))
	}
	if !utf8.ValidString(fields[0]) {
		return fmt.Errorf("the name %q is not UTF-8", fields[0])
	}
	address, port, err := net.SplitHostPort(fields[1])
	if err != nil || address == "" {
		return fmt.Errorf("%q is not ADDRESS:PORT; an IPv6 address stands in [ ]", fields[1])
	}
	if p, err := strconv.ParseUint(port, 10, 16); err != nil || p == 0 {
		return fmt.Errorf("%q is no port", port)
	}
	return nil
}

func find(hosts []host, name string) (at int, found bool) {
	return slices.BinarySearchFunc(hosts, name, func(h host, name string) int { return strings.Compare(h.name, name) })
}

// next returns the hosts after the named one, which need not be among them, the first after the last.
// So each host is asked by as many others as it asks itself.
func next(hosts []host, name string, count int) []host {
	at, _ := find(hosts, name)
	var list []host
	for i := range hosts {
		if h := hosts[(at+i)%len(hosts)]; h.name != name && len(list) < count {
			list = append(list, h)
		}
	}
	return list
}
