package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"libvirt.org/go/libvirt"
)

// groups are what the exporter asks for by default.
const groups = libvirt.DOMAIN_STATS_STATE | libvirt.DOMAIN_STATS_CPU_TOTAL | libvirt.DOMAIN_STATS_BALLOON |
	libvirt.DOMAIN_STATS_VCPU | libvirt.DOMAIN_STATS_INTERFACE | libvirt.DOMAIN_STATS_BLOCK

// launchFloor starts this program as the floor: a process of its own, so that its CPU time is its own.
func launchFloor(ctx context.Context, uri string) (*subject, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &subject{name: "floor: the bare call", cmd: exec.CommandContext(ctx, self, "-floor", uri)}
	s.cmd.Stderr = os.Stderr
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.out = bufio.NewReader(out)
	if err := s.begin(); err != nil {
		return nil, err
	}
	if _, err := s.call(); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// call has the floor make its call. The floor's own clock counts, without the way to it and back.
func (s *subject) call() (time.Duration, error) {
	if _, err := fmt.Fprintln(s.in); err != nil {
		return 0, fmt.Errorf("ask the floor: %w", err)
	}
	line, err := s.out.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("hear the floor: %w", err)
	}
	took, err := time.ParseDuration(strings.TrimSpace(line))
	if err != nil {
		return 0, fmt.Errorf("the floor says %q", line)
	}
	return took, nil
}

// beFloor makes one call for each line of standard input and prints how long it took.
func beFloor(uri string) error {
	c, err := libvirt.NewConnectReadOnly(uri)
	if err != nil {
		return fmt.Errorf("open %s: %w", uri, err)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		start := time.Now()
		records, err := c.GetAllDomainStats(nil, groups, libvirt.CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT)
		took := time.Since(start)
		if err != nil {
			return fmt.Errorf("read domain statistics: %w", err)
		}
		for i := range records {
			_ = records[i].Domain.Free() // it frees our handle only; nothing can be done about a failure
		}
		fmt.Println(took)
	}
	return lines.Err()
}
