package actuator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Power shuts hosts down and turns them on.
type Power interface {
	// Ready says what is missing for the host to be shut down and to be woken, or "".
	Ready(host string) string
	// Shutdown asks the host's system to shut down and returns when a status says that the host is off, or why none does.
	Shutdown(ctx context.Context, host string) error
	// Wake turns the host on by all the ways that there are, and returns when that is asked for. Its system is not up then.
	Wake(ctx context.Context, host string) error
	Status(ctx context.Context, host string) cluster.PowerReport
}

// Roll says how the VMs of a host stand, by the word of its own libvirt.
type Roll interface {
	Roll(ctx context.Context, host string) (roll cluster.Roll, refused bool, err error)
}

// Standby is what it takes to put hosts into standby and to wake them.
type Standby struct {
	Power Power
	Roll  Roll
	// Judge says whether a host can be emptied, and whether it is needed.
	Judge func(s cluster.Snapshot, host string) (stay, reserve string)
}

// StandbyPolicy bounds how long it may take to empty a host, and until one that was woken is back in the cluster.
type StandbyPolicy struct{ Empty, Wake time.Duration }

// SetStandby gives it what it takes to put hosts into standby, before Run.
func (a *Actuator) SetStandby(s Standby) { a.standby = s }

// rest gathers what the gates may know about a host that is to be put into standby or woken.
func (a *Actuator) rest(s cluster.Snapshot, act cluster.Action) gate.Rest {
	r := gate.Rest{Proof: a.proof(act.From)}
	if a.standby.Power == nil {
		r.Unknown = "this server puts no host into standby"
		return r
	}
	r.NoWay = a.standby.Power.Ready(act.From)
	if _, known := s.Host(act.From); known && act.Kind == cluster.Standby {
		r.Stay, r.Reserve = a.standby.Judge(s, act.From)
	}
	return r
}

// Proofs are the last times that hosts were woken, or that it was tried, by host.
func (a *Actuator) Proofs() []cluster.WakeProof {
	newest := map[string]cluster.WakeProof{}
	for _, c := range a.List(func(c cluster.Case) bool {
		return c.Recommendation.Action.Kind == cluster.Wake && (c.State == cluster.CaseDone || c.State == cluster.CaseFailed)
	}) {
		p := cluster.WakeProof{Host: c.Recommendation.Action.From, At: c.Outcome.Finished, Woke: c.State == cluster.CaseDone, Seconds: c.Outcome.Finished.Sub(c.Outcome.Started).Seconds()}
		if !p.Woke {
			p.Reason = c.Outcome.Reason
		}
		if p.At.After(newest[p.Host].At) {
			newest[p.Host] = p
		}
	}
	proofs := make([]cluster.WakeProof, 0, len(newest))
	for _, p := range newest {
		proofs = append(proofs, p)
	}
	slices.SortFunc(proofs, func(x, y cluster.WakeProof) int { return strings.Compare(x.Host, y.Host) })
	return proofs
}

// Waking tells since when hosts are being woken that are not back yet.
func (a *Actuator) Waking() map[string]time.Time {
	since := map[string]time.Time{}
	for _, c := range a.List(func(c cluster.Case) bool { return underWay(c) && c.Recommendation.Action.Kind == cluster.Wake }) {
		since[c.Recommendation.Action.From] = c.Updated
	}
	return since
}

func (a *Actuator) proof(host string) cluster.WakeProof {
	for _, p := range a.Proofs() {
		if p.Host == host {
			return p
		}
	}
	return cluster.WakeProof{}
}

// putToRest empties the host and shuts it down. The order that keeps it empty is written first, and again before the host is
// told to shut down: who finds it after a crash knows how far that had come.
func (a *Actuator) putToRest(ctx context.Context, c cluster.Case) error {
	act := c.Recommendation.Action
	word := cluster.Approval{Who: "evenkeel", Via: "server", At: time.Now(), Reason: c.Recommendation.Reason}
	if c.Approval != nil {
		word.Who, word.Via = c.Approval.Who, c.Approval.Via
	}
	o := cluster.Order{Kind: cluster.OrderStandby, Subject: cluster.HostSubject(act.From), Word: word, Rest: cluster.Rest{WakeAt: act.Until, Test: act.Test}}
	if err := a.Order(o); err != nil {
		return err
	}
	if err := a.awaitEmpty(ctx, act.From); err != nil {
		return err
	}
	if err := a.awaitUnneeded(ctx, act.From); err != nil {
		return err
	}
	if err := a.stillWanted(act.From); err != nil { // its window may have begun while the cluster was looked at
		return err
	}
	o.Rest.Down = time.Now()
	if err := a.Order(o); err != nil {
		return err
	}
	if left, err := a.active(ctx, act.From); err != nil || len(left) > 0 { // once more: a person may start a VM at any time
		return errors.Join(err, occupied(act.From, left))
	}
	return a.bringDown(ctx, act.From)
}

