// Package tracing says what was done for a recommendation and how long each step took, down to the calls of libvirt and fence agents, to
// whoever listens by the context: nobody, and at no cost, where no trace was begun. It knows no library, so that the hosts' program stays small.
package tracing

import "context"

// Begin begins a step; about are keys and values. What is returned ends it, with what went wrong.
type Begin func(ctx context.Context, what string, about ...string) (context.Context, func(error))

type key struct{}

// With returns a context under which steps are told to begin.
func With(ctx context.Context, begin Begin) context.Context {
	return context.WithValue(ctx, key{}, begin)
}

// Step begins a part of what the context is for; where nobody listens it does nothing.
func Step(ctx context.Context, what string, about ...string) (context.Context, func(error)) {
	if begin, ok := ctx.Value(key{}).(Begin); ok {
		return begin(ctx, what, about...)
	}
	return ctx, func(error) {}
}
