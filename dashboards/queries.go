package dashboards

import "fmt"

// Which VMs are meant.
const (
	everyVM  = `host=~"$hosts"`
	thisHost = `host="$host"`
	thisVM   = `host=~"$hosts", vm=~"$uuid"`
)

// placed is the host and the name of the VMs that run, one series a VM whatever exporters say.
func placed(which string) string {
	return `topk by (vm) (1, max by (vm, name, host) (` + runs(which) + `))`
}

// runs is who runs where, by the word of the host on which it runs: on its way a VM is on a second one, where it does not run yet.
func runs(which string) string {
	return `evenkeel_vm_info{` + which + `} and on (job, instance, vm) (evenkeel_vm_state{state="running"} == 1)`
}

// named gives a value of each VM the VM's name and host.
func named(expr, which string) string {
	return fmt.Sprintf("(%s) * on (vm) group_left (name, host) %s", expr, placed(which))
}

// own is a metric of the server, one series for each set of labels, however many servers say it.
func own(metric, labels string, matchers ...string) string {
	selector := `instance=~"$server"`
	for _, m := range matchers {
		selector += ", " + m
	}
	if labels == "" {
		return fmt.Sprintf("max(%s{%s})", metric, selector)
	}
	return fmt.Sprintf("max by (%s) (%s{%s})", labels, metric, selector)
}

// orZero is 0 where there is nothing to be seen.
func orZero(expr string) string { return "(" + expr + ") or on () vector(0)" }

// orNone is one series of value 0 whose label says that there is none, where there is nothing to be seen: a table with such a
// row says more than an empty one.
func orNone(expr, label, word string) string {
	return fmt.Sprintf(`(%s) or on () label_replace(vector(0), "%s", "%s", "", "")`, expr, label, word)
}

// orAbsent is a series whose label says that nobody tells, where the metric was not there in the whole time that is shown.
// Where it was there for a part of it, the rest stays empty.
func orAbsent(expr, metric, label, word string) string {
	return orNever(expr, `count(present_over_time(`+metric+`[$__range] @ end()))`, label, word)
}

// orNever is the same where what tells whether there is something at any time that is shown is another expression.
func orNever(expr, something, label, word string) string {
	return fmt.Sprintf(`(%s) or on () (label_replace(vector(0), "%s", "%s", "", "") unless on () (%s))`, expr, label, word, something)
}

// numbered is one series for each set of labels by, whose value is the number of the word that the metric is 1 for, from 0 on.
func numbered(metric, by, label string, words []string, matchers ...string) string {
	all := ""
	for i, w := range words {
		if i > 0 {
			all += " or "
		}
		all += fmt.Sprintf("(%s == 1) * %d", own(metric, by, append([]string{fmt.Sprintf("%s=%q", label, w)}, matchers...)...), i)
	}
	return all
}
