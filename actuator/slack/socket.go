package slack

import (
	"context"
	"errors"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"
)

const (
	// maxEnvelope caps what is read of one message from the socket, in bytes.
	maxEnvelope = 1 << 20
	// ackTimeout is how long an acknowledgement may wait for the socket; Slack sends again what it misses.
	ackTimeout = 2 * time.Second
)

// listen holds a Socket Mode connection until ctx ends. The client connects again by itself; when it gives up, as
// on a wrong token, or would pause too long, a new one begins.
func (s *Slack) listen(ctx context.Context) {
	trouble := waiting{}
	for ctx.Err() == nil {
		began := time.Now()
		err := s.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if !errors.Is(err, errTooPatient) { // whose tries have been counted one by one
			s.metrics.called(openConnections, resultOf(err))
		}
		if time.Since(began) > maxPause {
			trouble = waiting{}
		}
		trouble = trouble.failed(err, time.Now(), s.o.Every)
		s.log.Error("Socket Mode ended", "err", err, "advice", advice(err), "again", trouble.until)
		pause(ctx, time.Until(trouble.until), nil)
	}
}

// errTooPatient ends a client whose pauses have grown too long.
var errTooPatient = errors.New("the pauses between tries have grown too long, they begin anew")

// session works with one client until it gives up.
func (s *Slack) session(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	client := socketmode.New(s.line.api, socketmode.OptionReadLimit(maxEnvelope))
	ended := make(chan error, 1)
	go func() { ended <- client.RunContext(ctx) }()
	for {
		select {
		case err := <-ended:
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return err
		case e := <-client.Events:
			if err := s.event(ctx, client, e); err != nil {
				cancel(err)
			}
		}
	}
}

// event deals with one thing that happened on the socket. An error ends the session.
func (s *Slack) event(ctx context.Context, client *socketmode.Client, e socketmode.Event) error {
	switch e.Type {
	case socketmode.EventTypeConnected:
		s.metrics.called(openConnections, callDone)
		s.log.Info("Socket Mode connected")
	case socketmode.EventTypeConnectionError:
		if failed, ok := e.Data.(*slack.ConnectionErrorEvent); ok {
			s.metrics.called(openConnections, resultOf(failed.ErrorObj))
			s.log.Warn("Socket Mode cannot connect", "err", failed.ErrorObj, "again_in", failed.Backoff)
			if _, asked := rateLimit(failed.ErrorObj); failed.Backoff > maxPause && !asked {
				return errTooPatient
			}
		}
	case socketmode.EventTypeErrorBadMessage:
		s.metrics.clicked(clickRefused)
		if bad, ok := e.Data.(*socketmode.ErrorBadMessage); ok { // the message itself is for nobody's eyes
			s.log.Warn("a message from the socket could not be read", "err", bad.Cause)
		}
	case socketmode.EventTypeInteractive, socketmode.EventTypeEventsAPI, socketmode.EventTypeSlashCommand:
		if e.Request != nil {
			s.envelope(ctx, client, *e.Request, e.Type == socketmode.EventTypeInteractive)
		}
	}
	return nil
}

// envelope takes a click and acknowledges it. One that finds no room is not acknowledged: Slack sends it again.
func (s *Slack) envelope(ctx context.Context, client *socketmode.Client, r socketmode.Request, interactive bool) {
	key := "envelope " + r.EnvelopeID
	switch first := s.seen.first(key, time.Now()); {
	case !first:
		s.metrics.clicked(clickReplayed)
		s.log.Warn("an envelope of Slack's has arrived before", "envelope", r.EnvelopeID)
	case interactive:
		c, err := decode(r.Payload)
		if err != nil && !errors.Is(err, errIgnored) {
			s.metrics.clicked(clickRefused)
			s.log.Warn("an interaction could not be read", "err", err)
		}
		if err == nil && !s.take(c) {
			s.seen.forget(key)
			return
		}
	}
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	if err := client.AckCtx(ctx, r.EnvelopeID, nil); err != nil {
		s.log.Warn("an envelope could not be acknowledged, Slack sends it again", "envelope", r.EnvelopeID, "err", err)
	}
}
