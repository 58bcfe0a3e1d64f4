package planetlab

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The bounds of what is read: a day has about a thousand VMs, each of some hundred bytes.
const (
	maxTraces     = 20_000
	maxTraceBytes = 64 << 10
)

// Read reads the traces of a day, a file a VM: from a directory, or from a .tar.gz of one. They come in the
// bytewise order of the files' names, which decides the VMs' sizes.
func Read(name string) ([]Trace, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("read traces: %w", err)
	}
	var traces []Trace
	if info.IsDir() {
		traces, err = readDirectory(name)
	} else {
		traces, err = readArchive(name)
	}
	if err != nil {
		return nil, err
	}
	if len(traces) == 0 {
		return nil, fmt.Errorf("%s has no traces: there should be a file a VM", name)
	}
	slices.SortFunc(traces, func(a, b Trace) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(traces); i++ {
		if traces[i].Name == traces[i-1].Name {
			return nil, fmt.Errorf("%s has two files named %s", name, traces[i].Name)
		}
	}
	return traces, nil
}

func readDirectory(dir string) ([]Trace, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read traces: %w", err)
	}
	var traces []Trace
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		if len(traces) == maxTraces {
			return nil, tooMany(dir)
		}
		t, err := readFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		traces = append(traces, t)
	}
	return traces, nil
}

func readFile(name string) (Trace, error) {
	f, err := os.Open(name)
	if err != nil {
		return Trace{}, fmt.Errorf("read traces: %w", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	percent, err := parse(name, f)
	return Trace{Name: filepath.Base(name), Percent: percent}, err
}

func readArchive(name string) ([]Trace, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read traces: %w", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s is neither a directory nor a .tar.gz: %w", name, err)
	}
	var traces []Trace
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return traces, nil
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", name, err)
		case h.Typeflag != tar.TypeReg:
			continue
		case len(traces) == maxTraces:
			return nil, tooMany(name)
		}
		percent, err := parse(name+":"+h.Name, r)
		if err != nil {
			return nil, err
		}
		traces = append(traces, Trace{Name: path.Base(h.Name), Percent: percent})
	}
}

func tooMany(name string) error {
	return fmt.Errorf("%s has more than %d files: it should hold the traces of one day", name, maxTraces)
}

// parse reads one trace. Lines beyond a day are read over, as CloudSim does.
func parse(name string, r io.Reader) ([]int, error) {
	limited := &io.LimitedReader{R: r, N: maxTraceBytes}
	lines := bufio.NewScanner(limited)
	percent := make([]int, 0, Samples)
	for len(percent) < Samples && lines.Scan() {
		n, err := strconv.Atoi(strings.TrimSpace(lines.Text()))
		if err != nil || n < 0 || n > 100 {
			return nil, fmt.Errorf("%s:%d: %.40q is no percentage: a whole number from 0 to 100 is wanted", name, len(percent)+1, lines.Text())
		}
		percent = append(percent, n)
	}
	switch err := lines.Err(); {
	case err != nil:
		return nil, fmt.Errorf("%s:%d: %w", name, len(percent)+1, err)
	case limited.N == 0:
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxTraceBytes)
	case len(percent) < Samples:
		return nil, fmt.Errorf("%s:%d: the trace ends here, and a day has %d lines", name, len(percent)+1, Samples)
	}
	return percent, nil
}
