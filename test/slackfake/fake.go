// Package slackfake stands in for Slack in tests: its Web API as far as evenkeel uses it, Socket Mode,
// and people who click. It keeps messages as they stand after every update, holds to Slack's limits,
// and can be down, slow or busy. It is written from Slack's documentation and knows nothing of evenkeel.
package slackfake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// What the fake takes as genuine.
const (
	BotToken      = "xoxb-fake"
	AppToken      = "xapp-fake"
	SigningSecret = "fake-signing-secret"
	// Channel is the ID of the only channel, ChannelName its name.
	Channel     = "C0FAKE"
	ChannelName = "#fake"
)

// Mode is how Slack is.
type Mode int

// The modes.
const (
	Up Mode = iota
	// Down answers 500.
	Down
	// Hanging takes requests and answers none.
	Hanging
	// Unreachable cuts every connection.
	Unreachable
)

// Message is a message as people see it.
type Message struct {
	TS, Text string
	Blocks   []Block
	// Updates counts how often it was changed.
	Updates int
	// Replies are the texts in its thread.
	Replies []string
}

// Whisper is an ephemeral message.
type Whisper struct{ User, Text string }

// View is a form that was opened.
type View struct {
	User, CallbackID, PrivateMetadata string
	Blocks                            []Block
}

// Fake is a running fake. It is safe for concurrent use.
type Fake struct {
	server *httptest.Server
	closed chan struct{}

	mu       sync.Mutex
	mode     Mode
	limited  int
	after    time.Duration
	refusals map[string]string
	groups   map[string][]string
	messages []Message
	whispers []Whisper
	views    []View
	triggers map[string]string // by trigger, who clicked
	expired  bool
	calls    map[string]int
	sockets  []*socket
	acked    map[string]bool
	count    int
}

// socket is one Socket Mode connection; writes take turns.
type socket struct {
	mu   sync.Mutex
	conn *websocket.Conn
}

func (s *socket) send(v any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn.WriteJSON(v)
}

// Start starts a fake on a free port.
func Start() *Fake {
	f := &Fake{closed: make(chan struct{}), refusals: map[string]string{}, groups: map[string][]string{},
		triggers: map[string]string{}, calls: map[string]int{}, acked: map[string]bool{}}
	f.server = httptest.NewServer(f)
	return f
}

// Close ends the fake.
func (f *Fake) Close() {
	close(f.closed)
	f.Disconnect()
	f.server.CloseClientConnections()
	f.server.Close()
}

// URL is the root of the Web API.
func (f *Fake) URL() string { return f.server.URL + "/api/" }

// Be sets how Slack is from now on. Sockets are cut but when it is up.
func (f *Fake) Be(m Mode) {
	f.mu.Lock()
	f.mode = m
	f.mu.Unlock()
	if m != Up {
		f.Disconnect()
	}
}

// Limit answers the next n calls with 429 and the time to wait, in whole seconds.
func (f *Fake) Limit(n int, after time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.limited, f.after = n, after
}

// Refuse has a method answer with an error until it is called with an empty one.
func (f *Fake) Refuse(method, code string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refusals[method] = code
}

// ExpireTriggers has every form come too late.
func (f *Fake) ExpireTriggers() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expired = true
}

// Group sets the members of a user group.
func (f *Fake) Group(id string, users ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.groups[id] = users
}

// Delete deletes a message, as a person can.
func (f *Fake) Delete(ts string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.messages = slices.DeleteFunc(f.messages, func(m Message) bool { return m.TS == ts })
}

// Messages returns the channel's messages, oldest first.
func (f *Fake) Messages() []Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := slices.Clone(f.messages)
	for i := range list {
		list[i].Replies = slices.Clone(list[i].Replies)
	}
	return list
}

// Whispers returns the ephemeral messages, oldest first.
func (f *Fake) Whispers() []Whisper {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.whispers)
}

// Views returns the forms that were opened, oldest first.
func (f *Fake) Views() []View {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.views)
}

// Calls counts the calls of a method, those that failed as well.
func (f *Fake) Calls(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[method]
}

// id makes a name that was not used before.
func (f *Fake) id(prefix string) string {
	f.count++
	return fmt.Sprintf("%s%d", prefix, f.count)
}

// find returns the message; mu is held.
func (f *Fake) find(ts string) *Message {
	for i := range f.messages {
		if f.messages[i].TS == ts {
			return &f.messages[i]
		}
	}
	return nil
}

func answer(w http.ResponseWriter, v map[string]any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}

func wrong(w http.ResponseWriter, code string) { answer(w, map[string]any{"ok": false, "error": code}) }
