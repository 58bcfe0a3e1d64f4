package machine

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
)

// mceEvery is how often machine checks are counted anew: the file that has them holds a column for every
// CPU and a line for every interrupt, which the kernel takes milliseconds to write on a large machine.
const mceEvery = time.Minute

// machineChecks remembers the last count.
type machineChecks struct {
	mu   sync.Mutex
	at   time.Time
	last *float64
}

// mce reads how many machine check exceptions the CPUs raised; a machine whose kernel has no such row tells
// nothing.
func (r *Reader) mce(kernel) (put, error) {
	c := &r.checks
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) >= mceEvery {
		last, err := countMachineChecks(filepath.Join(r.o.Proc, "interrupts"))
		if err != nil {
			return nil, err
		}
		c.last, c.at = last, time.Now()
	}
	last := c.last
	return func(m *stat.Machine) { m.MachineChecks = last }, nil
}

// countMachineChecks sums the row over all CPUs. It is nil where there is none.
func countMachineChecks(path string) (*float64, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read machine checks: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20) // thousands of CPUs
	for lines.Scan() {
		row, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "MCE:")
		if !ok {
			continue
		}
		sum := 0.0
		fields := strings.Fields(row)
		for i, field := range fields {
			n, err := strconv.ParseUint(field, 10, 64)
			if err != nil && i == 0 {
				return nil, fmt.Errorf("read machine checks: %s: %q is no count", path, field)
			}
			if err != nil {
				break // what it stands for, in words
			}
			sum += float64(n)
		}
		return &sum, nil
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read machine checks: %s: %w", path, err)
	}
	return nil, nil
}
