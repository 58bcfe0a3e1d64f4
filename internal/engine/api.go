package engine

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/grafana/regexp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
	apiv1 "github.com/prometheus/prometheus/web/api/v1"
)

// served lists what Handler answers: what Grafana and client_golang ask of a
// Prometheus. It is a list of what is allowed, so that a newer Prometheus does
// not open new doors. Writing, remote read and the admin API are not on it.
var served = []string{
	"/api/v1/query",
	"/api/v1/query_range",
	"/api/v1/query_exemplars",
	"/api/v1/format_query",
	"/api/v1/parse_query",
	"/api/v1/series",
	"/api/v1/labels",
	"/api/v1/label/{name}/values",
	"/api/v1/metadata",
	"/api/v1/targets",
	"/api/v1/targets/metadata",
	"/api/v1/scrape_pools",
	"/api/v1/rules",
	"/api/v1/alerts",
	"/api/v1/alertmanagers",
	"/api/v1/status/buildinfo",
	"/api/v1/status/runtimeinfo",
	"/api/v1/status/tsdb",
}

// prometheusVersion is what a Prometheus server built from the module v0.315.0
// says of itself. Grafana chooses by it what it may ask.
const prometheusVersion = "3.15.0"

// newAPI returns the Prometheus API, limited to what is served.
func newAPI(e *Engine, queries *promql.Engine) http.Handler {
	router := route.New()
	prometheusAPI(e, queries).Register(router.WithPrefix("/api/v1"))
	mux := http.NewServeMux()
	for _, pattern := range served {
		mux.Handle(pattern, router)
	}
	mux.HandleFunc("/graph", showQuery)
	return mux
}

// showQuery is where the link in an alert leads to, which Prometheus makes for its own pages: to the answer of the alert's query. The place is a
// relative one, since the door may stand under any prefix.
func showQuery(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Location", "api/v1/query?"+url.Values{"query": {r.FormValue("g0.expr")}}.Encode())
	w.WriteHeader(http.StatusFound)
}

// prometheusAPI names the 44 positional parameters of NewAPI, once. In the list
// of targets, the API shows a target on localhost under this machine's name.
func prometheusAPI(e *Engine, queries *promql.Engine) *apiv1.API {
	hostname, err := os.Hostname()
	if err != nil {
		hostname = "localhost"
	}
	return apiv1.NewAPI(
		queries,
		e.store.db, // what queries read
		nil, nil,   // no appenders: nothing is written through the API
		e.store.db, // exemplars, of which none are stored
		func(context.Context) apiv1.ScrapePoolsRetriever { return e.scraper },
		func(context.Context) apiv1.TargetRetriever { return e.scraper },
		func(context.Context) apiv1.AlertmanagerRetriever { return e.alerting.notifier },
		func() config.Config { return config.DefaultConfig }, // not served
		nil, // flags, not served
		apiv1.GlobalURLOptions{ListenAddress: "localhost:0", Host: hostname, Scheme: "http"},
		func(h http.HandlerFunc) http.HandlerFunc { return h }, // always ready, see frontDoor
		adminStats{e.store.db},
		e.opts.Dir,
		false, // admin API
		false, // search API
		0,     // search limit
		e.logger.With("component", "api"),
		func(context.Context) apiv1.RulesRetriever { return e.alerting.rules },
		0, 0, 0, // remote read limits, not served
		false,                    // agent mode
		regexp.MustCompile("^$"), // no browser on another site may read us
		e.runtimeInfo,
		&apiv1.PrometheusVersion{Version: prometheusVersion, GoVersion: runtime.Version()},
		nil, nil, // notifications, not served
		e.registry, e.registry,
		nil,                 // statistics as Prometheus renders them
		false,               // remote write
		nil,                 // remote write formats
		false, false, false, // OTLP
		false, // start timestamps
		0,     // look-back for OTLP
		false, // type and unit labels
		false, // metadata in the log
		nil,   // error codes as they are
		nil,   // feature registry, not served
		// The description of the API, which takes long to write and is not served.
		apiv1.OpenAPIOptions{IncludePaths: []string{"/none"}},
		parser.NewParser(parser.Options{}),
	)
}

func (e *Engine) runtimeInfo() (apiv1.RuntimeInfo, error) {
	host, err := os.Hostname()
	if err != nil {
		return apiv1.RuntimeInfo{}, err
	}
	return apiv1.RuntimeInfo{
		StartTime:           e.opened,
		Hostname:            host,
		ServerTime:          time.Now(),
		ReloadConfigSuccess: true,
		GoroutineCount:      runtime.NumGoroutine(),
		GOMAXPROCS:          runtime.GOMAXPROCS(0),
		GOMEMLIMIT:          debug.SetMemoryLimit(-1),
		StorageRetention:    model.Duration(e.opts.Retention).String(),
	}, nil
}

// adminStats gives the API the statistics of the database. Deleting and
// snapshots come along with the embedded DB; the API refuses and hides them.
type adminStats struct{ *tsdb.DB }

// Stats returns how many series there are, by label.
func (s adminStats) Stats(label string, limit int) (*tsdb.Stats, error) {
	return s.Head().Stats(label, limit), nil
}

// WALReplayStatus returns nothing: the replay is over once Open returns.
func (s adminStats) WALReplayStatus() (tsdb.WALReplayStatus, error) {
	return tsdb.WALReplayStatus{}, nil
}

// BlockMetas returns the descriptions of the blocks on disk.
func (s adminStats) BlockMetas() ([]tsdb.BlockMeta, error) { return s.DB.BlockMetas(), nil }
