// Package permit lets what changes something outside ask, directly in front of the call, whether it still may: who led when an
// action began may have been deposed since.
package permit

import "context"

type key struct{}

// With returns a context under which ask is asked before each change. Its error says why nothing may be changed any more.
func With(ctx context.Context, ask func(context.Context) error) context.Context {
	return context.WithValue(ctx, key{}, ask)
}

// Ask returns why nothing may be changed under the context; nil where it may, or where nobody is to be asked.
func Ask(ctx context.Context) error {
	if ask, ok := ctx.Value(key{}).(func(context.Context) error); ok {
		return ask(ctx)
	}
	return nil
}
