package virt

import "libvirt.org/go/libvirt"

// Reason translates libvirt's reason for a domain's state into its own word for it, as virsh prints
// it with dashes for blanks. It is empty for a reason that is not known.
func Reason(s libvirt.DomainState, reason int) string {
	if words := reasons[s]; reason >= 0 && reason < len(words) {
		return words[reason]
	}
	return ""
}

// reasons are libvirt's words in the order of its numbers.
var reasons = map[libvirt.DomainState][]string{
	libvirt.DOMAIN_RUNNING: {"", "booted", "migrated", "restored", "from-snapshot", "unpaused", "migration-canceled", "save-canceled", "event-wakeup", "crashed", "post-copy", "post-copy-failed"},
	libvirt.DOMAIN_PAUSED: {"", "user", MigratingReason, "saving", "dumping", "ioerror", "watchdog", "from-snapshot", "shutting-down", "creating-snapshot", "crashed", StartingReason,
		PostCopyReason, "post-copy-failed", "api-error"},
	libvirt.DOMAIN_SHUTDOWN:    {"", "user"},
	libvirt.DOMAIN_SHUTOFF:     {"", "shutdown", "destroyed", "crashed", MigratedReason, "saved", "failed", "from-snapshot", "daemon"},
	libvirt.DOMAIN_CRASHED:     {"", "panicked"},
	libvirt.DOMAIN_PMSUSPENDED: {""},
}

// Reasons by which it can be told where a VM that migrates really is.
const (
	// MigratingReason is of a paused domain that waits for its memory or hands it over.
	MigratingReason = "migrating"
	// StartingReason is of a paused domain whose process is being started.
	StartingReason = "starting-up"
	// PostCopyReason is of a paused domain whose VM runs on another host already.
	PostCopyReason = "post-copy"
	// MigratedReason is of a definition that a VM left behind when it moved.
	MigratedReason = "migrated"
)
