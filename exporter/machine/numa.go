package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/exporter/stat"
)

func (r *Reader) numa(kernel) (put, error) {
	names, err := entries(r.sys("devices/system/node"))
	if err != nil {
		return nil, err
	}
	var nodes []stat.NUMANode
	for _, name := range names {
		number, ok := numbered(name, "node", "")
		if !ok {
			continue
		}
		node, nodeErr := readNode(r.sys("devices/system/node", name))
		if nodeErr != nil {
			err = nodeErr
			continue
		}
		node.Node = int(number)
		nodes = append(nodes, node)
	}
	return func(m *stat.Machine) { m.NUMA = nodes }, err
}

func readNode(dir string) (stat.NUMANode, error) {
	var node stat.NUMANode
	path := filepath.Join(dir, "meminfo")
	text, err := os.ReadFile(path)
	if err != nil {
		return node, err
	}
	if node.Total, node.Free, err = parseNodeMemory(string(text)); err != nil {
		return node, fmt.Errorf("read %s: %w", path, err)
	}
	path = filepath.Join(dir, "cpulist")
	list, err := word(path)
	if err != nil {
		return node, err
	}
	if node.CPUs, err = parseCPUList(list); err != nil {
		return node, fmt.Errorf("read %s: %w", path, err)
	}
	node.HugePages, err = hugePages(filepath.Join(dir, "hugepages"))
	return node, err
}

// parseNodeMemory takes total and free memory in bytes out of a node's meminfo, whose lines are like
// "Node 0 MemTotal:  13592792 kB".
func parseNodeMemory(text string) (total, free int64, err error) {
	total, free = -1, -1
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 5 || fields[4] != "kB" {
			continue
		}
		into := map[string]*int64{"MemTotal:": &total, "MemFree:": &free}[fields[2]]
		if into == nil {
			continue
		}
		kB, err := strconv.ParseUint(fields[3], 10, 53)
		if err != nil {
			return 0, 0, fmt.Errorf("parse %s: %w", strings.TrimSuffix(fields[2], ":"), err)
		}
		*into = int64(kB) * 1024
	}
	if total < 0 || free < 0 {
		return 0, 0, fmt.Errorf("it does not tell MemTotal and MemFree")
	}
	return total, free, nil
}

// parseCPUList counts the CPUs in a list like "0-3,8,10-11". A node of memory alone has an empty one.
func parseCPUList(list string) (int, error) {
	if list == "" {
		return 0, nil
	}
	n := 0
	for span := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(span, "-")
		if !isRange {
			to = from
		}
		first, err := strconv.ParseUint(from, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("parse the CPU list: %w", err)
		}
		last, err := strconv.ParseUint(to, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("parse the CPU list: %w", err)
		}
		if last < first {
			return 0, fmt.Errorf("parse the CPU list: %q runs backwards", span)
		}
		n += int(last-first) + 1
	}
	return n, nil
}
