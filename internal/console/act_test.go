package console_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// What would come of an action is shown first, and changes nothing; only the form on that page asks for it.
func TestAnActionIsTriedBeforeItIsAskedFor(t *testing.T) {
	h := newHouse(3, plainly)
	srv, b, _ := open(t, h, api.Viewer)
	_, page := get(t, b, srv.URL+"/vms/id-0-0")
	has(t, page, "This takes the role operator", "apart", "broken: 1 to move", "licensed", "holds", "What it is defined by", "renamed")
	_, page = post(t, b, srv.URL+"/login", "token", "operator-token", "back", "/vms/id-0-0")
	has(t, page, "Move to…", `<option value="h0001">h0001 (no: rule)</option>`, `<option value="h0002">h0002</option>`, "Shut down…")
	if strings.Contains(page, `<option value="h0000">`) {
		t.Error("it can be moved to where it is")
	}
	code, page := get(t, b, srv.URL+"/try?kind=migrate&vm=id-0-0&to=h0001")
	if code != http.StatusOK {
		t.Fatalf("%d\n%s", code, page)
	}
	has(t, page, "Nothing has been done", "migrate web0-0 from h0000 to h0001", "As it is now it would be refused.", "Ask all the same", "Score afterwards", "1 of 2 refuse", "nothing may be done to vm/id-0-0", "it fits")
	if len(h.said) > 0 {
		t.Fatalf("a dry run did something: %q", h.said)
	}
	if code, page := get(t, b, srv.URL+"/try?kind=migrate&vm=nobody&to=h0001"); code != http.StatusConflict || !strings.Contains(page, "no VM has the name or UUID") {
		t.Errorf("a VM that is not there: %d\n%s", code, page)
	}
	if code, page := get(t, b, srv.URL+"/try?kind=fly&vm=id-0-0"); code != http.StatusBadRequest || !strings.Contains(page, "fly") {
		t.Errorf("a kind that is none: %d\n%s", code, page)
	}
	fields := []string{"kind", "migrate", "vm", "id-0-0", "to", "h0001", "reason", "to have room"}
	if code, _ := post(t, b, srv.URL+"/act", fields...); code != http.StatusForbidden || len(h.said) > 0 {
		t.Errorf("without the form's token: %d, %q", code, h.said)
	}
	code, page = post(t, b, srv.URL+"/act", append(fields, "csrf", formToken(t, page))...)
	if code != http.StatusOK || len(h.said) != 1 || h.said[0] != `otto asks to migrate web0-0 from h0000 to h0001 "to have room"` {
		t.Errorf("%d, said %q", code, h.said)
	}
	has(t, page, "otto asked for it: to have room", "It has its yes, and waits for its turn.")
}

func TestAHostIsEmptiedAndPausedAfterADryRun(t *testing.T) {
	h := newHouse(3, plainly)
	srv, b, _ := open(t, h, api.Viewer)
	post(t, b, srv.URL+"/login", "token", "approver-token", "back", "/")
	_, page := get(t, b, srv.URL+"/try?kind=maintenance&host=h0001")
	has(t, page, "put h0001 into maintenance", "The moves that empty it", `href="/vms/id-1-0"`, "This takes the role operator")
	if code, page := post(t, b, srv.URL+"/act", "kind", "maintenance", "host", "h0001", "csrf", formToken(t, page)); code != http.StatusForbidden || len(h.Orders()) != 0 {
		t.Errorf("an approver's order: %d, %v\n%s", code, h.Orders(), page)
	}
	_, page = post(t, b, srv.URL+"/login", "token", "operator-token", "back", "/try?kind=maintenance&host=h0001")
	form := formToken(t, page)
	if code, _ := post(t, b, srv.URL+"/act", "kind", "maintenance", "host", "h0001", "for", "soon", "csrf", form); code != http.StatusBadRequest {
		t.Errorf("a time that is none: %d", code)
	}
	code, page := post(t, b, srv.URL+"/act", "kind", "maintenance", "host", "h0001", "for", "8h", "reason", "new memory", "csrf", form)
	if o := h.Orders().Maintenance("h0001", h.judged.Snapshot.At); code != http.StatusOK || o == nil || o.Word.Who != "otto" || o.Word.Reason != "new memory" || o.Until.IsZero() {
		t.Errorf("%d %+v", code, o)
	}
	has(t, page, "End the maintenance", `class="state maintenance"`)
	post(t, b, srv.URL+"/orders", "kind", "maintenance", "lift", "true", "subject", "host/h0001", "csrf", form, "back", "/hosts/h0001")
	_, page = post(t, b, srv.URL+"/orders", "kind", "pause", "subject", "cluster", "csrf", form, "back", "/")
	if all := h.Orders(); len(all) != 1 || all[0].Kind != cluster.OrderPause || all[0].Subject != "cluster" {
		t.Errorf("%+v", all)
	}
	has(t, page, "Paused:", "Resume what is paused")
	if code, _ := post(t, b, srv.URL+"/orders", "kind", "pause", "subject", "cluster", "lift", "true"); code != http.StatusForbidden || len(h.Orders()) != 1 {
		t.Errorf("without the form's token: %d", code)
	}
	if _, page := post(t, b, srv.URL+"/orders", "kind", "pause", "subject", "cluster", "lift", "true", "csrf", form, "back", "/"); strings.Contains(page, "Paused:") || len(h.Orders()) != 0 {
		t.Errorf("it is paused still: %+v", h.Orders())
	}
}
