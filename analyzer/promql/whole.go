package promql

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// whole is a server whose answers count where they are whole. One that warns, as Thanos does of stores that did not answer, holds back hosts and
// VMs, and these would look as if they were gone. Its errors name the server and never show what is secret in its address.
type whole struct {
	v1.API
	name string
}

// Query is part of v1.API.
func (w whole) Query(ctx context.Context, query string, at time.Time, o ...v1.Option) (model.Value, v1.Warnings, v1.Infos, error) {
	room := &vectorRoom{}
	value, warnings, infos, err := w.API.Query(context.WithValue(ctx, vectorKey{}, room), query, at, o...)
	if room.filled && err == nil {
		value = room.vector
	}
	return value, warnings, infos, w.check(warnings, err)
}

// QueryRange is part of v1.API.
func (w whole) QueryRange(ctx context.Context, query string, over v1.Range, o ...v1.Option) (model.Value, v1.Warnings, v1.Infos, error) {
	value, warnings, infos, err := w.API.QueryRange(ctx, query, over, o...)
	return value, warnings, infos, w.check(warnings, err)
}

func (w whole) check(warnings v1.Warnings, err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err // without the address
	}
	var refused *v1.Error
	if errors.As(err, &refused) && refused.Detail != "" {
		err = fmt.Errorf("%w: %s", err, brief(refused.Detail)) // which the error itself leaves out
	}
	if err != nil {
		return fmt.Errorf("%s: %w", w.name, err)
	}
	if len(warnings) > 0 {
		return fmt.Errorf("%s warns that its answer may not be whole: %s", w.name, strings.Join(warnings, "; "))
	}
	return nil
}

// brief is the first line of what a server said, and no more of it than a person reads.
func brief(said string) string {
	const most = 200
	line, _, _ := strings.Cut(strings.TrimSpace(said), "\n")
	if len(line) > most {
		line = strings.ToValidUTF8(line[:most], "") + "…"
	}
	return strconv.Quote(line)
}

// shown is an address as it may be shown: without its password, and without parameters, which may be secret as well.
func shown(address string) (string, error) {
	u, err := url.Parse(address)
	if err == nil && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return "", errors.New("is no address; write http://HOST:PORT or https://HOST:PORT")
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	if err != nil {
		return "", fmt.Errorf("is no address: %w", err)
	}
	u.RawQuery, u.Fragment = "", ""
	return u.Redacted(), nil
}
