package slack

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"
)

// maxBody caps a request, in bytes: Slack sends the whole message along with a click on it.
const maxBody = 1 << 20

// serve takes a click that Slack sends by HTTP. It acknowledges at once, as Slack waits 3 s at most; what is
// to be done is done afterwards.
func (s *Slack) serve(w http.ResponseWriter, r *http.Request) {
	if s.o.SigningSecret == "" {
		http.Error(w, "Slack's requests are not taken here: no signing secret is configured", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "Slack sends POST", http.StatusMethodNotAllowed)
		return
	}
	body, status, err := s.genuine(w, r)
	if err != nil {
		result := clickForged
		if status == http.StatusConflict {
			result = clickReplayed
		}
		s.metrics.clicked(result)
		s.log.Warn("a request that says it is Slack's was not taken", "why", result, "err", err, "remote", r.RemoteAddr)
		http.Error(w, err.Error(), status)
		return
	}
	c, err := decode(payloadOf(body))
	switch {
	case errors.Is(err, errIgnored):
	case err != nil:
		s.metrics.clicked(clickRefused)
		s.log.Warn("a request of Slack's could not be read", "err", err)
		http.Error(w, err.Error(), http.StatusBadRequest)
	case !s.take(c):
		s.seen.forget(signatureOf(r))
		http.Error(w, "too many clicks wait, please try again in a minute", http.StatusServiceUnavailable)
	}
}

// genuine returns the body of a request that Slack signed and that has not arrived before, or the status
// to refuse it with.
func (s *Slack) genuine(w http.ResponseWriter, r *http.Request) ([]byte, int, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("read the request: %w", err)
	}
	verifier, err := slack.NewSecretsVerifier(r.Header, s.o.SigningSecret)
	if err != nil {
		return nil, http.StatusUnauthorized, fmt.Errorf("verify the request: %w", err)
	}
	if _, err := verifier.Write(body); err != nil {
		return nil, http.StatusUnauthorized, fmt.Errorf("verify the request: %w", err)
	}
	if err := verifier.Ensure(); err != nil {
		return nil, http.StatusUnauthorized, fmt.Errorf("verify the request: %w", err)
	}
	stamp, err := strconv.ParseInt(r.Header.Get("X-Slack-Request-Timestamp"), 10, 64)
	if err != nil {
		return nil, http.StatusUnauthorized, fmt.Errorf("verify the request: %w", err)
	}
	if s.seen.before(time.Unix(stamp, 0)) {
		return nil, http.StatusConflict, errors.New("this server has started since the click, and cannot tell whether it counted already; please click again")
	}
	if !s.seen.first(signatureOf(r), time.Now()) {
		return nil, http.StatusConflict, errors.New("this request has arrived before")
	}
	return body, http.StatusOK, nil
}

// signatureOf is the request's signature in one spelling: upper-case digits verify as well.
func signatureOf(r *http.Request) string {
	return strings.ToLower(r.Header.Get("X-Slack-Signature"))
}

// payloadOf is the interaction in a form, empty when there is none.
func payloadOf(body []byte) []byte {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil
	}
	return []byte(values.Get("payload"))
}
