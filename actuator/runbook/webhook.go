package runbook

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxBody caps a notification, in bytes. An alert has about 1 KiB; max_alerts of the receiver bounds how many come.
const maxBody = 1 << 20

// tokenHeader carries the token where Authorization carries the password of the web server.
const tokenHeader = "X-Evenkeel-Token"

// Handler takes Alertmanager's notifications, by POST at whatever path it is mounted. It answers when what follows from one is
// on disk; all else is done afterwards.
func (r *Room) Handler() http.Handler { return http.HandlerFunc(r.serve) }

func (r *Room) serve(w http.ResponseWriter, req *http.Request) {
	result, status, err := r.take(w, req)
	r.metrics.notified(result)
	if err == nil {
		return
	}
	if status != http.StatusTooManyRequests {
		r.log.Warn("a notification of Alertmanager's was not taken", "audit", status == http.StatusUnauthorized, "why", result, "err", err, "from", req.RemoteAddr)
	}
	http.Error(w, err.Error(), status)
}

// take returns how the notification was taken and, with an error, the status to answer. Alertmanager tries again after 429 and
// 5xx and gives up after other errors.
func (r *Room) take(w http.ResponseWriter, req *http.Request) (result string, status int, err error) {
	if status, err := r.admit(req); err != nil {
		return notifiedUnauthorised, status, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return notifiedInvalid, http.StatusRequestEntityTooLarge, fmt.Errorf("the notification has more than %d bytes; set max_alerts in the receiver's webhook_configs", maxBody)
	case err != nil:
		return notifiedInvalid, http.StatusBadRequest, fmt.Errorf("read the notification: %w", err)
	}
	n, err := decode(body)
	if err != nil {
		return notifiedInvalid, http.StatusBadRequest, fmt.Errorf("read the notification: %w", err)
	}
	if err := r.accept(n, time.Now()); err != nil {
		return notifiedFailed, http.StatusServiceUnavailable, fmt.Errorf("the notification is not taken: %w", err)
	}
	return notifiedAccepted, http.StatusOK, nil
}

// admit lets those through who know the token.
func (r *Room) admit(req *http.Request) (status int, err error) {
	r.mu.Lock()
	secret := r.secret
	r.mu.Unlock()
	given := req.Header.Get(tokenHeader)
	if bearer, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer "); ok && given == "" {
		given = bearer
	}
	want, got := sha256.Sum256([]byte(secret)), sha256.Sum256([]byte(strings.TrimSpace(given)))
	switch {
	case secret == "":
		return http.StatusNotFound, errors.New("notifications of Alertmanager's are not taken here: no alertmanager.token_file is configured")
	case req.Method != http.MethodPost:
		return http.StatusMethodNotAllowed, errors.New("a notification comes by POST")
	case subtle.ConstantTimeCompare(want[:], got[:]) == 1:
		return http.StatusOK, nil
	case !r.strange.Allow():
		return http.StatusTooManyRequests, errors.New("too many requests with a wrong token; wait a second")
	}
	return http.StatusUnauthorized, errors.New("the token is missing or wrong: give http_config.authorization.credentials_file of the receiver what alertmanager.token_file holds")
}
