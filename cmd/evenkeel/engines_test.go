package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/promql"
	"github.com/evenkeel/evenkeel/internal/relaytest"
	"github.com/evenkeel/evenkeel/internal/tracing/collector"
)

// built is a program that make engines has made of its project's module, since Debian has none.
func built(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "bin", "engines", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v; make it: make engines", err)
	}
	return path
}

// receiver is one of Thanos' that is written to.
type receiver struct {
	writes, stores string
	process        *os.Process
}

func thanosReceiver(t *testing.T, labels ...string) receiver {
	t.Helper()
	var r receiver
	writes, stores := relaytest.FreeAddress(t), relaytest.FreeAddress(t)
	_, r.process = runOther(t, other{name: "Thanos' receiver", program: built(t, "thanos"), answers: "/-/ready", args: func(dir, address string) []string {
		args := []string{"receive", "--tsdb.path=" + dir, "--http-address=" + address, "--grpc-address=" + stores, "--remote-write.address=" + writes,
			"--receive.capnproto-address=" + relaytest.FreeAddress(t), "--log.level=warn"}
		for _, l := range labels {
			args = append(args, "--label="+l)
		}
		return args
	}})
	r.writes, r.stores = "http://"+writes+"/api/v1/receive", stores
	return r
}

// thanosQuerier reads the receivers. One that is strict goes on asking for what does not answer.
func thanosQuerier(t *testing.T, strict bool, from ...receiver) string {
	t.Helper()
	return startOther(t, other{name: "Thanos' querier", program: built(t, "thanos"), answers: "/-/ready", args: func(_, address string) []string {
		endpoints := "endpoints:\n"
		for _, r := range from {
			endpoints += fmt.Sprintf("- {address: %q, strict: %v}\n", r.stores, strict)
		}
		return []string{"query", "--http-address=" + address, "--grpc-address=" + relaytest.FreeAddress(t), "--query.replica-label=replica", "--endpoint.sd-config=" + endpoints, "--log.level=warn"}
	}})
}

// engines are the servers that Debian does not have.
var engines = map[string]func(*testing.T) holder{
	// Two receivers hold the same under another label, and the querier makes one of them.
	"Thanos": func(t *testing.T) holder {
		a, b := thanosReceiver(t, `replica="a"`), thanosReceiver(t, `replica="b"`)
		return holder{reads: "http://" + thanosQuerier(t, true, a, b) + "/?dedup=true&partial_response=false", writes: []string{a.writes, b.writes}}
	},
	// The whole of Mimir in one process, which takes nothing from who names no tenant.
	"Mimir": func(t *testing.T) holder {
		address := startOther(t, other{name: "Mimir", program: built(t, "mimir"), answers: "/ready", args: func(dir, address string) []string {
			host, port, _ := strings.Cut(address, ":")
			_, grpc, _ := strings.Cut(relaytest.FreeAddress(t), ":")
			_, gossip, _ := strings.Cut(relaytest.FreeAddress(t), ":")
			file := filepath.Join(dir, "mimir.yml")
			ring := fmt.Sprintf("{instance_addr: %s, kvstore: {store: inmemory}}", host)
			text := fmt.Sprintf(`multitenancy_enabled: true
server: {http_listen_address: %[1]s, http_listen_port: %[2]s, grpc_listen_address: %[1]s, grpc_listen_port: %[3]s, log_level: warn}
usage_stats: {enabled: false}
memberlist: {bind_addr: [%[1]s], bind_port: %[4]s}
common: {storage: {backend: filesystem, filesystem: {dir: %[5]s/objects}}}
blocks_storage: {filesystem: {dir: %[5]s/blocks}, tsdb: {dir: %[5]s/tsdb}, bucket_store: {sync_dir: %[5]s/sync}}
compactor: {data_dir: %[5]s/compactor, sharding_ring: %[6]s}
ruler_storage: {backend: filesystem, filesystem: {dir: %[5]s/rules}}
ruler: {rule_path: %[5]s/ruler, ring: %[6]s}
alertmanager: {data_dir: %[5]s/alertmanager, sharding_ring: %[6]s}
activity_tracker: {filepath: %[5]s/activity}
store_gateway: {sharding_ring: {instance_addr: %[1]s, kvstore: {store: inmemory}, replication_factor: 1}}
distributor: {ring: %[6]s}
query_scheduler: {ring: %[6]s}
ingester: {ring: {instance_addr: %[1]s, kvstore: {store: inmemory}, replication_factor: 1, min_ready_duration: 0s, final_sleep: 0s}}
`, host, port, grpc, gossip, dir, ring)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				panic(err)
			}
			return []string{"-config.file=" + file, "-query-frontend.instance-addr=" + host}
		}})
		return holder{reads: "http://" + address + "/prometheus", writes: []string{"http://" + address + "/api/v1/push"}, http: "http_headers: {X-Scope-OrgID: {values: [ops]}}"}
	},
}

// What Debian's servers carry, Thanos and Mimir do too.
func TestBuiltThanosAndMimirCarryTheAnalyzer(t *testing.T) {
	long(t)
	t.Parallel()
	carry(t, engines)
}

