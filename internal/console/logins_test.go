package console

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/oidc"
)

func TestALoginCountsOnceInItsBrowserAndForAWhile(t *testing.T) {
	var l logins
	began := time.Now()
	from := func(address, state string, at time.Time) {
		l.begin(login{Attempt: oidc.Attempt{State: state}, browser: "mine", from: address, began: at})
	}
	begin := func(state string, at time.Time) { from("192.0.2."+state[max(0, len(state)-2):], state, at) }
	begin("a", began)
	if _, ok := l.end("a", "another's", began); ok {
		t.Error("another browser ends it")
	}
	if _, ok := l.end("a", "", began); ok {
		t.Error("a browser without a cookie ends it")
	}
	if _, ok := l.end("a", "mine", began.Add(loginTime)); !ok {
		t.Error("it cannot be ended")
	}
	if _, ok := l.end("a", "mine", began); ok {
		t.Error("it counts twice")
	}
	begin("b", began)
	if _, ok := l.end("b", "mine", began.Add(loginTime+time.Second)); ok {
		t.Error("it counts after its time")
	}
	for i := range mostLogins + 10 {
		begin(fmt.Sprint(i), began.Add(time.Duration(i)*time.Millisecond))
	}
	if _, ok := l.end("9", "mine", began); ok || len(l.byState) != mostLogins {
		t.Errorf("%d are kept, the oldest among them: %v", len(l.byState), ok)
	}
	for i := range 2 * mostLogins {
		from("198.51.100.1", fmt.Sprint("flood", i), began.Add(time.Minute+time.Duration(i)*time.Millisecond))
	}
	if len(l.byState) != mostLogins || l.byState["1009"].from == "" || l.byState["200"].from == "" || l.byState["flood1999"].from == "" {
		t.Errorf("who begins many ends those of others: %d are kept", len(l.byState))
	}
	begin("later", began.Add(2*loginTime))
	if len(l.byState) != 1 {
		t.Errorf("%d are kept that nobody can end", len(l.byState)-1)
	}
}

func TestASessionByOpenIDEndsAlthoughItIsUsed(t *testing.T) {
	var s sessions
	began := time.Now()
	one := s.open(session{person: &api.Person{Name: "anna"}, ends: began.Add(longest)}, began)
	r := &http.Request{Header: http.Header{"Cookie": {sessionCookie + "=" + one.id}}}
	for at := began; at.Sub(began) <= longest; at = at.Add(time.Hour) {
		if s.of(r, at, true) == nil {
			t.Fatalf("it ends after %s", at.Sub(began))
		}
	}
	if s.of(r, began.Add(longest+time.Second), true) != nil {
		t.Error("it does not end")
	}
}
