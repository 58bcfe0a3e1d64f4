package definitions

import (
	"fmt"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// many are 10,000 definitions of 8 KiB, about what libvirt writes of a VM with some devices.
func many(memory int) []cluster.Definition {
	var all []cluster.Definition
	devices := strings.Repeat("<disk type='file' device='disk'><source file='/srv/vms/disk.qcow2'/></disk>\n    ", 103)
	for i := range 10_000 {
		name := fmt.Sprintf("vm%05d", i)
		xml := strings.Replace(domain(name, memory), "<devices>\n", "<devices>\n    "+devices, 1)
		all = append(all, cluster.Definition{VM: fmt.Sprintf("4f6c0000-0000-4000-8000-0000000%05d", i), Name: name, Host: "h1", XML: xml})
	}
	return all
}

func BenchmarkTenThousandVMs(b *testing.B) {
	s := opened(b, options(b.TempDir()))
	memory := 0
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			memory++
			if n := put(b, s, many(memory)...); n != 10_000 {
				b.Fatalf("%d new", n)
			}
		}
	})
	all := many(memory)
	b.Run("unchanged", func(b *testing.B) {
		for b.Loop() {
			if n := put(b, s, all...); n != 0 {
				b.Fatalf("%d new", n)
			}
		}
	})
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			if list, err := s.List(); err != nil || len(list) != 10_000 {
				b.Fatal(len(list), err)
			}
		}
	})
	b.Run("get", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Get(all[5_000].VM); err != nil {
				b.Fatal(err)
			}
		}
	})
}
