package dashboards

import "fmt"

// placed is the host and the name of every VM that runs, one series a VM whatever exporters say: names and hosts are
// joined to the VM's other series with it.
const placed = `topk by (vm) (1, max by (vm, name, host) (evenkeel_vm_info{host=~"$hosts"} and on (job, instance, vm) (evenkeel_vm_state{state="running"} == 1)))`

// named gives a value of each VM the VM's name and host.
func named(expr string) string {
	return fmt.Sprintf("(%s) * on (vm) group_left (name, host) %s", expr, placed)
}

// own is a metric of the server, one series for each set of labels, however many servers say it.
func own(metric string, labels string, matchers ...string) string {
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

// numbered is one series for each set of labels by, whose value is the number of the word that the metric is 1 for, from 0 on.
func numbered(metric, by, label string, words []string) string {
	all := ""
	for i, w := range words {
		if i > 0 {
			all += " or "
		}
		all += fmt.Sprintf("(%s == 1) * %d", own(metric, by, fmt.Sprintf("%s=%q", label, w)), i)
	}
	return all
}
