package promql_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/promql"
)

// a idles for two hours but for its start, b has been there for less, c moved from h1 to h2 and is busy in one quarter of an hour in eight.
func TestWhatAVMUsedOverALongTime(t *testing.T) {
	disks := func(vm, on string, n int, bytes float64) string {
		l := fmt.Sprintf(`instance="%s:9177",vm="%s"`, on, vm)
		return fmt.Sprintf(`
  evenkeel_vm_block_read_bytes_total{%[1]s,device="vda"} 0+%[3]gx%[2]d
  evenkeel_vm_block_write_bytes_total{%[1]s,device="vda"} 0+%[3]gx%[2]d
  evenkeel_vm_network_receive_bytes_total{%[1]s,interface="0"} 0+%[3]gx%[2]d
  evenkeel_vm_network_transmit_bytes_total{%[1]s,interface="0"} 0x%[2]d
  evenkeel_vm_memory_usable_bytes{%[1]s} 1610612736x%[2]d`, l, n, bytes)
	}
	script := vm("a", "h1", "running", 0, 600, 0.02, 0) + disks("a", "h1", 600, 1500) + vm("b", "h1", "running", 300, 300, 1, 0) +
		strings.Replace(vm("c", "h2", "running", 0, 600, 0, 0), `evenkeel_vm_cpu_seconds_total{instance="h2:9177",vm="c"} 50+0x600`, `evenkeel_vm_cpu_seconds_total{instance="h2:9177",vm="c"} 0+0x420 0+12x60 720+0x120`, 1)
	src, err := promql.New(prometheus(t, "load 15s\n"+strings.TrimLeft(script, "\n")), nil, options())
	if err != nil {
		t.Fatal(err)
	}
	usage, err := src.Usage(context.Background(), time.Unix(0, 0).Add(150*time.Minute), 2*time.Hour)
	if err != nil || len(usage) != 2 || usage[0].VM != "a" || usage[1].VM != "c" {
		t.Fatalf("%+v %v", usage, err)
	}
	a, c := usage[0], usage[1]
	near(t, "a's CPU", a.CPUCores, 0.02)
	near(t, "a's disk", a.DiskBytesPerSecond, 200)
	near(t, "a's network", a.NetworkBytesPerSecond, 100)
	near(t, "a's memory", a.MemoryBytes.Value, 512<<20)
	if c.CPUCores < 0.6 {
		t.Errorf("c's busy quarter of an hour is not seen: %+v", c)
	}
	near(t, "c's memory, caches included", c.MemoryBytes.Value, 1<<30)
	for _, s := range promql.UsageSources(7 * 24 * time.Hour) {
		if strings.Contains(s.Query, "$") || !strings.Contains(s.Query, "1w") {
			t.Errorf("%+v", s)
		}
	}
}
