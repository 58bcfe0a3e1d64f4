package api

import (
	"bytes"
	"net/http/httptest"
	"strings"
	"testing"

	"log/slog"
)

func TestProfilesAreForAdmins(t *testing.T) {
	s := New(nil, nil, "test", nil, slog.New(slog.DiscardHandler))
	s.Configure(Access{Anonymous: Viewer, Tokens: []Token{{Name: "otto", Secret: "o", Role: Operator}, {Name: "adam", Secret: "a", Role: Admin}}}, 0)
	srv := httptest.NewServer(s)
	defer srv.Close()
	for _, token := range []string{"", "o"} {
		if _, err := NewClient(srv.URL, token, nil).Profile(t.Context(), "heap", 0); err == nil || !strings.Contains(err.Error(), "takes the role admin") {
			t.Errorf("with the token %q: %v", token, err)
		}
	}
	adam := NewClient(srv.URL, "a", nil)
	for kind, seconds := range map[string]int{"heap": 0, "goroutine": 0, "cpu": 1} {
		got, err := adam.Profile(t.Context(), kind, seconds)
		if err != nil || !bytes.HasPrefix(got, []byte{0x1f, 0x8b}) { // compressed, as pprof reads it
			t.Errorf("%s: %d bytes, %v", kind, len(got), err)
		}
	}
	if _, err := adam.Profile(t.Context(), "cmdline", 0); err == nil || !strings.Contains(err.Error(), "is no profile") {
		t.Errorf("the command line is given: %v", err)
	}
	if _, err := adam.Profile(t.Context(), "cpu", 3600); err == nil || !strings.Contains(err.Error(), "from 1 to 60") {
		t.Errorf("an hour: %v", err)
	}
}
