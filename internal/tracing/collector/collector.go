// Package collector tells an OpenTelemetry collector what internal/tracing says.
package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/evenkeel/evenkeel/internal/tracing"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// name is what the spans are told to come from.
const name = "github.com/evenkeel/evenkeel"

const (
	// sendTimeout bounds one attempt to tell the collector.
	sendTimeout = 5 * time.Second
	// mostWaiting is how many spans wait to be told; what is more is lost.
	mostWaiting = 4096
)

// Start has spans told to the collector at the URL (OTLP over HTTP: http://HOST:4318 or https://), of so many of all recommendations, as
// a ratio from 0 to 1. A collector that does not answer holds up nothing. Stop tells what is left and ends it.
func Start(ctx context.Context, endpoint string, ratio float64, version string, log *slog.Logger) (stop func(context.Context) error, err error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is no address of a collector; write http://HOST:4318 or https://HOST:4318", endpoint)
	}
	if !(ratio >= 0 && ratio <= 1) {
		return nil, fmt.Errorf("%g is no ratio from 0 to 1", ratio)
	}
	options := []otlptracehttp.Option{otlptracehttp.WithEndpoint(u.Host), otlptracehttp.WithTimeout(sendTimeout)}
	if u.Scheme == "http" {
		options = append(options, otlptracehttp.WithInsecure())
	}
	if u.Path != "" && u.Path != "/" {
		options = append(options, otlptracehttp.WithURLPath(u.Path))
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("reach the collector %s: %w", endpoint, err)
	}
	of := resource.NewSchemaless(attribute.String("service.name", "evenkeel"), attribute.String("service.version", version))
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter, sdk.WithMaxQueueSize(mostWaiting)), sdk.WithResource(of), sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(ratio))))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("spans are not told", "collector", endpoint, "err", err) }))
	otel.SetTracerProvider(provider)
	return provider.Shutdown, nil
}

// Root begins a span that is part of no other, as of a time; about are keys and values. Steps under its context are parts of it. What is
// returned ends it, with what went wrong. It does nothing, and costs little, where no collector was started.
func Root(ctx context.Context, what string, since time.Time, about ...string) (context.Context, func(error)) {
	return begin(tracing.With(ctx, step), what, about, trace.WithNewRoot(), trace.WithTimestamp(since))
}

func step(ctx context.Context, what string, about ...string) (context.Context, func(error)) {
	return begin(ctx, what, about)
}

func begin(ctx context.Context, what string, about []string, options ...trace.SpanStartOption) (context.Context, func(error)) {
	ctx, span := otel.Tracer(name).Start(ctx, what, options...)
	for i := 0; i+1 < len(about); i += 2 {
		span.SetAttributes(attribute.String(about[i], about[i+1]))
	}
	return ctx, func(err error) {
		if err != nil && !errors.Is(err, context.Canceled) {
			span.RecordError(err)
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}