// Of a store that is away Thanos says nothing, where it is told of it in the usual way: what that store holds is just not there. Where the querier is
// strict about it the query is refused, or, where a part is let pass, warned of, which is refused here.
func TestBuiltThanosGivesNoPartForTheWhole(t *testing.T) {
	long(t)
	t.Parallel()
	one, two := thanosReceiver(t, `site="one"`), thanosReceiver(t, `site="two"`)
	startOther(t, writing(one.writes, two.writes)) // a store that holds nothing is not asked
	loose, strict := thanosQuerier(t, false, one, two), thanosQuerier(t, true, one, two)
	ask := func(url string) (bool, error) {
		source, err := othersSource([]string{url}, "", promql.Options{Timeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return source.Holds(t.Context(), `count(up) == 2`, time.Now())
	}
	all := []string{"http://" + loose + "/?partial_response=false", "http://" + strict + "/?partial_response=false", "http://" + strict + "/?partial_response=true"}
	for _, url := range all {
		await(t, url+" to know both", func() error {
			both, err := ask(url)
			if err == nil && !both {
				err = errors.New("it does not")
			}
			return err
		})
	}
	if err := two.process.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, url := range all[1:] {
		await(t, url+" to refuse", func() error {
			if _, err := ask(url); err == nil || !strings.Contains(err.Error(), two.stores) {
				return fmt.Errorf("a part passes for the whole: %v", err)
			}
			return nil
		})
	}
	await(t, "the querier that is not strict to forget it", func() error {
		both, err := ask(all[0])
		if both {
			err = errors.New("it knows both")
		}
		return err
	})
}

// writing is a Prometheus that scrapes itself and writes that to others.
func writing(urls ...string) other {
	return other{name: "Prometheus that writes", program: "/usr/bin/prometheus", answers: "/api/v1/query?query=1", args: func(dir, address string) []string {
		text := fmt.Sprintf("{global: {scrape_interval: 1s}, scrape_configs: [{job_name: self, static_configs: [{targets: [%q]}]}], remote_write: [", address)
		for _, u := range urls {
			text += fmt.Sprintf("{url: %q},", u)
		}
		file := filepath.Join(dir, "prometheus.yml")
		if err := os.WriteFile(file, []byte(text+"]}"), 0o600); err != nil {
			panic(err)
		}
		return []string{"--config.file=" + file, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + address}
	}}
}

// Whoever names no tenant is told so.
func TestBuiltMimirWantsATenant(t *testing.T) {
	long(t)
	t.Parallel()
	source, err := promql.New(engines["Mimir"](t).reads, http.DefaultTransport, promql.Options{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Holds(t.Context(), "vector(1)", time.Now()); err == nil || !strings.Contains(err.Error(), "no org id") {
		t.Errorf("without a tenant: %v", err)
	}
}

// What was done for a recommendation is one trace in Jaeger, whose collector nobody of evenkeel's has written.
func TestBuiltJaegerHasTheWholeTrace(t *testing.T) {
	long(t)
	told := relaytest.FreeAddress(t)
	address := startOther(t, other{name: "Jaeger", program: built(t, "jaeger"), answers: "/api/services", args: func(_, address string) []string {
		args := []string{"--collector.otlp.http.host-port=" + told, "--query.http-server.host-port=" + address}
		for _, port := range []string{"admin.http", "collector.grpc-server", "collector.http-server", "collector.otlp.grpc", "query.grpc-server"} {
			args = append(args, "--"+port+".host-port="+relaytest.FreeAddress(t))
		}
		return args
	}})
	stop, err := collector.Start(t.Context(), "http://"+told, 1, "v1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	f, _ := newCompany(t)
	a := f.start(t, "a")
	c := a.open(t)
	if _, err := a.client.Approve(t.Context(), c.Recommendation.ID, ""); err != nil {
		t.Fatal(err)
	}
	a.ended(t, c.Recommendation.ID)
	a.end()
	if err := stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all struct{ Data []struct{ Spans []span } }
	await(t, "Jaeger to have it", func() error {
		_, body, err := fetch(http.DefaultClient, "http://"+address+"/api/traces?service=evenkeel&operation=recommendation", "")
		if err == nil {
			err = json.Unmarshal([]byte(body), &all)
		}
		if err == nil && len(all.Data) == 0 {
			err = errors.New("there is none")
		}
		return err
	})
	spans := map[string]span{}
	for _, s := range all.Data[0].Spans {
		spans[s.OperationName] = s
	}
	whole := spans["recommendation"]
	for _, step := range []string{"act", "find out what came of it"} {
		if refs := spans[step].References; len(refs) != 1 || refs[0].SpanID != whole.SpanID {
			t.Errorf("%q is no part of the recommendation: %+v", step, all.Data[0].Spans)
		}
	}
	said := map[string]any{}
	for _, tag := range whole.Tags {
		said[tag.Key] = tag.Value
	}
	if said["id"] != c.Recommendation.ID || said["approved_by"] != "operator" || said["cluster"] != "demo" || said["server"] != a.node.id {
		t.Errorf("it says of itself %v", said)
	}
}

// span is one of Jaeger's.
type span struct {
	SpanID        string `json:"spanID"`
	OperationName string
	References    []struct {
		SpanID string `json:"spanID"`
	}
	Tags []struct {
		Key   string
		Value any
	}
}
