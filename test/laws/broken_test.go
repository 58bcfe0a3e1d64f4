// Package laws breaks the laws on purpose: each planted fault is put over the source with go test's
// -overlay and must make a test fail. A law that no fault can break proves nothing.
package laws

import (
	"context"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type fault struct {
	name, file, old, new string
	// test is the package whose test must notice, and run is that test. Only it runs, which is fast, and a fault
	// that something else notices by accident is not noticed. Several are written A|B; any one is enough.
	test, run string
}

func faults() []fault {
	return []fault{
		// Capacity, reachability and rules hold after every step.
		{"memory is not looked at", "internal/cluster/placement.go", "float64(p.promised[h]+vm.MemoryBytes) <= float64(host.MemoryBytes)*l.MaxMemoryUtilisation", "true", "./analyzer/plan", "TestLawEveryIntermediateStateIsLegal"},
		{"CPU is not looked at", "internal/cluster/placement.go", "return p.cpu[h]+vm.Cores() <= l.CPU(host) &&", "return true &&", "./analyzer/plan", "TestLawEveryIntermediateStateIsLegal"},
		{"storage is not looked at", "internal/cluster/reach.go", "!slices.Contains(h.Storage, s)", "false", "./analyzer/plan", "TestLawEveryIntermediateStateIsLegal"},
		{"networks are not looked at", "internal/cluster/reach.go", "!slices.Contains(h.Networks, n)", "false", "./analyzer/plan", "TestLawEveryIntermediateStateIsLegal"},
		{"the CPU group is not looked at", "internal/cluster/reach.go", `v.CPUCompat != "" && v.CPUCompat != h.CPUCompat`, "false", "./analyzer/plan", "TestLawEveryIntermediateStateIsLegal"},
		{"must rules give way", "internal/cluster/rules.go", "more > 0 && b.strength == Must", "false", "./analyzer/plan", "TestLawEveryIntermediateStateIsLegal"},
		{"should rules give way to balance", "internal/cluster/rules.go", "should > 0 && !l.BreakShould", "false", "./analyzer/plan", "TestLawEveryIntermediateStateIsLegal"},
		{"what must be together gathers anywhere", "analyzer/plan/rules.go", "w.closed[h] || w.without[choice{v, h}] || !w.place.Common(v, h) || !w.place.Fits(v, h, limits)", "w.closed[h] || w.without[choice{v, h}] || !w.place.Fits(v, h, limits)", "./analyzer/plan", "TestWhatMustBeTogetherGathersWhereAllMayBe"},
		{"contradictory rules are obeyed by chance", "internal/cluster/rules.go", "for _, v := range c.blocked {", "for _, v := range c.blocked[:0] {", "./internal/cluster", "TestContradictoryRulesAreToldAndTheirVMsLeftAlone"},
		{"constraints are checked against the start", "analyzer/plan/evacuate.go", "w.closed[h] || !w.place.Fits(v, h, limits)", "w.closed[h] || !w.start.Fits(v, h, limits)", "./analyzer/plan", "TestLawEveryIntermediateStateIsLegal"},
		{"steps never depend on others", "analyzer/plan/work.go", "w.steps[i].DependsOn = w.needs(i, vms)", "w.steps[i].DependsOn = nil", "./analyzer/plan", "TestLawEveryIntermediateStateIsLegal"},
		// Balance never worsens the score; each step earns its cost; planning again is silence.
		{"the worst move is taken", "analyzer/plan/search.go", "return x > y", "return x < y", "./analyzer/plan", "TestTheSearchFindsTheBestMove"},
		{"moves cost nothing", "analyzer/plan/work.go", "return w.perCore * w.link.predict(vm).lostCoreSeconds(vm) / horizon", "return 0 * w.perCore * w.link.predict(vm).lostCoreSeconds(vm) / horizon", "./analyzer/plan", "TestLawEachStepEarnsItsCost"},
		{"what was filled is not looked at again", "analyzer/plan/search.go", "for _, u := range s.on[to] {", "for _, u := range s.on[to][:0] {", "./analyzer/plan", "TestTheSearchFindsTheBestMove"},
		{"the front forgets who was undercut", "analyzer/plan/search.go", "s.renew(class) // others may no longer be undercut", "_ = class", "./analyzer/plan", "TestTheSearchFindsTheBestMove"},
		{"the threshold is not asked", "analyzer/plan/balance.go", "return gains[threshold-2], true", "return gains[len(gains)-1], true", "./analyzer/plan", "TestLawCapsAndThresholdHold"},
		{"the cap is not asked", "analyzer/plan/balance.go", "room: w.policy.MaxMoves - len(w.steps)", "room: 10 * w.policy.MaxMoves", "./analyzer/plan", "TestLawCapsAndThresholdHold"},
		// VMs are not moved to and fro.
		{"a VM does not cool down", "analyzer/plan/balance.go", "until.After(w.snap.At)", "false", "./analyzer/plan", "TestLawBalanceLeavesTheRestlessAlone"},
		{"a VM may be moved all day", "analyzer/plan/balance.go", "vm.MovesLastDay >= st.MaxMovesPerDay", "false", "./analyzer/plan", "TestAVMMovesOnlySoOftenADay"},
		{"a VM goes back where it was", "analyzer/plan/search.go", "|| s.w.returns(v, h)", "", "./analyzer/plan", "TestLawBalanceLeavesTheRestlessAlone"},
		{"a migration without end is begun", "analyzer/plan/balance.go", "if w.link.predict(vm).diverges {", "if false {", "./analyzer/plan", "TestLawBalanceLeavesTheRestlessAlone"},
		{"a moment's peak is enough", "analyzer/detect/detect.go", "held[i].Pending = true", "held[i].Pending = false", "./analyzer/detect", "TestWhatDoesNotHoldIsPending"},
		{"old advice stands in the way of what is mandatory", "analyzer/settle.go", " || !does(kept, fresh.Recommendations)", "", "./analyzer", "TestOldAdviceDoesNotStandInTheWayOfWhatIsMandatory"},
		{"what is pending is acted upon", "analyzer/plan/plan.go", "ok && !f.Pending &&", "ok &&", "./analyzer", "TestWhatIsFoundMustHold"},
		{"any forecast is believed", "analyzer/forecast/forecast.go", "f.Beats = tries >= leastTries && f.Error < f.PersistenceError", "f.Beats = true", "./analyzer/forecast", "TestARandomWalkIsNot"},
		// Old, gapped or contradictory data lead to no action.
		{"gaps of hosts are overlooked", "internal/cluster/placement.go", `h.State == HostUp && gap == ""`, "h.State == HostUp", "./analyzer/plan", "TestLawNothingUnseenIsTouched"},
		{"gaps of VMs are overlooked", "internal/cluster/placement.go", `case gap != "":`, "case false:", "./analyzer/plan", "TestLawNothingUnseenIsTouched"},
		{"a blind observer plans", "analyzer/plan/plan.go", "blind > maxBlindShare", "blind > 2", "./analyzer/plan", "TestLawNothingUnseenIsTouched"},
		{"unknown is up", "internal/cluster/placement.go", `p.usable[i] = h.State == HostUp &&`, `p.usable[i] = (h.State == HostUp || h.State == HostUnknown) &&`, "./internal/cluster", "TestZeroValuesAreSafe"},
		// The same snapshot and policy give the same plan.
		{"the plan follows map order", "analyzer/plan/refine.go", "return slices.Sorted(maps.Keys(m))", "return slices.Collect(maps.Keys(m))", "./analyzer/plan", "TestLawTheSameInputGivesTheSamePlanByteForByte"},
		// What sleeps is empty, and nothing is too full for it.
		{"a host gives memory twice", "analyzer/consolidate/work.go", "w.memory[to] += w.Items[i].Memory", "_ = w.memory", "./analyzer/consolidate", "TestLawEveryIntermediateStateIsLegal"},
		{"consolidation looks at no CPU", "analyzer/consolidate/work.go", "w.mean[b]+item.Mean <= w.p.Upper*bin.CPU &&", "true &&", "./analyzer/consolidate", "TestLawEveryIntermediateStateIsLegal"},
		{"VMs are sent to sleeping hosts", "analyzer/consolidate/value.go", "!w.awake[b] ||", "false ||", "./analyzer/consolidate", "TestLawEveryIntermediateStateIsLegal"},
		{"a host is emptied by half", "analyzer/consolidate/empty.go", "			w.undo(before)\n			return false", "			_ = before\n			continue", "./analyzer/consolidate", "TestLawFreedBinsAreWhollyEmpty"},
		{"what was filled is emptied", "analyzer/consolidate/empty.go", "		if w.got[b] {\n			continue\n		}\n", "", "./analyzer/consolidate", "TestLawNothingMovesTwiceOrThatMayNot"},
		{"what must stay awake sleeps", "analyzer/consolidate/empty.go", "w.Bins[b].Keep ||", "false ||", "./analyzer/consolidate", "TestLawFreedBinsAreWhollyEmpty"},
		{"emptying earns nothing", "analyzer/consolidate/empty.go", "if saved*w.life(i) < cost {", "if false {", "./analyzer/consolidate", "TestWhatEndsSoonIsWaitedFor"},
		{"consolidation has no budget", "analyzer/consolidate/empty.go", "|| len(w.moves)+freed.Moves > w.p.MaxMoves", "", "./analyzer/consolidate", "TestLawTheBudgetIsKept"},
		{"moves on paper are not taken back", "analyzer/consolidate/consolidate.go", "	w.forget(0)\n", "", "./analyzer/consolidate", "TestLawRulesHoldAfterEveryStep"},
		{"a VM that stays has arrived", "exporter/libvirt/events.go", "&& (m.incoming || !m.home) {", "{", "./exporter/libvirt", "TestWhoHasArrived"},
		// The embedded Prometheus.
		{"rules fill the disk", "internal/engine/guard.go", "		return refusingOlder{app, *err}\n", "		return app\n", "./internal/engine", "TestRulesStoreNothingOnAFullDisk"},
		{"a bad rule file takes the others away", "internal/engine/alerting.go", "	if err := CheckRules(a.Rules); err != nil {\n		return err", "	if err := CheckRules(a.Rules); err != nil {\n		e.alerting.files.set(nil)\n		_ = e.alerting.rules.Update(time.Second, nil, labels.EmptyLabels(), \"\", nil)\n		return err", "./internal/engine", "TestRulesAreEvaluatedAndAlertsSent"},
		{"a machine that does not answer is up", "analyzer/promql/machines.go", "case known && answers == 0:", "case known && answers == 0 && !fresh:", "./analyzer/promql", "TestMachinesStandBesideTheHosts"},
		{"a machine is for ever up", "analyzer/promql/machines.go", "fresh := told && snap.At", "fresh := told || snap.At", "./analyzer/promql", "TestMachinesStandBesideTheHosts"},
		// Gates.
		{"one gate is enough", "actuator/gate/gate.go", "len(verdicts) > 0 && len(Refusals(verdicts)) == 0", "len(verdicts) > len(Refusals(verdicts))", "./actuator/gate", "TestLawOneMoreGateNeverLetsMoreThrough"},
		{"no gate lets everything through", "actuator/gate/gate.go", "len(verdicts) > 0 &&", "", "./actuator/gate", "TestLawOneMoreGateNeverLetsMoreThrough"},
		{"expiry is inclusive", "actuator/gate/expiry.go", "!q.Now.Before(q.Rec.Expires)", "q.Now.After(q.Rec.Expires)", "./actuator/gate", "TestEachThingThatIsWrongIsRefusedByItsGateWithItsReason"},
		{"age is not asked", "actuator/gate/freshness.go", "age < 0 || age > q.Policy.MaxDataAge", "age < 0", "./actuator/gate", "TestEachThingThatIsWrongIsRefusedByItsGateWithItsReason"},
		{"the target's silence is consent", "actuator/gate/world.go", "q.Sighting.VM == a.VM && !answered {", "q.Sighting.VM == a.VM && !answered && false {", "./actuator/gate", "TestEachThingThatIsWrongIsRefusedByItsGateWithItsReason"},
		{"a VM starts although a host is silent", "actuator/gate/world.go", "!answered && h.State != cluster.HostStandby", "false && !answered", "./actuator/gate", "TestEachKindOfActionIsRefusedForWhatMustBeSo"},
		{"a VM starts twice", "actuator/gate/world.go", "if h.State.Active() {\n\t\t\treturn refuse(\"runs\"", "if false {\n\t\t\treturn refuse(\"runs\"", "./actuator/gate", "TestEachKindOfActionIsRefusedForWhatMustBeSo"},
		{"any VM of the UUID will do", "actuator/gate/world.go", "&& h.Name != a.Name {", "&& false {", "./actuator/gate", "TestEachKindOfActionIsRefusedForWhatMustBeSo"},
		{"who is asked is who is touched", "actuator/question.go", "if a.Kind == cluster.Start || a.Kind == cluster.Resume || a.Kind == cluster.Forget {", "if false {", "./actuator", "TestASilentHostCouldRunTheVM"},
		{"what was done counts by chance", "actuator/question.go", "return ended(x).Compare(ended(y))", "return ended(y).Compare(ended(x))", "./actuator", "TestWhatWasDoneCountsInTheOrderInWhichItWasDone"},
		{"a reset is believed without a word", "actuator/interpret.go", "f.result == cluster.ResultDone && said != nil", "false", "./actuator", "TestInterpretOtherKinds"},
		{"a job does not matter", "actuator/gate/job.go", "if busy {", "if busy && false {", "./actuator/gate", "TestEachThingThatIsWrongIsRefusedByItsGateWithItsReason"},
		{"a pause of a host is for one of the two", "internal/cluster/action.go", "[]string{a.From, a.To}, func", "[]string{a.From, a.From}, func", "./actuator/gate", "TestEachThingThatIsWrongIsRefusedByItsGateWithItsReason"},
		{"an approval in advance never ends", "internal/cluster/order.go", "!at.Before(o.Until) || o.Policy", "false || o.Policy", "./actuator/gate", "TestEachThingThatIsWrongIsRefusedByItsGateWithItsReason"},
		{"the same person twice is two", "actuator/gate/approval.go", "return !s.Same(*q.Approval)", "return true", "./actuator/gate", "TestEachThingThatIsWrongIsRefusedByItsGateWithItsReason"},
		{"two people are not needed at level full", "actuator/gate/approval.go", "\tcase two:\n", "\tcase two && l != cluster.LevelFull:\n", "./actuator/gate", "TestEachThingThatIsWrongIsRefusedByItsGateWithItsReason"},
		{"a freeze ends at once", "internal/cluster/window.go", "now.Add(-w.Lasts)", "now", "./actuator/gate", "TestEachThingThatIsWrongIsRefusedByItsGateWithItsReason"},
		{"failures do not add up", "actuator/gate/storm.go", "if len(recent) < n {", "if true {", "./actuator/gate", "TestEachThingThatIsWrongIsRefusedByItsGateWithItsReason"},
		{"the hour's budget has no end", "actuator/gate/budget.go", "n >= limit.most", "n > limit.most+1", "./actuator/gate", "TestEachThingThatIsWrongIsRefusedByItsGateWithItsReason"},
		{"a link is not counted", "actuator/gate/concurrency.go", "link >= p.Link", "false", "./actuator/gate", "TestEachThingThatIsWrongIsRefusedByItsGateWithItsReason"},
		{"trust has no ceiling", "actuator/trust/trust.go", "return change(p.Ceiling, fmt.Sprintf(\"%d of", "return change(cluster.LevelFull, fmt.Sprintf(\"%d of", "./actuator/trust", "TestLawNothingIsTrustedBeyondItsCeilingOrAfterABrokenPromise"},
		{"a broken promise is forgiven", "actuator/trust/trust.go", "case trusted && broken != nil:", "case trusted && broken != nil && false:", "./actuator/trust", "TestLawNothingIsTrustedBeyondItsCeilingOrAfterABrokenPromise"},
		{"trust comes with the first action", "actuator/trust/trust.go", "case s.Of < p.Actions:", "case s.Of < 1:", "./actuator/trust", "TestAGoodMonthPromotesToTheCeilingAndNotBeyond"},
		{"level full beats the VM's own", "actuator/gate/level.go", "if l < level {", "if l > level {", "./actuator/gate", "TestEachThingThatIsWrongIsRefusedByItsGateWithItsReason"},
		{"failures are forgotten at once", "actuator/gate/failures.go", "q.Now.Before(until)", "false", "./actuator/gate", "TestEachThingThatIsWrongIsRefusedByItsGateWithItsReason"},
		// No journal, no act; a restart repeats nothing and forgets nothing; a time-out proves nothing.
		{"it acts without a journal", "actuator/act.go", "\"not done: no journal, no act\", \"err\", err)\n\t\treturn c, false", "\"not done: no journal, no act\", \"err\", err)\n\t\treturn c, true", "./actuator", "TestNoJournalNoAct"},
		{"the intent is written afterwards", "actuator/act.go", "Kind: cluster.EntryIntent, Approval", "Kind: cluster.EntryApproved, Approval", "./actuator", "TestLawTheJournalHoldsOnlyWhatThePageSays"},
		{"a restart begins again", "internal/cluster/case.go", "case EntryIntent:\n\t\tc.State, c.Expected = CaseRunning, e.Expected", "case EntryIntent:\n\t\tc.State, c.Expected = CaseApproved, e.Expected", "./actuator", "TestLawARestartRepeatsNothingAndForgetsNothing"},
		{"a promise is the plan's", "internal/cluster/case.go", "if c.Expected != nil {", "if false {", "./actuator", "TestThePromiseIsFromWhereTheHostsStand"},
		{"a restart forgets", "actuator/actuator.go", "for _, c := range a.List(underWay) {", "for _, c := range a.List(underWay)[:0] {", "./actuator", "TestLawARestartRepeatsNothingAndForgetsNothing"},
		{"silence is success", "actuator/interpret.go", "runsTo && fromAnswered && !from.Active()", "runsTo", "./actuator", "TestInterpret"},
		{"a job under way is over", "actuator/interpret.go", "case runsFrom && fromJob:", "case false:", "./actuator", "TestInterpret"},
		{"two places are one", "actuator/interpret.go", "case runsFrom && runsTo:", "case false:", "./actuator", "TestInterpret"},
		{"a no is forgotten with its ID", "actuator/gate/rejection.go", "q.Now.Before(until)", "false", "./actuator", "TestANoBeatsWhatIsAboutToHappen"},
		{"a move that no longer helps is made", "actuator/gate/world.go", "after < now {", "false && after < now {", "./actuator", "TestAMoveThatNoLongerHelpsIsRefused"},
		{"unknown actions take no room", "actuator/act.go", "return underWay(c) || c.State == cluster.CaseUnknown", "return underWay(c)", "./actuator", "TestAnActionOfUnknownOutcomeTakesRoomOnItsTarget"},
		{"it gives up on a job under way", "actuator/act.go", "!seen.settled && !seen.job && !time.Now()", "!seen.settled && !time.Now()", "./actuator", "TestAMigrationThatGoesOnAfterARestartIsWaitedForAndAborted"},
		{"a refused word counts after a restart", "internal/cluster/case.go", "case e.Kind != EntryRefused || e.Outcome != nil:", "default:", "./actuator", "TestARefusalAtTheClickLeavesTheCaseOpen"},
		{"effects are measured through gaps", "actuator/measure.go", "if blurred(snap, c.Recommendation.Action) {", "if false {", "./actuator", "TestAnEffectIsNotMeasuredThroughAGap"},
		{"one disk holds up all", "actuator/actuator.go", "	if e, err = a.journal.Append(e); err != nil {", "	a.mu.Lock()\n	e, err = a.journal.Append(e)\n	a.mu.Unlock()\n	if err != nil {", "./actuator", "TestAHungDiskHoldsUpNobodyWhoOnlyReads"},
		{"not asked again before acting", "actuator/act.go", "if !gate.Open(verdicts) {\n\t\tout", "if false {\n\t\tout", "./actuator", "TestTheGatesAreAskedAgainJustBeforeActing"},
		{"a pause is forgotten by a restart", "internal/cluster/order.go", "if e.Kind == EntryOrdered {\n", "if false {\n", "./actuator", "TestAPauseOutlivesARestart"},
		{"trust that is not in the journal counts", "actuator/earn.go", "if err != nil && e.Trust.To >= e.Trust.From {", "if false {", "./actuator", "TestTrustThatCannotBeWrittenDownIsNotGainedButIsLost"},
		{"what is depended on may come later", "actuator/order.go", "if d := waiting[before]; d != nil {", "if d := waiting[before]; d != nil && false {", "./actuator", "TestWhatIsDependedOnComesFirstAndElseTheOldest"},
		// Runbooks.
		{"a run is not held against what it was about", "actuator/runbook/act.go", "if err := same(snap, run); err != nil {", "if err := same(snap, run); err != nil && false {", "./actuator/runbook", "TestTheIdentityGuard"},
		{"an alert may name another VM", "actuator/runbook/identity.go", "case name != \"\" && name != vm.Name:", "case false:", "./actuator/runbook", "TestTheIdentityGuard"},
		{"alerts one by one are no storm", "actuator/runbook/accept.go", "run.By == \"\" && run.Resolved.IsZero() && now", "run.By != \"\" && run.Resolved.IsZero() && now", "./actuator/runbook", "TestTheBlastRadius"},
		{"the BMC is believed against signs of life", "actuator/verdict/verdict.go", "e.Power == No && e.Heartbeat != Yes && e.Neighbours != Yes", "e.Power == No", "./actuator/verdict", "TestLawSilenceProvesNothing"},
		{"a moment of silence is death", "actuator/verdict/verdict.go", "e.Since < p.Confirm", "false", "./actuator/verdict", "TestAMomentOfSilenceMeansNothing"},
		{"an old word of the BMC counts", "actuator/watch/watch.go", "&& h.asked.After(h.heard)", "", "./actuator/watch", "TestAnOldWordOfTheBMCDoesNotCount"},
		{"a refused connection is silence", "exporter/neighbours/ask.go", "case syscall.ECONNREFUSED:\n\t\t\treturn answered", "case syscall.ECONNREFUSED:\n\t\t\treturn unreachable", "./exporter/neighbours", "TestAMachineThatLivesAnswers"},
		{"what fails here is the neighbours' silence", "exporter/neighbours/neighbours.go", "if outcomes[i] == unsaid || alone {", "if false && alone {", "./exporter/neighbours", "TestWhatFailsHereSaysNothingOfOthers"},
		{"questions that hang make the neighbours old", "exporter/neighbours/neighbours.go", "|| now.Sub(p.asked) > patience", "", "./exporter/neighbours", "TestWhatFailsHereSaysNothingOfOthers"},
		{"a neighbour that never answered is young", "exporter/neighbours/neighbours.go", "return math.Inf(1), now.Sub", "return min(math.Inf(1), now.Sub(p.began).Seconds()), now.Sub", "./exporter/neighbours", "TestANeighbourThatNeverAnsweredIsNotYoung"},
		{"a silent host holds the looks up", "actuator/watch/rolls.go", "patience = moment", "patience = late", "./actuator/watch", "TestWhileAVerdictIsOpenTheLooksComeSooner"},
		{"looks come no sooner", "actuator/watch/watch.go", "return w.policy.Interval / hurry", "return w.policy.Interval", "./actuator/watch", "TestWhileAVerdictIsOpenTheLooksComeSooner"},
		{"the BMC is asked when the last reading is old", "actuator/watch/watch.go", "now.Sub(h.answered) > counting[i] {", "false {", "./actuator/watch", "TestTheBMCIsAskedBeforeTheLastReadingIsOld"},
		{"what may happen by itself is begun one by one", "actuator/act.go", "if !a.waits(c, flying) && a.due(", "if len(cases) == 0 && !a.waits(c, flying) && a.due(", "./actuator", "TestWhatMayHappenByItselfIsLookedIntoTogether"},
		{"the neighbours are not heard", "actuator/watch/watch.go", "e.Neighbours = young(age.Value, p.MaxNeighbourAge)", "_ = age.Value", "./actuator/watch", "TestAHostThatFallsSilentIsJudgedByItsWitnesses"},
		{"a storm is forgotten by a restart", "actuator/runbook/runbook.go", "r.told[id] = run.Started", "r.told[id] = run.Started.Add(-24 * time.Hour)", "./actuator/runbook", "TestTheBlastRadius"},
		{"the same alert begins anew", "actuator/runbook/accept.go", "|| known || past || seen[id]", "|| past || seen[id]", "./actuator/runbook", "TestAnAlertRestartsAVM"},
		{"an alert that is over is acted on", "actuator/runbook/drive.go", "if !run.Resolved.IsZero() {", "if false {", "./actuator/runbook", "TestAnAlertThatIsOver"},
		{"what was proposed is proposed again", "actuator/runbook/runbook.go", "r.proposed[e.ID] = true", "_ = e.ID", "./actuator/runbook", "TestLawAKillRepeatsNothingAndForgetsNothing"},
		{"a step is proposed before it is noted", "actuator/runbook/act.go", "run, ok := r.begin(ctx, run.ID, i, s.Kind, rec.ID)", "run, ok := r.begin(ctx, run.ID, i, s.Kind, \"\")", "./actuator/runbook", "TestLawAKillRepeatsNothingAndForgetsNothing"},
		{"a label ends the quotes around it", "actuator/runbook/book.go", "`'`, `\\x27`", "`'`, `'`", "./actuator/runbook", "TestAConditionThatIsNotMet"},
		{"the webhook takes any token", "actuator/runbook/webhook.go", "subtle.ConstantTimeCompare(want[:], got[:]) == 1", "subtle.ConstantTimeCompare(want[:], got[:]) >= 0", "./actuator/runbook", "TestTheWebhookIsGuarded"},
		{"a route may change its role", "internal/api/api.go", `"/api/v1/orders", Operator, s.lift`, `"/api/v1/orders", Approver, s.lift`, "./internal/api", "TestEachRoleMayDoItsPartAndNoMore"},
		{"a body may be of any size", "internal/api/decode.go", "http.MaxBytesReader(w, r.Body, maxBody)", "http.MaxBytesReader(w, r.Body, 1<<20)", "./internal/api", "TestALargeBodyCostsNothing"},
		{"a pause waits for sight of the cluster", "internal/api/orders.go", `case text == "cluster", board.Snapshot.At.IsZero() && !isVM:`, `case text == "cluster" && !board.Snapshot.At.IsZero():`, "./internal/api", "TestAPauseWaitsForNoSightOfTheCluster"},
		{"a word that comes late does not count", "actuator/act.go", "len(no) > 0 {\n\t\t\treturn cluster.Entry{}", "false {\n\t\t\treturn cluster.Entry{}", "./actuator", "TestAWordThatIsBeingWrittenCounts"},
		{"two people at once stand in each other's way", "actuator/actuator.go", "q.Seconds = now.Seconds", "_ = now.Seconds", "./actuator", "TestTwoPeopleAtOnceAreTwo"},
		{"what was lifted is renewed", "actuator/orders.go", "if !wanted() {", "if false {", "./actuator", "TestWhatIsLiftedWhileOrdersAreRenewedStaysLifted"},
		{"dependencies do not wait", "actuator/act.go", "err == nil && d.State.Pending()", "err == nil && false && d.State.Pending()", "./actuator", "TestWhatDependsOnAnotherWaits"},
		// What was journalled stays as it was, whole and once.
		{"a changed entry passes", "actuator/journal/checker.go", "case r.hash != digest(r.prev, r.entry):", "case false:", "./actuator/journal", "TestWhatWasChangedShows"},
		{"a replaced entry passes", "actuator/journal/checker.go", `case c.prev.Hash != "" && r.prev != c.prev.Hash:`, "case false:", "./actuator/journal", "TestWhatWasChangedShows"},
		{"an end that is cut off passes", "actuator/journal/checker.go", "if c.prev.Seq < written {", "if false {", "./actuator/journal", "TestWhatWasChangedShows"},
		{"a case is parted", "actuator/journal/compact.go", "if reach <= e.Seq {", "if true {", "./actuator/journal", "TestLawNothingIsLostOrDoubledByCompacting"},
		{"what was not acknowledged stays", "actuator/journal/file.go", "return b.Put(key(added.Seq), record)", "if b.Get(key(added.Seq)) != nil {\n\t\t\treturn nil\n\t\t}\n\t\treturn b.Put(key(added.Seq), record)", "./actuator/journal", "TestAnEntryThatWasNotAcknowledgedGivesWay"},
		{"what a crash left is never cleared up", "actuator/journal/compact.go", "if err := j.clearUp(ctx, from); err != nil {", "if err := error(nil); err != nil {", "./actuator/journal", "TestACaseThatGoesOnMeanwhileIsNotParted"},
		{"a case takes any entry", "internal/cluster/case.go", "if err := c.permits(e); err != nil {", "if err := c.permits(e); err != nil && false {", "./internal/cluster", "TestLawACaseMovesAsThePageSays"},
		// A host is powered off only when it is empty, is not needed and can be woken; what evenkeel did not turn off it does not wake.
		{"the last look is left out", "actuator/standby.go", "if left, err := a.active(ctx, act.From); err != nil || len(left) > 0 {", "if left, err := a.active(ctx, act.From); false && (err != nil || len(left) > 0) {", "./actuator", "TestAVMThatIsStartedAtTheLastMomentKeepsTheHostOn"},
		{"a host is turned off with its VMs", "actuator/standby.go", "if err == nil && len(left) == 0 {\n\t\t\treturn nil", "if err == nil {\n\t\t\treturn nil", "./actuator", "TestWhatKeepsAHostAwake"},
		{"what is needed by now is turned off", "actuator/standby.go", "case err == nil && reserve == \"\":", "case err == nil:", "./actuator", "TestWhatKeepsAHostAwake"},
		{"what does not go down is left half down", "actuator/standby.go", "if woken := a.rouse(ctx, host); woken != nil {", "if woken := error(nil); woken != nil {", "./actuator", "TestWhatKeepsAHostAwake"},
		{"a crash leaves a host that goes off", "actuator/standby.go", "o != nil && !o.Rest.Down.IsZero() {\n\t\t\tsaid", "false && o != nil && !o.Rest.Down.IsZero() {\n\t\t\tsaid", "./actuator", "TestAServerThatIsKilledOnTheWayLeavesNoHostBehind"},
		{"a host that did not wake is trusted", "actuator/gate/standby.go", "case !proof.Woke:", "case false:", "./actuator/gate", "TestAHostIsLeftOn"},
		{"what others turned off is woken", "actuator/gate/standby.go", "case o == nil:\n\t\treturn refuse(\"not-ours\"", "case o == nil && false:\n\t\treturn refuse(\"not-ours\"", "./actuator/gate", "TestAHostIsLeftOff"},
		{"a quorum is lost to sleep", "actuator/gate/standby.go", "case lost >= 0:", "case lost > len(q.Snapshot.Hosts):", "./actuator/gate", "TestAHostIsLeftOn"},
		{"a quorum is advised to sleep", "analyzer/plan/power.go", "!w.outvoted(h) && ", "", "./analyzer/plan", "TestAHostIsAdvisedToSleepOnlyWhereNothingSpeaksAgainstIt"},
		{"no sign of an agent is no agent", "actuator/recovery/guest.go", "d.Guests == nil || d.GuestsAt.Before(since) || !slices.Contains(d.Asked, vm)", "d.Guests == nil", "./actuator/recovery", "TestNoSignMeansNoAgentOnlyWhereItWasAskedFor"},
		{"a host starts by itself what is started elsewhere", "actuator/failover/keep.go", "if d.Autostart && ours[d.VM] {", "if false && ours[d.VM] {", "./actuator/failover", "TestHostsDoNotStartByThemselvesWhatIsStartedHere"},
		{"too few hosts stay on", "actuator/gate/standby.go", "case on < max(1, q.Policy.Standby.MinHostsOn):", "case on < 1:", "./actuator/gate", "TestAHostIsLeftOn"},
		{"the reserve is not looked at without the host", "analyzer/plan/rest.go", "!ok {\n\t\tr.Reserve = why", "!ok && false {\n\t\tr.Reserve = why", "./analyzer/plan", "TestAHostMayRestWhenItCanBeEmptiedAndIsNotNeeded"},
		{"what is not seen off is off", "actuator/power/power.go", "if report.State == cluster.PowerOff {\n\t\t\treturn nil", "if report.State != cluster.PowerOn {\n\t\t\treturn nil", "./actuator/power", "TestNobodyBelievesThatAHostIsOffWithoutAStatus"},
		{"what a wake takes is not charged", "actuator/energy/ledger.go", "if !begins {", "if false {", "./actuator/energy", "TestASleepIsSplitAtMidnight"},
		{"a sleep counts for the day it began", "actuator/energy/ledger.go", "if end.After(now) {", "if true {", "./actuator/energy", "TestASleepIsSplitAtMidnight"},
		{"what a BMC said long ago counts", "actuator/energy/energy.go", "!one.at.IsZero() && now.Sub(one.at) < counts", "!one.at.IsZero()", "./actuator/energy", "TestABMCThatHangsHoldsUpNobody"},
		{"a BMC that hangs stops the ledger", "actuator/energy/energy.go", "go r.ask(ctx, h.Name, one)", "r.mu.Unlock(); r.ask(ctx, h.Name, one); r.mu.Lock()", "./actuator/energy", "TestABMCThatHangsHoldsUpNobody"},
		{"a measurement that is switched off counts", "actuator/fence/watts.go", "!strings.Contains(o.stdout, \"activated\") || strings.Contains(o.stdout, \"deactivated\")", "false", "./actuator/fence", "TestWhatABMCSaysOfWatts"},
		{"a VM is idle by its CPU alone", "analyzer/rightsize/rightsize.go", "u.NetworkBytesPerSecond <= p.IdleNetworkBytesPerSecond && u.DiskBytesPerSecond <= p.IdleDiskBytesPerSecond", "true", "./analyzer/rightsize", "TestWhatIsNoReasonToTouchAVM"},
		{"a VM that came lately is judged", "analyzer/promql/usage.go", "+ throughout", "+ throughout[:0]", "./analyzer/promql", "TestWhatAVMUsedOverALongTime"},
		{"more than is needed is to go", "analyzer/rightsize/rightsize.go", "high, host = half, h", "low, host = half+1, h", "./analyzer/rightsize", "TestWithTheseGoneAHostCanSleep"},
		{"starts wait for their turn", "analyzer/plan/restart.go", "return w.starting[h] / w.policy.StartsAtOnce", "return 0 * w.policy.StartsAtOnce", "./analyzer/plan", "TestStartsSpreadSoThatNoneWaitsForItsTurn"},
		{"a host that went off unseen never sleeps", "analyzer/promql/hosts.go", "return ok && at.Sub(time.UnixMilli(int64(stamp*1000))) <= o.MaxDataAge", "return ok && stamp > 0", "./analyzer/promql", "TestAHostThatSleepsIsNoGap"},
		{"a host that sleeps is a gap", "analyzer/promql/hosts.go", "standby[name] == asleep && !fresh", "false && standby[name] == asleep && !fresh", "./analyzer/promql", "TestAHostThatSleepsIsNoGap"},
		{"a host sleeps before a peak", "analyzer/plan/power.go", "if cores > w.policy.Power.Target*(have-least) {", "if cores < 0 {", "./analyzer/plan", "TestAHostSleepsUntilThePeakThatComesEveryDay"},
		{"a host that did not wake is advised to sleep", "analyzer/plan/power.go", "host.Woken == nil || !host.Woken.Woke,", "host.Woken == nil,", "./analyzer/plan", "TestAHostIsAdvisedToSleepOnlyWhereNothingSpeaksAgainstIt"},
		{"a peak is slept through", "analyzer/plan/power.go", "return max(v.Cores(), v.CPUCalmCores.Value)", "return v.Cores()", "./analyzer/plan", "TestAHostIsAdvisedToSleepOnlyWhereNothingSpeaksAgainstIt"},
		{"the last host of a domain sleeps", "analyzer/plan/power.go", "&& domain && cpu", "&& (domain || true) && cpu", "./analyzer/plan", "TestAHostIsAdvisedToSleepOnlyWhereNothingSpeaksAgainstIt"},
		{"a host is woken for a peak that is over", "analyzer/plan/power.go", "return max(v.CPUBusyCores.Value, v.CPUPredictedCores.Value)", "return calm(v)", "./analyzer/plan", "TestAHostIsWokenWhenThoseThatAreOnRunShort"},
		{"the reserve wakes nobody", "analyzer/plan/power.go", "if broken := w.broken(); len(broken) > 0 &&", "if broken := w.broken(); len(broken) > 99 &&", "./analyzer/plan", "TestAHostIsWokenWhenThoseThatAreOnRunShort"},
		{"all hosts are woken for what that would not mend", "analyzer/plan/power.go", "&& len(w.rested().broken()) < len(broken)", "", "./analyzer/plan", "TestNoHostIsWokenForWhatItWouldNotMend"},
		{"who needs a host waits for one that does not come", "analyzer/plan/power.go", "&& !w.overdue(host)", "", "./analyzer/plan", "TestAnotherHostIsWokenForOneThatDoesNotCome"},
		{"a host that is needed by now falls asleep", "analyzer/plan/rest.go", "} else if p.Power.Advise {", "} else if false {", "./analyzer/plan", "TestAHostThatIsNeededMayNotRest"},
		{"what VMs wait for wakes nobody", "analyzer/promql/power.go", "rate(evenkeel_vm_vcpu_steal_seconds_total[$busy])", "0 * rate(evenkeel_vm_vcpu_steal_seconds_total[$busy])", "./analyzer/promql", "TestWhatAdviceAboutPowerRestsOn"},
		{"a host that is needed waits until no VM moves", "analyzer/settle.go", "if len(recs) == 0 || len(power) > 0 && power[0].Action.Kind == cluster.Wake {", "if len(recs) == 0 {", "./analyzer", "TestWhatIsToBeWokenStandsBesideThePlan"},
		{"a host that is needed waits for the budget", "actuator/gate/budget.go", "case a.Kind == cluster.Wake:", "case false:", "./actuator/gate", "TestWhatHostsThatSleepNeedNotWaitFor"},
		// Who watches over the days on which hosts sleep notices what must never be.
		{"nobody looks whether a host is empty", "internal/rehearsal/rest.go", "case !w.down.IsZero() || active(roll):", "case !w.down.IsZero():", "./internal/year", "TestWhatMustNeverHappenIsNear"},
		{"hosts sleep that the reserve needs", "analyzer/plan/rest.go", "!ok {\n\t\tr.Reserve = why", "!ok && false {\n\t\tr.Reserve = why", "./internal/year", "TestWhatMustNeverHappenIsNear"},
		{"a wake that failed is a proof", "internal/rehearsal/rest.go", "proof := cluster.WakeProof{", "proof := cluster.WakeProof{Woke: true, ", "./internal/year", "TestWhatMustNeverHappenIsNear"},
		{"sleeping hosts wear their BMCs out", "actuator/watch/watch.go", "return restAgain, restCounts", "return powerAgain, powerCounts", "./actuator/watch", "TestTheBMCOfAHostThatIsOffOnPurposeIsAskedOnceAMinute"},
		// A host is off when a status says so, and no definition is lost or told.
		{"a command that went well is off", "actuator/fence/turn.go", "\t\tif err == nil && state == to {\n\t\t\treturn nil\n", "\t\tif err == nil || state == to {\n\t\t\treturn nil\n", "./actuator/fence", "TestOffIsNeverReportedUnlessTheLastStatusSaysSo"},
		{"an exit status is off", "actuator/fence/agent.go", `case o.code == exitOff && said == "STATUS: OFF":`, "case o.code == exitOff:", "./actuator/fence", "TestWhatAnAgentsStatusProves"},
		{"a host that another method sees on is off", "actuator/fence/turn.go", "if r.said[b.level] != cluster.PowerOn {", "if true {", "./actuator/fence", "TestOff"},
		{"a host that goes down is off", "actuator/fence/redfish.go", "case redfish.OffPowerState:\n\t\t\tstate = cluster.PowerOff\n\t\tcase redfish.OnPowerState, redfish.PoweringOnPowerState, redfish.PoweringOffPowerState,", "case redfish.OffPowerState, redfish.PoweringOffPowerState:\n\t\t\tstate = cluster.PowerOff\n\t\tcase redfish.OnPowerState, redfish.PoweringOnPowerState,", "./actuator/fence", "TestWhatRedfishStatusProves"},
		{"an agent's children live on", "actuator/fence/run.go", "syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what", "error(nil) // what", "./actuator/fence", "TestWhatAnAgentLeavesRunningIsKilled"},
		{"errors tell passwords", "actuator/fence/redact.go", "text = strings.ReplaceAll(text, f, hidden)", "_ = f", "./actuator/fence", "TestTheProtocolAndItsSecrets"},
		{"a password for everybody is used", "internal/secret/secret.go", "mode&0o007 != 0", "false", "./actuator/fence", "TestWhatIsNeverSentToAnAgent"},
		{"a definition passes for another VM's", "actuator/definitions/record.go", "return bytes.Join([][]byte{key(id.VM, id.Version), text}, nil)", "return bytes.Join([][]byte{text}, nil)", "./actuator/definitions", "TestADamagedVersionIsNamedAndTheOthersRead"},
		{"any key begins a store anew", "actuator/definitions/definitions.go", "if err := s.fits(keyFile, mark != nil, ids); err != nil || !mayWrite {", "if err := error(nil); err != nil || !mayWrite {", "./actuator/definitions", "TestTheKey"},
		{"what cannot be read is written over", "actuator/definitions/put.go", "d.Version = was.Version + 1", "d.Version = max(was.Version, 1)", "./actuator/definitions", "TestADamagedVersionIsNamedAndTheOthersRead"},
		// Servers that share a store.
		{"any seal is good", "internal/api/peers.go", "if !hmac.Equal([]byte(seal), []byte(want)) {", "if want == \"\" || seal == \"none\" {", "./internal/api", "TestASealIsForOneRequestAndAWhile"},
		{"an elected server minds no stranger", "actuator/gate/leader.go", "if len(others) > 0 {", "if len(others) > 0 && !q.Policy.Elected {", "./actuator/gate", "TestEachThingThatIsWrongIsRefusedByItsGateWithItsReason"},
		// The snapshot.
		{"use is lost across a migration", "analyzer/promql/queries.go", "`sum by (vm) (max by (vm, instance) (rate(evenkeel_vm_cpu_seconds_total[$rate]))) + `", "`max by (vm) (rate(evenkeel_vm_cpu_seconds_total[$rate])) + `", "./analyzer/promql", "TestUseIsWholeAcrossAMigration"},
		{"silent hosts are forgotten", "analyzer/promql/queries.go", "last_over_time(evenkeel_vm_info[$memory])", "evenkeel_vm_info", "./analyzer/promql", "TestASilentHostIsAGapAndItsVMsAreRemembered"},
		{"two places are certain", "analyzer/promql/build.go", "other.host == first.host || !other.state.Active()", "true", "./analyzer/promql", "TestWhereSeveralHostsKnowAVM"},
		{"a window that is half empty counts", "analyzer/promql/queries.go", "(present_over_time(evenkeel_vm_info[$half] offset $window))", "(evenkeel_vm_info)", "./analyzer/promql", "TestUseOverAHalfEmptyWindowIsAGap"},
		// One VM is one VM, also while it migrates; nothing of one scrape is left in the next; what cannot be read hides nothing else.
		{"a VM that arrives is there", "exporter/libvirt/assemble.go", "if f.arriving && !(m.home && m.id == f.id) {", "if false {", "./exporter/libvirt", "TestWhereAVMIsWhileItMigrates"},
		{"a VM that waits at its source has left", "exporter/libvirt/assemble.go", "if f.arriving && !(m.home && m.id == f.id) {", "if f.arriving {", "./exporter/libvirt", "TestWhereAVMIsWhileItMigrates"},
		{"what a VM left behind is a VM", "exporter/libvirt/assemble.go", "case f.left:", "case false:", "./exporter/libvirt", "TestWhereAVMIsWhileItMigrates"},
		{"Domain-0 is a VM", "exporter/libvirt/assemble.go", "case f.control:", "case false:", "./exporter/libvirt", "TestTheControlDomainIsTheHostsAndNoVM"},
		{"two hosts, two VMs", "exporter/exporter.go", "\tdedupe(readings)\n", "", "./exporter", "TestAVMIsPublishedOnce"},
		{"a page is not cleared", "exporter/page.go", "f.Metric = f.Metric[:0]", "_ = f", "./exporter", "TestScrapesDoNotMix"},
		{"what failed passes for nothing there", "exporter/exporter.go", `out.put(e.own.success, boolean(how.Err == "")`, `out.put(e.own.success, boolean(true)`, "./exporter", "TestNothingThereDiffersFromCouldNotLook"},
		{"a dead hypervisor hides its host", "exporter/exporter.go", "cmp.Or(e.local, machine.Hostname)", "machine.Hostname", "./exporter", "TestTheMachineIsToldOfWhileItsHypervisorIsDown"},
		{"a level that is misspelt counts", "exporter/libvirt/settings.go", "if level.UnmarshalText([]byte(a.Value)) != nil {", "if level.UnmarshalText([]byte(a.Value)) != nil && false {", "./exporter/libvirt", "TestSettingsInTheMetadata"},
		{"any storage is shared", "analyzer/promql/build.go", `label(p, "shared") == "true" ||`, `true ||`, "./analyzer/promql", "TestAPoolIsTheSameStorageOnlyWhereTheHostsAgree"},
		// What failed comes back once, and nothing else does.
		{"a VM that a person suspended is started", "actuator/recovery/tracker.go", "return !h.held && !h.left", "return !h.left", "./actuator/recovery", "TestWhatShouldRunAndDoesNot"},
		{"a VM is looked for where it has left", "actuator/recovery/tracker.go", "return !h.held && !h.left", "return !h.held", "./actuator/recovery", "TestWhatShouldRunAndDoesNot"},
		{"a guest that sends is reset", "actuator/recovery/guest.go", "case sign.PacketsSent.Value > 0:", "case sign.PacketsSent.Value > 1000:", "./actuator/recovery", "TestWhatAGuestThatHangsMustShow"},
		{"a guest that computes is reset", "actuator/recovery/guest.go", "share > idle && share < flatOut", "share > idle && share < idle", "./actuator/recovery", "TestWhatAGuestThatHangsMustShow"},
		{"a guest is reset whose agent was stopped", "actuator/recovery/guest.go", "if !sign.Connected || sign.Answers ||", "if sign.Answers ||", "./actuator/recovery", "TestWhatAGuestThatHangsMustShow"},
		{"a guest is reset for ever", "actuator/recovery/guest.go", "case resets >= s.Resets:", "case resets >= 100*s.Resets:", "./actuator/recovery", "TestWhatAGuestThatHangsMustShow"},
		{"all guests are reset when storage stalls", "actuator/recovery/guest.go", "many := d.policy.Guests.AtOnce > 0 &&", "many := d.policy.Guests.AtOnce > 100 &&", "./actuator/recovery", "TestWhenManyGuestsFallSilentNoneIsReset"},
		{"a guest is reset that answers again", "actuator/gate/world.go", "case h.Agent == cluster.AgentAnswers:", "case h.Agent == cluster.AgentSilent:", "./actuator/gate", "TestEachKindOfActionIsRefusedForWhatMustBeSo"},
		{"a guest is reset of which nobody can tell whether it answers", "actuator/gate/world.go", "case h.Agent != cluster.AgentSilent:", "case h.Agent == cluster.AgentAnswers && false:", "./actuator/gate", "TestEachKindOfActionIsRefusedForWhatMustBeSo"},
		{"a guest that boots is reset again", "actuator/gate/world.go", "b.Action.Alike(q.Rec.Action) && b.At.After(q.Rec.Made)", "false && b.At.After(q.Rec.Made)", "./actuator/gate", "TestEachKindOfActionIsRefusedForWhatMustBeSo"},
		{"what was reset makes room for more resets", "actuator/recovery/guest.go", "t.Action.Kind == cluster.Reset && d.Now.Sub(t.At) < justSilent", "false", "./actuator/recovery", "TestWhenManyGuestsFallSilentNoneIsReset"},
		{"a VM is reset before its screen is kept", "actuator/act.go", "\t\ta.capture(ctx, c)\n\t\terr = a.hypervisor.Act(ctx, action, func(p cluster.Progress) { a.progress(id, p) })", "\t\terr = a.hypervisor.Act(ctx, action, func(p cluster.Progress) { a.progress(id, p) })\n\t\ta.capture(ctx, c)", "./actuator", "TestWhatAVMShowsIsKeptBeforeItIsReset"},
		{"a host that boots is turned off", "actuator/recovery/decide.go", "d.Now.Sub(wasOff) < booting", "false", "./actuator/recovery", "TestAHostThatBootsIsNotTurnedOff"},
		{"a VM without a host holds up the rest", "actuator/recovery/decide.go", "if d.Now.Sub(at) < patience {", "if d.Now.Sub(at) < patience || true {", "./actuator/recovery", "TestWhatCannotStartHoldsUpNobody"},
		{"an old snapshot beats a newer one", "actuator/recovery/tracker.go", "|| !s.At.After(t.recalled[h.ID])", "", "./actuator/recovery", "TestAServerThatStartsLateKnowsWhatRanThere"},
		{"a silent host cannot have what left another", "actuator/gate/off.go", "&& !last.Left &&", "&&", "./actuator/gate", "TestAVMOfAHostThatIsOffStartsUnlessASilentHostCouldHaveIt"},
		{"a silent host forgets what was started there", "actuator/gate/off.go", "s.Action.To == silent && !s.At.Before(w.At)", "s.Action.To == silent && false", "./actuator/gate", "TestAVMOfAHostThatIsOffStartsUnlessASilentHostCouldHaveIt"},
		// What the cluster would survive is what brute force says; what it would not is never said to be survived.
		{"a failed host takes VMs", "analyzer/admission/state.go", "for _, h := range t.down {\n\t\tp.free[h] = -1", "for _, h := range t.down[:0] {\n\t\tp.free[h] = -1", "./analyzer/admission", "TestLawTheAnswerIsThatOfBruteForceAndTheWitnessIsLegal"},
		{"what must be apart is packed together", "analyzer/admission/solve.go", "if l.taken[r][h] {", "if l.taken[r][h] && false {", "./analyzer/admission", "TestLawTheAnswerIsThatOfBruteForceAndTheWitnessIsLegal"},
		{"what is to be spread is packed in one domain", "analyzer/admission/solve.go", "return l.over[r] > l.p.spread[r].most", "return l.over[r] > l.p.spread[r].most+9", "./analyzer/admission", "TestLawTheAnswerIsThatOfBruteForceAndTheWitnessIsLegal"},
		{"the search gives up and says no", "analyzer/admission/search.go", "return best, hosts, room >= s.total", "return best, hosts, room > s.total", "./analyzer/admission", "TestLawTheAnswerIsThatOfBruteForceAndTheWitnessIsLegal|TestLawAPlacementThatIsThereIsFound"},
		{"what is not proven is survived", "analyzer/admission/solve.go", "return nil, fewest, done", "return s.hosts(), nil, done", "./analyzer/admission", "TestLawTheAnswerIsThatOfBruteForceAndTheWitnessIsLegal|TestSetsThatCannotAllBeTriedAreNotProven"},
		{"the bound clears too much", "analyzer/admission/sets.go", "if sum+float64(missing)*w <= 1 {", "if sum+float64(missing)*w <= 1.5 {", "./analyzer/admission", "TestLawSeveralFailuresAreThoseOfBruteForce"},
		{"a new VM is not among those that fail", "analyzer/admission/guard.go", "if slices.Contains(t.down, h) {\n\t\treturn true", "if slices.Contains(t.down, h) {\n\t\treturn false", "./analyzer/admission", "TestLawTheGuardSaysWhatAFreshCheckWould"},
		{"the spare host is filled", "analyzer/plan/work.go", "w.shunned[h] || w.spare[h] ||", "w.shunned[h] ||", "./analyzer/plan", "TestSpareHostsAreKeptEmptyUntilAHostFails"},
		// Nothing is started, and nothing turned off, without proof.
		{"silence proves a host off", "actuator/gate/off.go", `if w.Verdict == "dead" {`, `if w.Verdict == "dead" || w.Verdict == "hung" {`, "./actuator/gate", "TestAVMStartsElsewhereOnlyWhenItsHostIsProvenOff"},
		{"an old verdict proves a host off", "actuator/gate/off.go", "if age := now.Sub(w.LookedAt); age < 0 || age > maxLookAge {\n\t\treturn \"\", false", "if age := now.Sub(w.LookedAt); age < 0 {\n\t\treturn \"\", false", "./actuator/gate", "TestAVMStartsElsewhereOnlyWhenItsHostIsProvenOff"},
		{"a person's word outlives the host's silence", "actuator/gate/off.go", "&& o.Word.At.After(heard)", "", "./actuator/gate", "TestAVMStartsElsewhereOnlyWhenItsHostIsProvenOff"},
		{"a silent host that had the VM does not matter", "actuator/gate/off.go", "return known && !had && last", "return known && last", "./actuator/gate", "TestAVMStartsElsewhereOnlyWhenItsHostIsProvenOff"},
		{"a host that is cut off is turned off", "actuator/gate/off.go", `w.Verdict != "hung" && w.Verdict != "unproven":`, `w.Verdict == "alive":`, "./actuator/gate", "TestAHostIsTurnedOffOnlyWhenNothingIsHeardOfIt"},
		{"a definition is taken away from a VM that runs nowhere", "actuator/gate/off.go", `case runs == "":`, "case false:", "./actuator/gate", "TestADefinitionIsTakenAwayOnlyWhileTheVMRunsElsewhere"},
		{"a VM that was leaving has not left", "actuator/gate/off.go", "&& !last.BusyAt.After(since)", "", "./actuator/gate", "TestAVMOfAHostThatIsOffStartsUnlessASilentHostCouldHaveIt"},
		{"a host that lived on unheard died at once", "actuator/gate/off.go", " && !last.LivedAt.After(last.ActiveAt.Add(unheardLife))", "", "./actuator/gate", "TestAVMOfAHostThatIsOffStartsUnlessASilentHostCouldHaveIt"},
		{"nobody knows what was leaving", "actuator/gate/off.go", "return last.ReadAt.After(since) && ", "return ", "./actuator/gate", "TestAVMOfAHostThatIsOffStartsUnlessASilentHostCouldHaveIt"},
		{"what fell is forgotten by a restart", "actuator/failover/failover.go", "!r.track.Recall(m, time.Now())", "m.At.IsZero()", "./actuator/failover", "TestTheNextServerKnowsWhatFell"},
		{"what was long ago is acted on", "actuator/recovery/memory.go", "now.Sub(m.At) > remembered || ", "", "./actuator/failover", "TestTheNextServerKnowsWhatFell"},
		{"what stopped unseen is lost", "actuator/recovery/tracker.go", "at.left && !v.State.Active() &&", "false && at.left && !v.State.Active() &&", "./actuator/recovery", "TestAVMThatStoppedWhereItWentUnseenIsStarted"},
		{"a snapshot forgets what fell", "actuator/recovery/tracker.go", "fell := t.kept[at.host]", "fell := false && t.kept[at.host]", "./actuator/recovery", "TestWhatAHostRanWhenTheServerEndedIsNotForgottenForASnapshot"},
		{"what nobody knows takes room", "actuator/recovery/decide.go", "&& !d.defines(t.Host, t.VM.ID):", "&& false:", "./actuator/recovery", "TestAVMThatNobodyKnowsAnyMoreTakesNoRoom"},
		{"what nobody knows is started", "actuator/recovery/decide.go", "case t.VM.MemoryBytes == 0:", "case false:", "./actuator/recovery", "TestAVMOfWhichNothingIsKnownWaits"},
		{"what Prometheus did not answer is not asked again", "actuator/failover/failover.go", "\tdelete(r.asked, key)", "\t_ = key", "./actuator/failover", "TestWhatPrometheusDidNotAnswerIsAskedAgain"},
		{"what is gone is resumed for ever", "actuator/recovery/tracker.go", "cause == HostBack && was.Cause != Stalled) {", "cause == HostBack) {", "./actuator/recovery", "TestAPausedVMThatItsHostLostIsStarted"},
		{"a host that came back is no new chance", "actuator/recovery/decide.go", "&& !d.hostBack(last.At):", ":", "./actuator/recovery", "TestWhatWasGivenUpIsTriedOnAHostThatCameBack"},
		{"jobs of before are not noted", "actuator/watch/watch.go", "h.busy[vm] = s.SeenAt", "_ = vm", "./actuator/watch", "TestTheLastWordsOnAVM"},
		{"a VM that has left is still there", "actuator/watch/rolls.go", "h.left[vm] = true", "h.left[vm] = false", "./actuator/watch", "TestTheLastWordsOnAVM"},
		{"two hosts of a domain are turned off at once", "actuator/gate/concurrency.go", `policy.Domains[a.From] != "" &&`, `false &&`, "./actuator/gate", "TestAHostIsTurnedOffOnlyWhenNothingIsHeardOfIt"},
		// Schedules hold in their windows alone, and people's words count for more.
		{"a schedule keeps no host awake", "actuator/gate/schedule.go", `if name == "" {`, `if name == "" || true {`, "./actuator/gate", "TestAScheduleKeepsAHostAwakeWhoeverAsks"},
		{"a window that begins meanwhile lets the host sleep", "actuator/standby.go", `a.currentPolicy().Gate.Awake, host, now); name != ""`, `a.currentPolicy().Gate.Awake, host, now); name != "" && false`, "./actuator", "TestAWindowThatBeginsWhileAHostIsEmptiedKeepsItOn"},
		{"a host is advised to sleep in a window", "analyzer/plan/power.go", `host.ID, w.snap.At); kept != ""`, `host.ID, w.snap.At); kept != "" && false`, "./analyzer/plan", "TestASchedulesHostsStayOnAndOthersSleep"},
		{"a schedule wakes what evenkeel did not turn off", "actuator/schedule/schedule.go", "return step, h.Asleep && !h.Called && !now.Before", "return step, !h.Called && !now.Before", "./actuator/schedule", "TestLawEveryTurnIsAccountedForAndPeopleAreLeftAlone"},
		{"a schedule ends a person's maintenance", "actuator/schedule/schedule.go", `if h.Kept && h.By != "" && !wanted {`, "if h.Kept && !wanted {", "./actuator/schedule", "TestMaintenanceOfASchedule"},
		{"a schedule begins anew what a person ended", "actuator/schedule/schedule.go", "!h.Kept && !ours ||", "!h.Kept && (!ours || true) ||", "./actuator/schedule", "TestMaintenanceOfASchedule"},
		{"what was missed is not said", "actuator/schedule/book.go", "if missed == 0 {", "if missed >= 0 {", "./actuator/schedule", "TestWhatCameOfAWindow"},
		{"a level outlives its window", "actuator/hours.go", "h.Turn(now); !open {", "h.Turn(now); !open && now.IsZero() {", "./actuator", "TestALevelIsInForceInItsWindowAlone"},
		{"the boldest of several levels counts", "actuator/hours.go", "min(p.Gate.Level, h.Level)", "max(p.Gate.Level, h.Level)", "./actuator", "TestLawTheMostCautiousWindowCounts"},
		{"what falls into the hour that is left out comes an hour late", "internal/config/times.go", "\t\treturn from\n", "\t\treturn t\n", "./internal/config", "TestTimesOnDaysOnWhichTheClockIsChanged"},
	}
}

// A fault whose place or whose test is gone says so at once rather than after minutes.
func TestEveryFaultCanBePlanted(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]tested{}
	for _, f := range faults() {
		t.Run(strings.ReplaceAll(f.name, " ", "-"), func(t *testing.T) {
			plant(t, root, f)
			if _, known := tests[f.test]; !known {
				tests[f.test] = testsOf(t, root, f.test)
			}
			for name := range strings.SplitSeq(f.run, "|") {
				if !tests[f.test].names[name] {
					t.Errorf("%s has no test %q: bring the fault up to date", f.test, name)
				}
			}
		})
	}
}

