package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/evenkeel/evenkeel/exporter/stat"
)

func (r *Reader) bonds(kernel) (put, error) {
	masters, err := word(r.sys("class/net/bonding_masters"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var bonds []stat.Bond
	for _, name := range strings.Fields(masters) {
		b, bondErr := r.bond(name)
		if bondErr != nil {
			err = fmt.Errorf("read bond %s: %w", name, bondErr)
			continue
		}
		bonds = append(bonds, b)
	}
	return func(m *stat.Machine) { m.Bonds = bonds }, err
}

func (r *Reader) bond(name string) (stat.Bond, error) {
	b := stat.Bond{Name: name}
	mode, err := word(r.sys("class/net", name, "bonding/mode"))
	if err != nil {
		return b, err
	}
	// The file has the mode's number behind its name.
	b.Mode, _, _ = strings.Cut(mode, " ")
	slaves, err := word(r.sys("class/net", name, "bonding/slaves"))
	if err != nil {
		return b, err
	}
	for _, slave := range strings.Fields(slaves) {
		status, err := r.slaveStatus(name, slave)
		if err != nil {
			return b, err
		}
		b.Slaves++
		if status == "up" {
			b.Up++
		}
	}
	return b, nil
}

// slaveStatus is the state of a slave's link as the bond sees it. Kernels before 3.13 name the link
// to the slave differently. A slave that has gone meanwhile is not up.
func (r *Reader) slaveStatus(bond, slave string) (string, error) {
	for _, link := range []string{"lower_", "slave_"} {
		status, err := word(r.sys("class/net", bond, link+slave, "bonding_slave/mii_status"))
		if !errors.Is(err, fs.ErrNotExist) {
			return status, err
		}
	}
	return "", nil
}
