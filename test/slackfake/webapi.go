package slackfake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// ServeHTTP answers the Web API and opens sockets.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/socket" {
		f.socket(w, r)
		return
	}
	method := strings.TrimPrefix(r.URL.Path, "/api/")
	f.mu.Lock()
	f.calls[method]++
	mode, limited, after, refusal := f.mode, f.limited > 0, f.after, f.refusals[method]
	if limited && mode == Up {
		f.limited--
	}
	f.mu.Unlock()
	switch {
	case mode == Down:
		http.Error(w, "<html>something went wrong</html>", http.StatusInternalServerError)
	case mode == Hanging:
		select {
		case <-f.closed:
		case <-r.Context().Done():
		}
	case mode == Unreachable:
		panic(http.ErrAbortHandler)
	case limited:
		w.Header().Set("Retry-After", fmt.Sprint(int(after.Seconds())))
		http.Error(w, `{"ok":false,"error":"ratelimited"}`, http.StatusTooManyRequests)
	case refusal != "":
		wrong(w, refusal)
	default:
		f.method(w, r, method)
	}
}

func (f *Fake) method(w http.ResponseWriter, r *http.Request, method string) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if token == "" {
		token = r.FormValue("token")
	}
	want := BotToken
	if method == "apps.connections.open" {
		want = AppToken
	}
	if token != want {
		wrong(w, "invalid_auth")
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch method {
	case "auth.test":
		answer(w, map[string]any{"ok": true, "user_id": "UBOT", "team_id": "T0FAKE", "user": "evenkeel"})
	case "apps.connections.open":
		answer(w, map[string]any{"ok": true, "url": "ws" + strings.TrimPrefix(f.server.URL, "http") + "/socket"})
	case "chat.postMessage":
		f.post(w, r)
	case "chat.update":
		f.update(w, r)
	case "chat.postEphemeral":
		f.whispers = append(f.whispers, Whisper{User: r.FormValue("user"), Text: r.FormValue("text")})
		answer(w, map[string]any{"ok": true, "message_ts": f.id("900.")})
	case "views.open":
		f.open(w, r)
	case "usergroups.users.list":
		users, ok := f.groups[r.FormValue("usergroup")]
		if !ok {
			wrong(w, "no_such_subteam")
			return
		}
		answer(w, map[string]any{"ok": true, "users": users})
	default:
		wrong(w, "unknown_method")
	}
}

// blocks reads the blocks of a request, or says what is wrong with them.
func blocks(r *http.Request) ([]Block, string) {
	var list []Block
	if text := r.FormValue("blocks"); text != "" {
		if json.Unmarshal([]byte(text), &list) != nil {
			return nil, "invalid_blocks_format"
		}
	}
	return list, fault(list)
}

func (f *Fake) post(w http.ResponseWriter, r *http.Request) {
	list, bad := blocks(r)
	text := r.FormValue("text")
	switch channel := r.FormValue("channel"); {
	case channel != Channel && channel != ChannelName:
		wrong(w, "channel_not_found")
		return
	case bad != "":
		wrong(w, bad)
		return
	case text == "" && len(list) == 0:
		wrong(w, "no_text")
		return
	case len(text) > 4000:
		wrong(w, "msg_too_long")
		return
	}
	ts := f.id("1000.")
	if thread := r.FormValue("thread_ts"); thread != "" {
		m := f.find(thread)
		if m == nil {
			wrong(w, "thread_not_found")
			return
		}
		m.Replies = append(m.Replies, text)
	} else {
		f.messages = append(f.messages, Message{TS: ts, Text: text, Blocks: list})
	}
	answer(w, map[string]any{"ok": true, "channel": Channel, "ts": ts})
}

func (f *Fake) update(w http.ResponseWriter, r *http.Request) {
	list, bad := blocks(r)
	m := f.find(r.FormValue("ts"))
	switch {
	case r.FormValue("channel") != Channel: // unlike posting, this takes no name
		wrong(w, "channel_not_found")
	case m == nil:
		wrong(w, "message_not_found")
	case bad != "":
		wrong(w, bad)
	default:
		m.Text, m.Blocks, m.Updates = r.FormValue("text"), list, m.Updates+1
		answer(w, map[string]any{"ok": true, "channel": Channel, "ts": m.TS, "text": m.Text})
	}
}

func (f *Fake) open(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Trigger string `json:"trigger_id"`
		View    struct {
			CallbackID      string  `json:"callback_id"`
			PrivateMetadata string  `json:"private_metadata"`
			Blocks          []Block `json:"blocks"`
		} `json:"view"`
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil {
		wrong(w, "invalid_json")
		return
	}
	user, ok := f.triggers[in.Trigger]
	delete(f.triggers, in.Trigger)
	switch {
	case !ok:
		wrong(w, "invalid_trigger_id")
	case f.expired:
		wrong(w, "expired_trigger_id")
	case len(in.View.PrivateMetadata) > 3000 || fault(in.View.Blocks) != "":
		wrong(w, "invalid_arguments")
	default:
		f.views = append(f.views, View{User: user, CallbackID: in.View.CallbackID, PrivateMetadata: in.View.PrivateMetadata, Blocks: in.View.Blocks})
		answer(w, map[string]any{"ok": true, "view": map[string]any{"id": f.id("V")}})
	}
}

// pingEvery is how often sockets are pinged; clients take silence for a broken line.
const pingEvery = 5 * time.Second

func (f *Fake) socket(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }} // clients say https://api.slack.com
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	s := &socket{conn: conn}
	f.mu.Lock()
	f.sockets = append(f.sockets, s)
	f.mu.Unlock()
	defer f.cut(s)
	if s.send(map[string]any{"type": "hello", "num_connections": 1, "connection_info": map[string]any{"app_id": "A0FAKE"}}) != nil {
		return
	}
	gone := make(chan struct{})
	defer close(gone)
	go s.ping(gone)
	for {
		var ack struct {
			EnvelopeID string `json:"envelope_id"`
		}
		if conn.ReadJSON(&ack) != nil {
			return
		}
		f.mu.Lock()
		f.acked[ack.EnvelopeID] = true
		f.mu.Unlock()
	}
}

// cut closes and forgets a socket.
func (f *Fake) cut(s *socket) {
	_ = s.conn.Close() // it may be closed already
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sockets = slices.DeleteFunc(f.sockets, func(other *socket) bool { return other == s })
}

func (s *socket) ping(gone <-chan struct{}) {
	for {
		if s.conn.WriteControl(websocket.PingMessage, []byte("ping"), time.Now().Add(time.Second)) != nil {
			return
		}
		select {
		case <-gone:
			return
		case <-time.After(pingEvery):
		}
	}
}