// bringDown shuts the host down. Where that fails, what was to be freed is woken: its services may have ended already.
func (a *Actuator) bringDown(ctx context.Context, host string) error {
	err := a.standby.Power.Shutdown(ctx, host)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if woken := a.rouse(ctx, host); woken != nil {
		return fmt.Errorf("%w; and it could not be brought back: %w", err, woken)
	}
	return fmt.Errorf("%w; it was brought back", err)
}

func occupied(host string, vms []string) error {
	if len(vms) == 0 {
		return nil
	}
	return fmt.Errorf("%s is not empty: on it are %s", host, strings.Join(vms, ", "))
}

// awaitEmpty waits until no VM is active on the host, by its own word.
func (a *Actuator) awaitEmpty(ctx context.Context, host string) error {
	deadline := time.Now().Add(a.currentPolicy().Standby.Empty)
	for {
		if err := a.stillWanted(host); err != nil {
			return err
		}
		left, err := a.active(ctx, host)
		if err == nil && len(left) == 0 {
			return nil
		}
		if !time.Now().Before(deadline) {
			return fmt.Errorf("it was not emptied within %s: %w", a.currentPolicy().Standby.Empty, errors.Join(err, occupied(host, left)))
		}
		if pause(ctx, lookAgain); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// stillWanted says why the host is not to be put into standby any more: the order was taken back, or a schedule keeps it awake by now.
func (a *Actuator) stillWanted(host string) error {
	now := time.Now()
	if a.Orders().Standby(host, now) == nil {
		return fmt.Errorf("the order to put %s into standby was taken back", host)
	}
	if name, until := cluster.KeptAwake(a.currentPolicy().Gate.Awake, host, now); name != "" {
		return fmt.Errorf("schedule %s keeps %s awake until %s", name, host, until.UTC().Format(time.RFC3339))
	}
	return nil
}

// unneededWithin is for how long an empty host may seem to be needed: of VMs that have just moved little is known for some scrapes.
const unneededWithin = time.Minute

// awaitUnneeded waits until what the cluster is to survive is survived without the host.
func (a *Actuator) awaitUnneeded(ctx context.Context, host string) error {
	deadline := time.Now().Add(unneededWithin)
	for {
		snap, err := a.World(ctx)
		reserve := ""
		if err == nil {
			_, reserve = a.standby.Judge(snap, host)
		}
		switch {
		case err == nil && reserve == "":
			return nil
		case time.Now().Before(deadline):
		case err != nil:
			return fmt.Errorf("%s is empty, and nobody can tell whether it is needed: %w", host, err)
		default:
			return fmt.Errorf("%s is empty, and it is needed by now: %s", host, reserve)
		}
		if pause(ctx, lookAgain); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// active lists what is active on the host, by its own word.
func (a *Actuator) active(ctx context.Context, host string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	roll, _, err := a.standby.Roll.Roll(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("nobody can tell whether %s is empty: %w", host, err)
	}
	var names []string
	for _, v := range roll.VMs {
		if v.State.Active() {
			names = append(names, v.Name)
		}
	}
	return names, nil
}

// rouse turns the host on and waits until it is back in the cluster.
func (a *Actuator) rouse(ctx context.Context, host string) error {
	deadline := time.Now().Add(a.currentPolicy().Standby.Wake)
	bounded, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if err := a.standby.Power.Wake(bounded, host); err != nil {
		return err
	}
	for !a.back(host) {
		if pause(bounded, lookAgain); bounded.Err() != nil {
			return fmt.Errorf("it was turned on, and was not back in the cluster within %s: %s", a.currentPolicy().Standby.Wake, a.whyNotBack(host))
		}
	}
	return nil
}

// watched is what has become of the host, by those who watch it.
func (a *Actuator) watched(host string) (w cluster.HostWatch, known bool) {
	if a.recovery.Watch == nil {
		return w, false
	}
	hosts := a.recovery.Watch.Hosts()
	at := slices.IndexFunc(hosts, func(w cluster.HostWatch) bool { return w.Host == host })
	if at < 0 {
		return w, false
	}
	return hosts[at], true
}

// back tells whether both libvirt and the exporter of the host answer.
func (a *Actuator) back(host string) bool {
	w, known := a.watched(host)
	return known && w.Libvirt == "yes" && w.Exporter == "yes"
}

func (a *Actuator) whyNotBack(host string) string {
	w, known := a.watched(host)
	if !known {
		return "nobody watches it"
	}
	return fmt.Sprintf("libvirt answers: %s, its exporter is read: %s, power: %s", w.Libvirt, w.Exporter, w.Power)
}

// resume goes on with what was under way when the server ended. A host that was told to shut down must be seen off, or it would
// go off later when nobody expects it; one that was still being emptied stays on.
func (a *Actuator) resume(ctx context.Context, c cluster.Case) {
	said := errors.New("the server ended while the action was under way")
	switch act := c.Recommendation.Action; act.Kind {
	case cluster.Standby:
		if o := a.Orders().Standby(act.From, time.Now()); o != nil && !o.Rest.Down.IsZero() {
			said = a.bringDown(ctx, act.From)
		}
	case cluster.Wake:
		said = a.rouse(ctx, act.From)
	default:
	}
	a.conclude(ctx, c, said)
}

// lookAtRest tells what came of putting the host into standby or of waking it.
func (a *Actuator) lookAtRest(ctx context.Context, act cluster.Action, said error) finding {
	if act.Kind == cluster.Wake {
		if a.back(act.From) {
			return finding{settled: true, looks: 1, result: cluster.ResultDone, reason: although(said, act.From+" is back in the cluster")}
		}
		return finding{settled: true, looks: fewLooks, result: cluster.ResultFailed, reason: failure(said, act.Kind, a.whyNotBack(act.From))}
	}
	o, report := a.Orders().Standby(act.From, time.Now()), a.standby.Power.Status(ctx, act.From)
	switch told := o != nil && !o.Rest.Down.IsZero(); {
	case report.State == cluster.PowerUnknown: // it may be off, or about to be: who gave it up now would leave it so
		return finding{reason: although(said, report.Reason)}
	case report.State == cluster.PowerOn:
		return finding{settled: true, looks: fewLooks, result: cluster.ResultFailed, reason: failure(said, act.Kind, report.Method+" says that it is on")}
	case !told:
		return finding{settled: true, looks: 1, result: cluster.ResultFailed, reason: act.From + " is off, and it was not told to shut down: somebody or something else turned it off"}
	}
	return finding{settled: true, looks: 1, result: cluster.ResultDone, reason: although(said, report.Method+" says that it is off")}
}

// keepRest brings the order about a host in line with what came of the action: it holds as long as the host is off because
// evenkeel turned it off.
func (a *Actuator) keepRest(act cluster.Action, result cluster.Result) error {
	o := a.Orders().Standby(act.From, time.Now())
	if o == nil {
		return nil
	}
	asleep := act.Kind == cluster.Standby && result == cluster.ResultDone
	switch {
	case asleep && o.Rest.Asleep.IsZero():
		o.Rest.Asleep = time.Now()
		return a.Order(*o)
	case act.Kind == cluster.Standby && result == cluster.ResultFailed, act.Kind == cluster.Wake && result == cluster.ResultDone:
		return a.Lift(*o)
	}
	return nil
}

// attend wakes hosts whose time has come, and lets go of those that somebody else turned on.
func (a *Actuator) attend(now time.Time) {
	for _, o := range a.Orders() {
		if o.Kind != cluster.OrderStandby || o.Rest.Asleep.IsZero() {
			continue
		}
		host := strings.TrimPrefix(o.Subject, cluster.HostSubject(""))
		pending := a.List(func(c cluster.Case) bool {
			return (c.State.Pending() || c.State == cluster.CaseUnknown) && c.Recommendation.Action.Kind == cluster.Wake && c.Recommendation.Action.From == host
		})
		switch w, known := a.watched(host); {
		case len(pending) > 0:
		case known && a.back(host) && w.HeardAt.After(o.Rest.Asleep.Add(lookTimeout)):
			a.log.Warn("a host in standby is on, and evenkeel did not wake it; it is in use again", "host", host)
			o.Word = cluster.Approval{Who: "evenkeel", Via: "server", At: now, Reason: "somebody turned it on"}
			if err := a.Lift(o); err != nil {
				a.log.Error("a host that is on is still kept as one that is off", "host", host, "err", err)
			}
		case o.Rest.Due(now) && !a.back(host): // else its last readings still count
			why := "it was put into standby until " + o.Rest.WakeAt.UTC().Format(time.RFC3339)
			switch {
			case o.Rest.Test:
				why = "it was turned off to test whether it can be woken"
			case o.Word.Via == cluster.ViaSchedule:
				why = o.Word.Reason
			}
			a.proposeWake(host, why, now)
		}
	}
}

// Call says, in the name of a schedule, that a host that evenkeel turned off is to be woken now: from then on it is one whose
// time has come. What evenkeel did not turn off it does not turn on: the error is ErrNotFound then, or the journal's.
func (a *Actuator) Call(host string, word cluster.Approval) error {
	o := a.Orders().Standby(host, word.At)
	if o == nil || o.Rest.Asleep.IsZero() {
		return fmt.Errorf("%w: evenkeel does not keep %s off", ErrNotFound, host)
	}
	called := *o
	called.Word, called.Rest.WakeAt = word, word.At
	e := cluster.Entry{At: word.At, Kind: cluster.EntryOrdered, ID: called.ID(), Order: &called}
	return a.change(e, func() bool { return slices.Contains(a.Orders(), *o) }) // it may be on by now
}

// wakeLifetime is for how long a wake that was proposed may be taken before it is proposed anew.
const wakeLifetime = time.Hour

func (a *Actuator) proposeWake(host, why string, now time.Time) {
	r := cluster.Recommendation{Policy: cluster.Wake.Policy(), Priority: 1, Reason: why, Because: []cluster.Finding{}, Effects: []cluster.Effect{},
		Action: cluster.Action{Kind: cluster.Wake, From: host}, Made: now, Expires: now.Add(wakeLifetime)}
	if _, err := a.Propose(r.Identified()); err != nil && !errors.Is(err, ErrNotOpen) {
		a.log.Error("a host is to be woken, and that could not be proposed", "host", host, "err", err)
	}
}
