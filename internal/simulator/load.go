package simulator

import (
	"bufio"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// loadFunc is the share of its vCPUs that a VM wants at a time. It depends on nothing else, so that what
// evenkeel does changes nothing of what the guests want.
type loadFunc func(at time.Time) float64

// loads returns the loads of a group of VMs. first numbers the group's first VM, for the noise.
func (l Load) loads(s Scenario, first, count int) ([]loadFunc, error) {
	if l.Trace != nil {
		return l.Trace.loads(s, count)
	}
	all := make([]loadFunc, count)
	for i := range all {
		all[i] = l.load(s, first+i, i)
	}
	return all, nil
}

// load returns the load of one VM: number is its place in the cluster, i that in its group.
func (l Load) load(s Scenario, number, i int) loadFunc {
	switch {
	case l.Noise != nil:
		n := *l.Noise
		return func(at time.Time) float64 { return share01(n.Mean + n.SD*gauss(s.Seed, number, at)) }
	case l.Square != nil:
		q := *l.Square
		ahead := time.Duration(q.Phase) + time.Duration(i)*time.Duration(q.Stagger)
		return func(at time.Time) float64 {
			period := time.Duration(q.Period)
			if into := (at.Sub(s.Start) + ahead) % period; float64(into) < q.Duty*float64(period) {
				return q.High
			}
			return q.Low
		}
	case l.Daily != nil:
		return l.Daily.load(s.Seed, number)
	}
	return func(time.Time) float64 { return *l.Constant }
}

func (d Daily) load(seed uint64, number int) loadFunc {
	return func(at time.Time) float64 {
		midnight := at.UTC().Truncate(day)
		height := d.High - d.Low
		if d.Sway > 0 {
			height *= max(0, 1+d.Sway*gauss(seed^swayed, number, midnight))
		}
		if w := midnight.Weekday(); d.Weekend != nil && (w == time.Saturday || w == time.Sunday) {
			height *= *d.Weekend
		}
		wave := (1 + math.Cos(2*math.Pi*(at.UTC().Sub(midnight).Hours()-d.PeakHour)/24)) / 2
		x := d.Low + height*wave
		if d.Noise > 0 {
			x += d.Noise * gauss(seed, number, at)
		}
		return share01(x)
	}
}

// swayed and crowded keep what is drawn for days and for crowds apart from the noise.
const swayed, crowded = 0x5bd1e995, 0xc2b2ae35

// gauss is a standard normal number for a VM and a minute.
func gauss(seed uint64, number int, at time.Time) float64 {
	return chance(seed, number, at).NormFloat64()
}

func chance(seed uint64, number int, at time.Time) *rand.Rand {
	return rand.New(rand.NewPCG(seed+uint64(number)*0x9e3779b97f4a7c15, uint64(at.Unix()/60)))
}

// joins is the load of a VM that takes part in some of the crowds.
func joins(load loadFunc, s Scenario, number int) loadFunc {
	for _, c := range s.Crowds {
		if begin := s.Start.Add(time.Duration(c.At)); chance(s.Seed^crowded, number, begin).Float64() < c.Share {
			load = c.over(load, begin)
		}
	}
	return load
}

// over is the load with the crowd over it.
func (c Crowd) over(load loadFunc, begin time.Time) loadFunc {
	return func(at time.Time) float64 {
		x, since := load(at), at.Sub(begin)
		if since < 0 || since >= time.Duration(c.Rise+c.Lasts) {
			return x
		}
		part := 1.0
		if rise := time.Duration(c.Rise); since < rise {
			part = since.Seconds() / rise.Seconds()
		}
		return max(x, x+part*(c.To-x))
	}
}

// past tells whether the load can be told for times before the start.
func (l Load) past() bool { return l.Constant != nil || l.Noise != nil || l.Daily != nil }

func share01(x float64) float64 { return min(1, max(0, x)) }

func (t Trace) loads(s Scenario, count int) ([]loadFunc, error) {
	traces, err := t.read(s.dir, count)
	if err != nil {
		return nil, err
	}
	all := make([]loadFunc, count)
	for i := range all {
		shares := traces[i%len(traces)]
		all[i] = func(at time.Time) float64 {
			return shares[int(at.Sub(s.Start)/time.Duration(t.Interval))%len(shares)]
		}
	}
	return all, nil
}

// read reads the file, or as many of the directory's as there are VMs, in the order of their names.
func (t Trace) read(dir string, count int) ([][]float64, error) {
	if (t.File == "") == (t.Directory == "") {
		return nil, fmt.Errorf("names %q and %q; give a file or a directory", t.File, t.Directory)
	}
	files := []string{t.File}
	if t.Directory != "" {
		entries, err := os.ReadDir(within(dir, t.Directory))
		if err != nil {
			return nil, fmt.Errorf("read the traces: %w", err)
		}
		files = nil
		for _, e := range entries {
			if e.Type().IsRegular() && len(files) < count {
				files = append(files, filepath.Join(t.Directory, e.Name()))
			}
		}
		slices.Sort(files)
	}
	var traces [][]float64
	for _, f := range files {
		shares, err := readTrace(within(dir, f))
		if err != nil {
			return nil, err
		}
		traces = append(traces, shares)
	}
	if len(traces) == 0 {
		return nil, fmt.Errorf("there is no file in %s", within(dir, t.Directory))
	}
	return traces, nil
}

func within(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// readTrace reads one whole number a line, a percentage.
func readTrace(path string) ([]float64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read a trace: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	var shares []float64
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		text := strings.TrimSpace(lines.Text())
		if text == "" {
			continue
		}
		percent, err := strconv.Atoi(text)
		if err != nil || percent < 0 || percent > 100 {
			return nil, fmt.Errorf("%s:%d: %q is no whole number from 0 to 100", path, len(shares)+1, text)
		}
		shares = append(shares, float64(percent)/100)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(shares) == 0 {
		return nil, fmt.Errorf("%s holds no number", path)
	}
	return shares, nil
}
