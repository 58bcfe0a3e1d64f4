package collector

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/tracing"
	otlp "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	v1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collected is a collector that takes what it is told.
type collected struct {
	mu    sync.Mutex
	spans []*v1.Span
}

func (c *collected) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var told otlp.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &told)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "what is that?", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range told.ResourceSpans {
		for _, scope := range of.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
}

func TestARecommendationAndItsStepsAreTold(t *testing.T) {
	ctx := context.Background()
	if _, end := tracing.Step(ctx, "before there is anything"); end == nil {
		t.Fatal("nothing ends it")
	}
	c := &collected{}
	srv := httptest.NewServer(c)
	defer srv.Close()
	stop, err := Start(ctx, srv.URL, 1, "v1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, alone := tracing.Step(ctx, "of no recommendation")
	alone(nil)
	made := time.Now().Add(-time.Minute)
	root, over := Root(ctx, "recommendation", made, "id", "abc")
	_, done := tracing.Step(root, "libvirt: migrate")
	done(errors.New("the host is gone"))
	over(nil)
	if err := stop(ctx); err != nil {
		t.Fatal(err)
	}
	if len(c.spans) != 2 || c.spans[0].Name != "libvirt: migrate" || c.spans[1].Name != "recommendation" {
		t.Fatalf("told: %v", c.spans)
	}
	step, all := c.spans[0], c.spans[1]
	if string(step.ParentSpanId) != string(all.SpanId) || string(step.TraceId) != string(all.TraceId) || step.Status.Code != v1.Status_STATUS_CODE_ERROR || step.Status.Message != "the host is gone" {
		t.Errorf("the step is %v of %v", step, all)
	}
	if got := time.Unix(0, int64(all.StartTimeUnixNano)); !got.Equal(made.Truncate(0)) || all.Attributes[0].Value.GetStringValue() != "abc" {
		t.Errorf("it began %s, want %s: %v", got, made, all.Attributes)
	}
}

func TestWhatIsNoCollector(t *testing.T) {
	for _, endpoint := range []string{"", "collector:4318", "ftp://collector", "http://"} {
		if _, err := Start(context.Background(), endpoint, 1, "v1", slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%q is taken", endpoint)
		}
	}
	if _, err := Start(context.Background(), "http://localhost:4318", 1.5, "v1", slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a ratio of 1.5 is taken")
	}
}