func TestEveryPlantedFaultIsNoticed(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults() {
		t.Run(strings.ReplaceAll(f.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			overlay := plant(t, root, f)
			ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
			defer cancel()
			// One failure is enough. A test that hangs has noticed too, and none of them takes long when all is well.
			args := []string{"test", "-tags=libvirt_dlopen", "-overlay=" + overlay, "-timeout=20s", "-failfast", "-vet=off", "-run=^(" + f.run + ")$", f.test}
			if testsOf(t, root, f.test).draws {
				args = append(args, "-rapid.nofailfile", "-rapid.shrinktime=0s") // what a planted fault breaks is worth neither keeping nor making small
			}
			cmd := exec.CommandContext(ctx, "go", args...)
			cmd.Dir = root
			out, err := cmd.CombinedOutput()
			switch {
			case err == nil:
				t.Errorf("%s: no test noticed: %s", f.file, out)
			case !strings.Contains(string(out), "--- FAIL: ") && !strings.Contains(string(out), "panic: "):
				t.Errorf("no test ran, the fault may not build: %v: %s", err, out)
			}
		})
	}
}

// tested is what there is to know of the tests of a package: their names, and whether they draw what they try and so
// know rapid's flags.
type tested struct {
	names map[string]bool
	draws bool
}

func testsOf(t *testing.T, root, pkg string) tested {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pkg), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := tested{names: map[string]bool{}}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			found.draws = found.draws || i.Path.Value == `"pgregory.net/rapid"`
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				found.names[f.Name.Name] = true
			}
		}
	}
	return found
}

// plant writes the broken file and the overlay that puts it over the real one.
func plant(t *testing.T, root string, f fault) string {
	t.Helper()
	path := filepath.Join(root, filepath.FromSlash(f.file))
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), f.old); n != 1 {
		t.Fatalf("%q stands %d times in %s: bring the fault up to date", f.old, n, f.file)
	}
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.go")
	if err := os.WriteFile(broken, []byte(strings.Replace(string(text), f.old, f.new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: broken}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
