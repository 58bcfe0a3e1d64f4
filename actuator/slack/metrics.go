package slack

import "github.com/prometheus/client_golang/prometheus"

// The ways a click can end.
const (
	clickAccepted     = "accepted"
	clickUnauthorised = "unauthorised"
	clickRefused      = "refused"
	clickReplayed     = "replayed"
	clickForged       = "forged"
)

// The methods of the Web API that are called.
const (
	authTest        = "auth.test"
	postMessage     = "chat.postMessage"
	updateMessage   = "chat.update"
	postEphemeral   = "chat.postEphemeral"
	openView        = "views.open"
	listGroup       = "usergroups.users.list"
	openConnections = "apps.connections.open"
)

// The results of a call.
const (
	callDone        = "done"
	callFailed      = "failed"
	callRateLimited = "rate_limited"
)

type metrics struct {
	up       prometheus.Gauge
	requests *prometheus.CounterVec
	clicks   *prometheus.CounterVec
	pending  prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		up: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "evenkeel_slack_up", Help: "Whether the last call to Slack worked.",
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "evenkeel_slack_requests_total", Help: "Calls to Slack's Web API, by method and result.",
		}, []string{"method", "result"}),
		clicks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "evenkeel_slack_clicks_total", Help: "Clicks that arrived, by how they were taken; forged and replayed ones reach nothing.",
		}, []string{"result"}),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "evenkeel_slack_messages_pending", Help: "Plans of which Slack does not show the present state yet.",
		}),
	}
	for _, method := range []string{authTest, postMessage, updateMessage, postEphemeral, openView, listGroup, openConnections} {
		for _, result := range []string{callDone, callFailed, callRateLimited} {
			m.requests.WithLabelValues(method, result)
		}
	}
	for _, result := range []string{clickAccepted, clickUnauthorised, clickRefused, clickReplayed, clickForged} {
		m.clicks.WithLabelValues(result)
	}
	reg.MustRegister(m.up, m.requests, m.clicks, m.pending)
	return m
}

func (m *metrics) clicked(result string) { m.clicks.WithLabelValues(result).Inc() }

// called notes how a call to Slack ended.
func (m *metrics) called(method, result string) {
	m.requests.WithLabelValues(method, result).Inc()
	if result == callDone {
		m.up.Set(1)
		return
	}
	m.up.Set(0)
}
