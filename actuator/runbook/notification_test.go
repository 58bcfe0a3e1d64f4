package runbook

import (
	"testing"
)

// FuzzNotification feeds the decoder what Alertmanager sends and what it never would. Nothing may panic, and what is taken has
// what all that follows relies on.
func FuzzNotification(f *testing.F) {
	for _, seed := range []string{
		`{"receiver":"evenkeel","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"VMDown","vm":"v1"},"annotations":{"summary":"x"},"startsAt":"2026-11-24T10:00:00.123456789Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://x","fingerprint":"00b4d6a2ec8a2ed7"}],"groupLabels":{},"commonLabels":{},"commonAnnotations":{},"externalURL":"http://x","version":"4","groupKey":"{}:{}","truncatedAlerts":0}`,
		`{"version":"4","alerts":[{"status":"resolved","labels":{"a":""},"startsAt":"2026-11-24T10:00:00+25:00"}]}`, `{"version":"4","alerts":[null]}`, `{"version":"4","truncatedAlerts":-1,"alerts":[{}]}`,
		`{"version":{}}`, `null`, `[]`, `"4"`, `{`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := decode(body)
		if err != nil {
			return
		}
		if n.Version != version || len(n.Alerts) == 0 || n.TruncatedAlerts < 0 {
			t.Errorf("it takes %+v", n)
		}
		for _, a := range n.Alerts {
			if a.Status != firing && a.Status != resolved || len(a.Labels) == 0 || a.StartsAt.IsZero() || a.fingerprint() == "" {
				t.Errorf("it takes %+v", a)
			}
		}
	})
}

func TestTheFingerprintIsAlertmanagers(t *testing.T) {
	a := alert{Labels: map[string]string{"alertname": "VMDown", "vm": "v1"}}
	if got := a.fingerprint(); got != "c189b7796e1bcea3" { // Debian's Alertmanager 0.25 says so
		t.Errorf("it is %s", got)
	}
}
