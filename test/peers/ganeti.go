package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

const mib = 1 << 20

// ganetiText writes the cluster in the text format that hbal -t reads: groups, nodes, instances,
// cluster tags and policies, with an empty line between. Memory is in MiB. The instances' disks lie on
// external storage (template ext): hbal moves such an instance by one plain migration to any node,
// while drbd ties it to its secondary node and plain never lets it move at all.
func ganetiText(s cluster.Snapshot) []byte {
	var b bytes.Buffer
	promised := map[string]int64{}
	for _, v := range s.VMs {
		promised[v.Host] += v.MemoryBytes
	}
	fmt.Fprint(&b, "group|group-uuid|preferred||\n\n")
	for _, h := range s.Hosts {
		free := h.MemoryBytes - h.ReservedMemoryBytes - promised[h.ID]
		fmt.Fprintf(&b, "%s|%d|%d|%d|1000000|1000000|%.0f|N|group-uuid|1||N|0|0|1.0\n", h.ID, h.MemoryBytes/mib, h.ReservedMemoryBytes/mib, free/mib, h.CPUCores)
	}
	fmt.Fprintln(&b)
	for _, v := range s.VMs {
		fmt.Fprintf(&b, "%s|%d|1024|%d|running|Y|%s||ext||1\n", v.ID, v.MemoryBytes/mib, v.VCPUs, v.Host)
	}
	fmt.Fprint(&b, "\n\n")
	return b.Bytes()
}

// ganetiLoad writes the file that hbal -U reads: the share of a host's CPU that each instance uses.
// Memory counts already as the nodes' free memory. Given here as well it makes hbal slower and its
// result a little worse, and the default of 1 for disk and network would have it level the number of
// instances.
func ganetiLoad(s cluster.Snapshot) []byte {
	var b bytes.Buffer
	for _, v := range s.VMs {
		fmt.Fprintf(&b, "%s %.6f 0 0 0\n", v.ID, v.CPUDemandCores/hostCores)
	}
	return b.Bytes()
}

// parseSolution reads the moves from what hbal -C printed, in their order. It prints the solution as
// commands; anything in it but plain migrations is an error.
func parseSolution(s cluster.Snapshot, out []byte) ([]move, error) {
	command := regexp.MustCompile(`(?m)^\s*gnt-instance (.*)$`)
	migration := regexp.MustCompile(`^migrate -f -n (\S+) (\S+)$`)
	at := map[string]string{}
	for _, v := range s.VMs {
		at[v.ID] = v.Host
	}
	var moves []move
	for _, c := range command.FindAllSubmatch(out, -1) {
		m := migration.FindSubmatch(c[1])
		if m == nil {
			return nil, fmt.Errorf("read hbal's solution: %q is no migration", c[1])
		}
		to, vm := string(m[1]), string(m[2])
		moves = append(moves, move{vm, at[vm], to})
		at[vm] = to
	}
	length := regexp.MustCompile(`(?m)^Solution length=(\d+)$`).FindSubmatch(out)
	if length == nil || string(length[1]) != strconv.Itoa(len(moves)) {
		return nil, fmt.Errorf("read hbal's solution: it has %d commands, and its length is given as %q", len(moves), length)
	}
	return moves, nil
}
