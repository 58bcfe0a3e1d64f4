package runbook

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// subject is what a run is about: a VM and its host, a host, or nothing.
type subject struct{ vm, name, host string }

// find reads from a snapshot what the alert is about. What its labels say beside the UUID must be so: an alert that calls the VM
// by another name, or has it elsewhere, is about a world that is no more, or about another VM.
func find(s cluster.Snapshot, b book, alert map[string]string) (subject, error) {
	id, name, host := alert[b.VMLabel], alert[b.NameLabel], alert[b.HostLabel]
	if id == "" {
		if _, known := s.Host(host); host != "" && !known {
			return subject{}, fmt.Errorf("the alert is about the host %q, and there is none of that name", host)
		}
		return subject{host: host}, nil
	}
	vm, known := s.VM(id)
	switch {
	case !known:
		return subject{}, fmt.Errorf("the alert is about the VM %s, and no VM has that UUID", id)
	case name != "" && name != vm.Name:
		return subject{}, fmt.Errorf("the alert calls the VM %q, and it is called %q", name, vm.Name)
	case host != "" && host != vm.Host:
		return subject{}, fmt.Errorf("the alert has the VM on %s, and it is on %s", host, orWord(vm.Host, "no host"))
	}
	return subject{vm.ID, vm.Name, vm.Host}, nil
}

// same says what differs between what the run was about when it began and what a snapshot shows, or nil.
func same(s cluster.Snapshot, run cluster.Run) error {
	if run.VM == "" {
		if _, known := s.Host(run.Host); run.Host != "" && !known {
			return fmt.Errorf("the host %s is not there any more", run.Host)
		}
		return nil
	}
	vm, known := s.VM(run.VM)
	switch {
	case !known:
		return fmt.Errorf("the VM %s, which was called %q, is not there any more", run.VM, run.Name)
	case vm.Name != run.Name:
		return fmt.Errorf("the VM %s was called %q when the run began, and is called %q now", run.VM, run.Name, vm.Name)
	case vm.Host != run.Host:
		return fmt.Errorf("%s was on %s when the run began, and is on %s now", run.Name, orWord(run.Host, "no host"), orWord(vm.Host, "no host"))
	}
	return nil
}
