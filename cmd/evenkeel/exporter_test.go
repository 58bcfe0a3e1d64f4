package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/exporter"
	"github.com/evenkeel/evenkeel/exporter/stat"
)

type fakeReader struct {
	uri  string
	hung bool
}

func (r fakeReader) URI() string { return r.uri }

func (r fakeReader) Read(ctx context.Context) (stat.Host, error) {
	if r.hung {
		<-ctx.Done()
		return stat.Host{}, ctx.Err()
	}
	return stat.Host{Name: "h1", CPU: stat.HostCPU{Logical: 4}}, nil
}

func TestAHungHostDoesNotOutlastTheScrape(t *testing.T) {
	e := exporter.New(exporter.Options{Readers: []exporter.Reader{fakeReader{uri: "good"}, fakeReader{uri: "hung", hung: true}}, Timeout: time.Minute, Log: slog.New(slog.DiscardHandler)})
	h, err := exporterHandler(e, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "0.6")
	for range 2 { // the second finds the collectors of the first gone
		answer, start := httptest.NewRecorder(), time.Now()
		h.ServeHTTP(answer, req)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("it took %s, the scrape waits 0.6 s", took)
		}
		for _, want := range []string{`evenkeel_host_cpus{host="h1"} 4`, `evenkeel_exporter_libvirt_up{uri="hung"} 0`, "go_goroutines", "evenkeel_build_info"} {
			if !strings.Contains(answer.Body.String(), want) {
				t.Errorf("status %d without %s", answer.Code, want)
			}
		}
	}
}

func TestTheScrapeTimeoutLeavesTimeToSend(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 8 * time.Second, "soon": 8 * time.Second, "NaN": 8 * time.Second, "-1": 8 * time.Second, "60": 8 * time.Second, "+Inf": 8 * time.Second,
		"5": 4500 * time.Millisecond, "8.2": 7700 * time.Millisecond, "0.6": 300 * time.Millisecond,
	} {
		h := http.Header{}
		h.Set("X-Prometheus-Scrape-Timeout-Seconds", header)
		if got := scrapeTimeout(h, 8*time.Second).Round(time.Millisecond); got != want {
			t.Errorf("%q gives %s, want %s", header, got, want)
		}
	}
}

func TestTooManyScrapesAtOnceAreTurnedAway(t *testing.T) {
	e := exporter.New(exporter.Options{Readers: []exporter.Reader{fakeReader{uri: "hung", hung: true}}, Timeout: time.Minute, Log: slog.New(slog.DiscardHandler)})
	h, err := exporterHandler(e, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	codes := make(chan int)
	for range maxScrapes + 1 {
		go func() {
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil).WithContext(ctx))
			codes <- answer.Code
		}()
	}
	if code := <-codes; code != http.StatusServiceUnavailable {
		t.Errorf("the first answer is %d while the others hang", code)
	}
	cancel()
	for range maxScrapes {
		if code := <-codes; code != http.StatusOK {
			t.Errorf("an answer is %d", code)
		}
	}
}
