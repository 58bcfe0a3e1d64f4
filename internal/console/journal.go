package console

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// ledger is the page of the journal.
type ledger struct {
	api.JournalPage
	Query, Kind, About string
	Kinds              []string
	From               uint64
	// More leads to what is older, Verify has the chain verified, Newest leads back.
	More, Verify, Newest string
	Found                *cluster.Verification
	// Unkept says why there is nothing to show.
	Unkept string
	// Still tells that a part was chosen that does not change.
	Still bool
}

// perPage is how many entries a page has.
const perPage = 50

func (c *Console) journal(r *http.Request, p person) (name, title, here string, body any, err error) {
	q := r.URL.Query()
	v := ledger{Query: strings.TrimSpace(q.Get("q")), Kind: q.Get("kind"), About: strings.TrimSpace(q.Get("about")), Kinds: entryKinds()}
	if text := q.Get("before"); text != "" {
		if v.From, err = strconv.ParseUint(text, 10, 63); err != nil {
			return "", "", "", nil, &api.RefusedError{Status: http.StatusBadRequest, Problem: api.Problem{Error: "before: is no number of an entry"}}
		}
	}
	v.JournalPage, err = p.client.Journal(r.Context(), api.JournalQuery{Text: v.Query, Kind: v.Kind, About: v.About, Before: v.From, Limit: perPage})
	if refused := (*api.RefusedError)(nil); errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		v.Unkept = err.Error()
		return "journal", "Journal", "journal", v, nil
	}
	if err != nil {
		return "", "", "", nil, err
	}
	verify := q.Get("verify") != ""
	v.Still = v.From > 0 || v.Query != "" || v.About != "" || verify
	if v.Before > 0 {
		v.More = v.link("before", strconv.FormatUint(v.Before, 10))
	}
	v.Verify, v.Newest = v.link("verify", "1"), v.link("", "")
	if verify {
		found, err := p.client.VerifyJournal(r.Context(), cluster.Head{})
		if err != nil {
			return "", "", "", nil, err
		}
		v.Found = &found
	}
	return "journal", "Journal", "journal", v, nil
}

// link leads to another part of what is looked for.
func (v ledger) link(key, value string) string {
	q := url.Values{}
	for name, text := range map[string]string{"q": v.Query, "kind": v.Kind, "about": v.About, key: value} {
		if text != "" {
			q.Set(name, text)
		}
	}
	return "/journal?" + q.Encode()
}

func entryKinds() []string {
	var list []string
	for k := cluster.EntryApproved; k <= cluster.EntryRun; k++ {
		list = append(list, k.String())
	}
	return list
}
