package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/engine"
	"github.com/evenkeel/evenkeel/internal/relaytest"
)

// deaf listens and never answers: a Prometheus that hangs.
func deaf(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open []net.Conn
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open = append(open, c)
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	return "http://" + l.Addr().String()
}

// One server looks after two clusters. The one whose Prometheus hangs, and whose hosts do not answer, holds up nothing of the other: that is seen,
// advised on and acted upon, by its own policy and in its own journal.
func TestAClusterThatHangsDoesNotHoldUpAnother(t *testing.T) {
	long(t)
	t.Parallel()
	live, hosts, err := demoCluster(60)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	exporters, err := listenExporters(live, hosts, log)
	if err != nil {
		t.Fatal(err)
	}
	inBackground(t, exporters.run, clockwork(live))
	dir, good, bad := t.TempDir(), relaytest.FreeAddress(t), relaytest.FreeAddress(t)
	write(t, filepath.Join(dir, "good.yml"), demoConfig(hosts, exporters.addresses()))
	write(t, filepath.Join(dir, "bad.yml"), strings.Replace(demoConfig(hosts, exporters.addresses()), "cluster: demo", "cluster: hung", 1))
	file := write(t, filepath.Join(dir, "clusters.yml"), fmt.Sprintf(`clusters:
  - {config_file: bad.yml, storage_path: bad, listen_addresses: [%q], prometheus_urls: [%q]}
  - {config_file: good.yml, storage_path: good, listen_addresses: [%q]}
`, bad, deaf(t), good))
	f, err := newFleet(file, serverFlags{}, func() driver { return simulated{live} }, log)
	if err != nil {
		t.Fatal(err)
	}
	inBackground(t, f.run)
	secret, err := os.ReadFile(filepath.Join(dir, "good", "token"))
	if err != nil {
		t.Fatal(err)
	}
	m := &member{client: api.NewClient("http://"+good, strings.TrimSpace(string(secret)), nil), url: "http://" + good}
	c := m.open(t)
	if _, err := m.client.Approve(t.Context(), c.Recommendation.ID, ""); err != nil {
		t.Fatal(err)
	}
	if got := m.ended(t, c.Recommendation.ID); got.Outcome == nil || got.Outcome.RunsOn != c.Recommendation.Action.To {
		t.Errorf("it ended as %s: %+v", got.State, got.Outcome)
	}
	hung := &member{client: api.NewClient("http://"+bad, "", nil), url: "http://" + bad}
	st, err := hung.client.Status(t.Context())
	if err != nil || !st.SnapshotAt.IsZero() || st.Cluster == "demo" {
		t.Errorf("the cluster that hangs says %+v, %v", st, err)
	}
	if _, err := api.NewClient("http://"+bad, strings.TrimSpace(string(secret)), nil).Approve(t.Context(), "x", ""); err == nil || !strings.Contains(err.Error(), "not one that the server knows") {
		t.Errorf("the token of one cluster is good for the other: %v", err)
	}
	if a, b := metric(t, m, `evenkeel_analyzer_passes_total{result="success"}`), metric(t, hung, `evenkeel_analyzer_passes_total{result="success"}`); strings.HasSuffix(a, " 0") || !strings.HasSuffix(b, " 0") {
		t.Errorf("passes: %q and %q", a, b)
	}
}

func TestClustersHaveNamesOfTheirOwn(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yml"), oneHost)
	write(t, filepath.Join(dir, "b.yml"), oneHost)
	file := write(t, filepath.Join(dir, "clusters.yml"), fmt.Sprintf(`clusters:
  - {config_file: a.yml, storage_path: a, listen_addresses: [%q]}
  - {config_file: b.yml, storage_path: b, listen_addresses: [%q]}
`, relaytest.FreeAddress(t), relaytest.FreeAddress(t)))
	if _, err := newFleet(file, serverFlags{}, func() driver { return simulated{} }, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "clusters[1]: it is called tiny, as clusters[0] is") {
		t.Errorf("it gives %v", err)
	}
	write(t, filepath.Join(dir, "b.yml"), strings.Replace(oneHost, "tiny", "other", 1))
	f, err := newFleet(file, serverFlags{}, func() driver { return simulated{} }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("the attempt before holds what it opened: %v", err)
	}
	if err := f.close(); err != nil {
		t.Error(err)
	}
}

