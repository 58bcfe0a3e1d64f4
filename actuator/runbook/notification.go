package runbook

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
)

// version is the one of Alertmanager's notifications that is understood. It has been the same since 2016.
const version = "4"

// The words for how an alert stands.
const (
	firing   = "firing"
	resolved = "resolved"
)

// notification is what Alertmanager sends, as far as it matters here.
type notification struct {
	Version  string `json:"version"`
	GroupKey string `json:"groupKey"`
	// TruncatedAlerts are those that the receiver's max_alerts left out.
	TruncatedAlerts int     `json:"truncatedAlerts"`
	Alerts          []alert `json:"alerts"`
}

// alert is one of them.
type alert struct {
	Status   string            `json:"status"`
	Labels   map[string]string `json:"labels"`
	StartsAt time.Time         `json:"startsAt"`
	EndsAt   time.Time         `json:"endsAt"`
}

// decode reads a notification. What else stands in it is let pass: Alertmanager adds fields without a new version.
func decode(body []byte) (notification, error) {
	var n notification
	var about struct{ Version any }
	if err := json.Unmarshal(body, &about); err != nil {
		return n, fmt.Errorf("it is no JSON object: %w", err)
	}
	if about.Version != version {
		return n, fmt.Errorf("its version is %s, and only %q is understood; is it Alertmanager that sends it?", shown(about.Version), version)
	}
	if err := json.Unmarshal(body, &n); err != nil {
		return n, err
	}
	if len(n.Alerts) == 0 {
		return n, errors.New("it has no alerts")
	}
	if n.TruncatedAlerts < 0 {
		return n, errors.New("truncatedAlerts: is negative")
	}
	for i, a := range n.Alerts {
		switch {
		case a.Status != firing && a.Status != resolved:
			return n, fmt.Errorf("alerts[%d].status: %q is neither firing nor resolved", i, a.Status)
		case len(a.Labels) == 0:
			return n, fmt.Errorf("alerts[%d].labels: there are none", i)
		case a.StartsAt.IsZero():
			return n, fmt.Errorf("alerts[%d].startsAt: is missing", i)
		}
	}
	return n, nil
}

func shown(v any) string {
	if v == nil {
		return "missing"
	}
	return strconv.Quote(fmt.Sprint(v))
}

// fingerprint is the one that Alertmanager gives the alert too: a hash of its labels.
func (a alert) fingerprint() string {
	set := model.LabelSet{}
	for name, value := range a.Labels {
		set[model.LabelName(name)] = model.LabelValue(value)
	}
	return set.Fingerprint().String()
}
