package slackfake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// ackWithin is how long Slack waits for an acknowledgement.
const ackWithin = 3 * time.Second

// Disconnect cuts every socket, as Slack does from time to time.
func (f *Fake) Disconnect() {
	f.mu.Lock()
	sockets := slices.Clone(f.sockets)
	f.mu.Unlock()
	for _, s := range sockets {
		f.cut(s)
	}
}

// Connected tells whether a socket is open.
func (f *Fake) Connected() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.sockets) > 0
}

// Payload is what Slack sends when the user clicks the button with that action and value, or with that action when
// no value is given, on the newest message that has it.
func (f *Fake) Payload(user, action, value string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := errors.New("there is no message")
	for i := len(f.messages) - 1; i >= 0; i-- {
		m := f.messages[i]
		var b Block
		var e Element
		if b, e, err = m.Button(action, value); err == nil {
			return f.click(user, m, b, e)
		}
	}
	return nil, err
}

// click is the payload; mu is held.
func (f *Fake) click(user string, m Message, b Block, e Element) ([]byte, error) {
	trigger := f.id("trigger.")
	f.triggers[trigger] = user
	return json.Marshal(map[string]any{
		"type": "block_actions", "api_app_id": "A0FAKE", "token": "deprecated", "trigger_id": trigger,
		"user":         person(user),
		"team":         map[string]any{"id": "T0FAKE", "domain": "fake"},
		"channel":      map[string]any{"id": Channel, "name": "fake"},
		"container":    map[string]any{"type": "message", "message_ts": m.TS, "channel_id": Channel, "is_ephemeral": false},
		"message":      map[string]any{"type": "message", "ts": m.TS, "text": m.Text, "bot_id": "B0FAKE", "blocks": m.Blocks},
		"state":        map[string]any{"values": map[string]any{}},
		"response_url": f.server.URL + "/response",
		"actions": []map[string]any{{"type": "button", "action_id": e.ActionID, "block_id": b.ID, "value": e.Value,
			"text": e.Text, "style": e.Style, "action_ts": fmt.Sprintf("%.6f", float64(time.Now().UnixMicro())/1e6)}},
	})
}

func person(user string) map[string]any {
	return map[string]any{"id": user, "username": strings.ToLower(user), "name": strings.ToLower(user), "team_id": "T0FAKE"}
}

// Submission is what Slack sends when the person submits the form with a text in its only field.
func (v View) Submission(block, action, text string) ([]byte, error) {
	return json.Marshal(map[string]any{
		"type": "view_submission", "api_app_id": "A0FAKE", "user": person(v.User), "team": map[string]any{"id": "T0FAKE"},
		"view": map[string]any{"type": "modal", "callback_id": v.CallbackID, "private_metadata": v.PrivateMetadata,
			"state": map[string]any{"values": map[string]any{block: map[string]any{action: map[string]any{"type": "plain_text_input", "value": text}}}}},
	})
}

// Envelope sends a payload over the newest socket under the ID, and waits for the acknowledgement.
func (f *Fake) Envelope(id string, payload []byte) error {
	f.mu.Lock()
	delete(f.acked, id)
	var s *socket
	if len(f.sockets) > 0 {
		s = f.sockets[len(f.sockets)-1]
	}
	f.mu.Unlock()
	if s == nil {
		return errors.New("no socket is open")
	}
	if err := s.send(map[string]any{"type": "interactive", "envelope_id": id, "accepts_response_payload": true, "payload": json.RawMessage(payload)}); err != nil {
		return err
	}
	for end := time.Now().Add(ackWithin); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		f.mu.Lock()
		done := f.acked[id]
		f.mu.Unlock()
		if done {
			return nil
		}
	}
	return fmt.Errorf("envelope %s was not acknowledged within %s", id, ackWithin)
}

// Send sends a payload over the newest socket, and waits for the acknowledgement.
func (f *Fake) Send(payload []byte) error {
	f.mu.Lock()
	id := f.id("envelope-")
	f.mu.Unlock()
	return f.Envelope(id, payload)
}

// Click has a user click a button; Slack tells over the socket.
func (f *Fake) Click(user, action, value string) error {
	payload, err := f.Payload(user, action, value)
	if err != nil {
		return err
	}
	return f.Send(payload)
}

// Request is the payload as Slack sends it by HTTP, signed at a time.
func Request(to string, payload []byte, at time.Time, secret string) (*http.Request, error) {
	body := url.Values{"payload": {string(payload)}}.Encode()
	r, err := http.NewRequest(http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	stamp := fmt.Sprint(at.Unix())
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Slack-Request-Timestamp", stamp)
	r.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	return r, nil
}
