package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	domainCount = 500
	// fewScrapes and manyScrapes are after how many of them memory is looked at.
	fewScrapes, manyScrapes = 100, 1000
	// movers are the guests of the storm. The first host is scraped every stormEvery in it, stormScrapes
	// times at least, and the bare call is made every floorEvery, so that it does not weigh on the scrapes.
	movers                 = 6
	stormEvery, floorEvery = 200 * time.Millisecond, time.Second
	stormScrapes           = 120
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

// heldUp counts the readings that the exporter made without what held the first call up.
const heldUp = "evenkeel_exporter_libvirt_held_up_total"

// stormScene scrapes the first host while guests go and come, and makes the bare call meanwhile: what
// that one takes in the same storm is what libvirt itself allows.
func stormScene(ctx context.Context, o options, w io.Writer) ([]goal, error) {
	if err := guestsUp(ctx, 2); err != nil {
		return nil, err
	}
	s, err := launch(ctx, o, ours(o), labURI("host1"))
	if err != nil {
		return nil, err
	}
	defer s.end()
	floor, err := launchFloor(ctx, labURI("host1"))
	if err != nil {
		return nil, err
	}
	defer floor.end()
	if err := warm(ctx, s); err != nil {
		return nil, err
	}
	before, err := s.value(ctx, heldUp)
	if err != nil {
		return nil, err
	}
	moves, own, bare, err := storm(ctx, o.storm, s, floor)
	if err != nil {
		return nil, err
	}
	after, err := s.value(ctx, heldUp)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(w, "%d moves of %d guests; %.0f scrapes were made of narrower calls.\n\n| | count | p50 ms | p90 ms | p99 ms | longest ms |\n|---|---|---|---|---|---|\n", moves, movers, after-before)
	for _, row := range []struct {
		name  string
		walls []time.Duration
	}{{s.name, own}, {floor.name, bare}} {
		line(w, []string{row.name, fmt.Sprint(len(row.walls)), ms(quantile(row.walls, 0.5)), ms(quantile(row.walls, 0.9)), ms(quantile(row.walls, 0.99)), ms(quantile(row.walls, 1))})
	}
	return []goal{
		atLeast("storm: scrapes, so that there is a p99", float64(len(own)), 100),
		atMost("storm: p99 of a scrape, times p50", ratio(quantile(own, 0.99), quantile(own, 0.5)), 3),
	}, nil
}

// storm moves guests and measures the subjects meanwhile, side by side: a turn of the one that takes
// long must not hide from the other what happens in that time. It ends when it has lasted and there are
// scrapes enough.
func storm(ctx context.Context, lasting time.Duration, s, floor *subject) (moves int, own, bare []time.Duration, err error) {
	var moveErr, ownErr, bareErr error
	end := time.Now().Add(lasting)
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { moves, moveErr = migrations(ctx, movers, over) })
	wg.Go(func() {
		defer close(over)
		own, ownErr = scrapeUntil(ctx, s, stormEvery, func(n int) bool { return n >= stormScrapes && time.Now().After(end) })
	})
	wg.Go(func() {
		bare, bareErr = scrapeUntil(ctx, floor, floorEvery, func(int) bool { return closed(over) })
	})
	wg.Wait()
	return moves, own, bare, errors.Join(moveErr, ownErr, bareErr)
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// scrapeUntil scrapes at a steady pace until so many scrapes are enough.
func scrapeUntil(ctx context.Context, s *subject, every time.Duration, enough func(n int) bool) ([]time.Duration, error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var walls []time.Duration
	for ; !enough(len(walls)); <-tick.C {
		took, err := s.scrape(ctx)
		if err != nil {
			return nil, err
		}
		walls = append(walls, took)
	}
	return walls, nil
}
