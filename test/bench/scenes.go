package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	domainCount = 500
	// fewScrapes and manyScrapes are after how many of them memory is looked at.
	fewScrapes, manyScrapes = 100, 1000
	// movers are the guests of the storm, stormEvery how often the first host is scraped in it.
	movers     = 6
	stormEvery = 200 * time.Millisecond
)

// guestsScene compares all on real guests.
func guestsScene(ctx context.Context, o options, w io.Writer) ([]goal, error) {
	if err := guestsUp(ctx, 1); err != nil {
		return nil, err
	}
	daemon, err := daemonOf(socket("host1"))
	if err != nil {
		return nil, err
	}
	all, err := sideBySide(ctx, o, labURI("host1"), daemon, w)
	if err != nil {
		return nil, err
	}
	writeTable(w, all, true)
	return guestGoals(all), nil
}

// domainsScene compares those that can read libvirt's test driver, which runs within their own process.
func domainsScene(ctx context.Context, o options, w io.Writer) ([]goal, error) {
	uri, err := testDriver(o.work)
	if err != nil {
		return nil, err
	}
	o.inovex = ""
	all, err := sideBySide(ctx, o, uri, 0, w)
	if err != nil {
		return nil, err
	}
	writeTable(w, all, false)
	return domainGoals(all), nil
}

// sideBySide starts the floor, ours and the peers and compares them. It says of those that are left
// out why.
func sideBySide(ctx context.Context, o options, uri string, daemon int, w io.Writer) ([]figures, error) {
	var subjects []*subject
	defer func() {
		for _, s := range subjects {
			s.end()
		}
	}()
	others, without, err := peers(o)
	if err != nil {
		return nil, err
	}
	floor, err := launchFloor(ctx, uri)
	if err != nil {
		return nil, err
	}
	subjects = append(subjects, floor)
	for _, p := range append([]program{ours(o)}, others...) {
		s, err := launch(ctx, o, p, uri)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, s)
	}
	for _, why := range without {
		fmt.Fprintf(w, "Left out: %s.\n\n", why)
	}
	return compare(ctx, o, subjects, daemon)
}

// testDriver writes the file of a host with many running domains and returns its URI.
func testDriver(dir string) (string, error) {
	var b strings.Builder
	b.WriteString("<node>\n")
	for i := range domainCount {
		fmt.Fprintf(&b, `<domain type="test"><name>vm%d</name><uuid>00000000-0000-4000-8000-%012d</uuid>
<memory>1048576</memory><vcpu>2</vcpu><os><type>hvm</type></os><devices>
<disk type="file" device="disk"><source file="/guest/vm%d.img"/><target dev="vda" bus="virtio"/></disk>
<interface type="bridge"><mac address="52:54:00:00:%02x:%02x"/><source bridge="br0"/></interface>
</devices></domain>
`, i, i+1, i, i/256, i%256)
	}
	b.WriteString("</node>\n")
	file := filepath.Join(dir, "domains.xml")
	return "test://" + file, os.WriteFile(file, []byte(b.String()), 0o600)
}

// memoryScene looks at the memory of ours after some scrapes and after many.
func memoryScene(ctx context.Context, o options, w io.Writer) ([]goal, error) {
	uri, err := testDriver(o.work)
	if err != nil {
		return nil, err
	}
	s, err := launch(ctx, o, ours(o), uri)
	if err != nil {
		return nil, err
	}
	defer s.end()
	fmt.Fprint(w, "| scrapes | resident, MiB | of it of no file, MiB | of files, MiB |\n|---|---|---|---|\n")
	resident := map[int]float64{}
	for i := range manyScrapes {
		if _, err := s.scrape(ctx); err != nil {
			return nil, err
		}
		if n := i + 1; n == fewScrapes || n == manyScrapes {
			m, err := memory(s.cmd.Process.Pid)
			if err != nil {
				return nil, err
			}
			resident[n] = m["VmRSS:"]
			fmt.Fprintf(w, "| %d | %.1f | %.1f | %.1f |\n", n, m["VmRSS:"], m["RssAnon:"], m["RssFile:"])
		}
	}
	return memoryGoals(resident[fewScrapes], resident[manyScrapes]), nil
}

// stormScene scrapes the first host while guests go and come.
func stormScene(ctx context.Context, o options, w io.Writer) ([]goal, error) {
	if err := guestsUp(ctx, 2); err != nil {
		return nil, err
	}
	s, err := launch(ctx, o, ours(o), labURI("host1"))
	if err != nil {
		return nil, err
	}
	defer s.end()
	if err := warm(ctx, s); err != nil {
		return nil, err
	}
	moves, moved := 0, make(chan error, 1)
	go func() {
		var err error
		moves, err = migrations(ctx, movers, o.storm)
		moved <- err
	}()
	walls, err := scrapeFor(ctx, s, o.storm)
	if err := errors.Join(err, <-moved); err != nil {
		return nil, err
	}
	p50, p99 := quantile(walls, 0.5), quantile(walls, 0.99)
	fmt.Fprintf(w, "%d moves of %d guests, %d scrapes.\n\n| scrape | ms |\n|---|---|\n| p50 | %s |\n| p99 | %s |\n| longest | %s |\n",
		moves, movers, len(walls), ms(p50), ms(p99), ms(quantile(walls, 1)))
	return []goal{atMost("storm: p99 of a scrape, times p50", ratio(p99, p50), 3)}, nil
}

// scrapeFor scrapes at a steady pace.
func scrapeFor(ctx context.Context, s *subject, d time.Duration) ([]time.Duration, error) {
	tick := time.NewTicker(stormEvery)
	defer tick.Stop()
	var walls []time.Duration
	for end := time.Now().Add(d); time.Now().Before(end); <-tick.C {
		took, err := s.scrape(ctx)
		if err != nil {
			return nil, err
		}
		walls = append(walls, took)
	}
	return walls, nil
}