// A cluster whose server ends is begun anew, and the other goes on meanwhile.
func TestAClusterThatFailsIsBegunAnew(t *testing.T) {
	t.Parallel()
	live, _, err := demoCluster(60)
	if err != nil {
		t.Fatal(err)
	}
	dir, good, bad := t.TempDir(), relaytest.FreeAddress(t), relaytest.FreeAddress(t)
	for _, name := range []string{"good", "bad"} {
		write(t, filepath.Join(dir, name+".yml"), strings.Replace(oneHost, "tiny", name, 1))
	}
	file := write(t, filepath.Join(dir, "clusters.yml"), fmt.Sprintf(`clusters:
  - {config_file: bad.yml, storage_path: bad, listen_addresses: [%q]}
  - {config_file: good.yml, storage_path: good, listen_addresses: [%q]}
`, bad, good))
	taken, err := net.Listen("tcp", bad) // so that it cannot listen
	if err != nil {
		t.Fatal(err)
	}
	f, err := newFleet(file, serverFlags{}, func() driver { return simulated{live} }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	inBackground(t, f.run)
	healthy := func(address string) error {
		resp, err := http.Get("http://" + address + "/-/healthy")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	}
	await(t, "the good one", func() error { return healthy(good) })
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, "the bad one, once it can", func() error { return healthy(bad) })
	if err := healthy(good); err != nil {
		t.Errorf("the good one ended: %v", err)
	}
}

// One server looks after two clusters. Passes of the one, which is large, out of balance and has no limit to its plans, take longer than its interval, so that
// there is always one. Meanwhile the other is looked at at each of its own.
func TestAHugePlanDoesNotHoldUpAnotherCluster(t *testing.T) {
	long(t)
	s := startScraped(t)
	text, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	dir, small, huge := t.TempDir(), relaytest.FreeAddress(t), relaytest.FreeAddress(t)
	write(t, filepath.Join(dir, "small.yml"), strings.Replace(string(text), "interval: 4s", "interval: 1s", 1))
	many, prometheus := hugeCluster(t, 400)
	of := "cluster: huge\nscrape: {interval: 15s}\nanalysis: {interval: 1s, window: 2m, max_data_age: 2m, max_moves: 100000}\nmigration: {tls: \"off\"}\nstability: {hold_rounds: 1}\nhosts:\n"
	for _, name := range many {
		of += fmt.Sprintf("  - {name: %s, uri: \"simulated://%s\"}\n", name, name)
	}
	write(t, filepath.Join(dir, "huge.yml"), of)
	file := write(t, filepath.Join(dir, "clusters.yml"), fmt.Sprintf(`clusters:
  - {config_file: huge.yml, storage_path: huge, listen_addresses: [%q], prometheus_urls: [%q]}
  - {config_file: small.yml, storage_path: small, listen_addresses: [%q]}
`, huge, prometheus, small))
	f, err := newFleet(file, serverFlags{}, func() driver { return simulated{s.live} }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	inBackground(t, f.run)
	reach := func(name, address string) *member {
		var secret []byte
		await(t, name+" to have a token", func() (err error) {
			secret, err = os.ReadFile(filepath.Join(dir, name, "token"))
			return err
		})
		return &member{client: api.NewClient("http://"+address, strings.TrimSpace(string(secret)), nil), url: "http://" + address}
	}
	one, other := reach("small", small), reach("huge", huge)
	await(t, "a huge plan", func() error {
		all, err := other.client.Recommendations(t.Context(), "open")
		if err == nil && len(all) < len(many) {
			err = fmt.Errorf("%d recommendations", len(all))
		}
		return err
	})
	passes := func(m *member) int {
		line := metric(t, m, `evenkeel_analyzer_passes_total{result="success"}`)
		n, err := strconv.Atoi(line[strings.LastIndex(line, " ")+1:])
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		return n
	}
	// Between two passes of the huge cluster is less than a second, in which the small one has one of its own.
	await(t, "three passes of the small cluster while the huge one has none", func() error {
		began, within, nth := passes(one), 0, passes(other)
		for passes(other) == nth {
			within = passes(one) - began
			time.Sleep(50 * time.Millisecond)
		}
		if within < 3 {
			t.Log(within)
			return fmt.Errorf("there were %d; if the huge one passes within a second, it takes more hosts", within)
		}
		return nil
	})
	c := one.open(t)
	if _, err := one.client.Approve(t.Context(), c.Recommendation.ID, ""); err != nil {
		t.Fatal(err)
	}
	if got := one.ended(t, c.Recommendation.ID); got.Outcome == nil || got.Outcome.RunsOn != c.Recommendation.Action.To {
		t.Errorf("it ended as %s: %+v", got.State, got.Outcome)
	}
}

// hugeCluster is a Prometheus that holds what so many hosts told in the last minutes, and will tell in the next.
func hugeCluster(t *testing.T, size int) (hosts []string, url string) {
	t.Helper()
	hosts, page := growthCluster(t, size)
	dir, now := t.TempDir(), time.Now()
	scrapePast(t, dir, page, now.Add(-3*time.Minute), now.Add(4*time.Minute))
	e, err := engine.Open(engine.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	inBackground(t, e.Run)
	srv := httptest.NewServer(e.Handler())
	t.Cleanup(srv.Close)
	return hosts, srv.URL
}
