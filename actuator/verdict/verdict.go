// Package verdict says what has become of a host, by what several independent witnesses say of it. It is pure. docs/ha.md holds
// the same table for people, and a test holds the two together.
//
// Silence proves nothing: a host is dead only where its power is known to be off.
package verdict

import (
	"fmt"
	"time"
)

// Sign is one witness's word on a host. The zero sign is that nobody could ask.
type Sign uint8

// The signs.
const (
	Unknown Sign = iota
	// Yes is a sign of life.
	Yes
	// No is silence.
	No
	// Refused is a machine that answers that nothing listens there: it lives, the program does not.
	Refused
)

// Signs lists the words of all signs.
func Signs() []string { return []string{"unknown", "yes", "no", "refused"} }

func (s Sign) String() string { return Signs()[s] }

// Evidence is what is known of one host at one instant.
type Evidence struct {
	Host string
	// Exporter is whether Prometheus could read its exporter.
	Exporter Sign
	// Libvirt is whether its libvirt answered the server.
	Libvirt Sign
	// Heartbeat is whether other hosts see a fresh stamp of it on the storage that they share.
	Heartbeat Sign
	// Neighbours is whether any of the hosts that look reaches it.
	Neighbours Sign
	// Power is what its BMC says: Yes for on, No for off.
	Power Sign
	// Since is how long nothing has been heard of it: neither exporter nor libvirt.
	Since time.Duration
}

// Silent tells whether neither exporter nor libvirt gave a sign of life.
func (e Evidence) Silent() bool {
	return e.Exporter != Yes && e.Libvirt != Yes && e.Libvirt != Refused
}

// Verdict is what has become of a host.
type Verdict string

// The verdicts.
const (
	// Alive is a host that answers.
	Alive Verdict = "alive"
	// ExporterLost is a host of which only the exporter is gone.
	ExporterLost Verdict = "exporter-lost"
	// LibvirtLost is a host that lives and whose libvirt does not answer: its VMs run and cannot be managed.
	LibvirtLost Verdict = "libvirt-lost"
	// Isolated is a host that lives and is cut off.
	Isolated Verdict = "isolated"
	// Hung is a host whose power is on and of which nothing lives. It may come back.
	Hung Verdict = "hung"
	// Dead is a host whose power is off, and which is silent: its VMs do not run. No other verdict proves that.
	Dead Verdict = "dead"
	// Unproven is a host of which nothing is heard and nothing proves that it is off.
	Unproven Verdict = "unproven"
	// Blind is that the observer is in doubt, or has not looked.
	Blind Verdict = "blind"
)

// All lists the verdicts.
func All() []Verdict {
	return []Verdict{Alive, ExporterLost, LibvirtLost, Isolated, Hung, Dead, Unproven, Blind}
}

// Policy is what the operator decided.
type Policy struct {
	// MaxSilent is the share of hosts, 0 to 1, above which so many silent at once are taken for a fault of the observer.
	MaxSilent float64
	// Confirm is for how long a host must have been silent before it is anything but alive: scrapes come late now and then.
	Confirm time.Duration
}

// Finding is the verdict on one host, and why.
type Finding struct {
	Host    string
	Verdict Verdict
	Reason  string
}

// Judge gives the verdicts in the order of the evidence.
func Judge(all []Evidence, p Policy) []Finding {
	silent := 0
	for _, e := range all {
		if v, _ := one(e); e.Silent() && v != Dead {
			silent++
		}
	}
	blind := len(all) > 0 && silent > 1 && float64(silent) > p.MaxSilent*float64(len(all))
	findings := make([]Finding, len(all))
	for i, e := range all {
		v, why := one(e)
		switch {
		case blind && e.Silent() && v != Dead:
			v, why = Blind, fmt.Sprintf("%d of %d hosts are silent at once, more than %.0f %%: suspect the network or the monitoring of the observer first", silent, len(all), 100*p.MaxSilent)
		case e.Silent() && v != Dead && v != Blind && e.Since < p.Confirm:
			v, why = Alive, fmt.Sprintf("silent for %s, which is not long enough to mean something", e.Since.Round(time.Second/10))
		}
		findings[i] = Finding{Host: e.Host, Verdict: v, Reason: why}
	}
	return findings
}

// one is the table: the first case that fits counts.
func one(e Evidence) (Verdict, string) {
	switch {
	case !e.Silent():
		return living(e)
	case e.Power == No && e.Heartbeat != Yes && e.Neighbours != Yes:
		return Dead, "nothing is heard of it, and its BMC says that the power is off"
	case e.Power == No:
		return Isolated, "nothing is heard of it here and its BMC says that the power is off, but others see signs of its life: is it the BMC of another host?"
	case e.Heartbeat == Yes:
		return Isolated, "nothing is heard of it, and its heartbeat on the shared storage goes on: it is cut off from here"
	case e.Neighbours == Yes:
		return Isolated, "nothing is heard of it here, and other hosts reach it: it is cut off from here"
	case e.Libvirt == Unknown:
		return Blind, "its exporter is not heard, and its libvirt could not be asked"
	case e.Power == Yes && e.Heartbeat == No:
		return Hung, "its power is on, and nothing of it lives: neither exporter nor libvirt nor heartbeat"
	}
	return Unproven, "nothing is heard of it, and nothing proves that it is off"
}

// living is the part of the table about hosts that give a sign of life.
func living(e Evidence) (Verdict, string) {
	doubt := ""
	if e.Power == No {
		doubt = "; its BMC says that the power is off, which cannot be: is it the BMC of another host?"
	}
	switch {
	case e.Libvirt == Yes && e.Exporter == No:
		return ExporterLost, "libvirt answers, and the exporter cannot be read" + doubt
	case e.Libvirt == Yes:
		return Alive, "libvirt answers" + doubt
	case e.Libvirt == Refused:
		return LibvirtLost, "the machine answers that no libvirt listens there" + doubt
	case e.Libvirt == No:
		return LibvirtLost, "the exporter can be read, and libvirt does not answer" + doubt
	}
	return Alive, "the exporter can be read" + doubt
}
