package console

import (
	"errors"
	"net/http"
	"strings"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// settings is the page of the configuration in force.
type settings struct {
	Sections []section
	Query    string
	Changed  bool
	Withheld int
	Unknown  string
	// Schedules are all that there are.
	Schedules []cluster.ScheduleState
}

// section are the settings under one key.
type section struct {
	Name string
	// Set is how many are not the default.
	Set  int
	List []cluster.Setting
	More int
	// Long tells that it is folded.
	Long bool
}

// mostSettings is how many settings of a section are shown, for a cluster may have a thousand hosts, and mostUnfolded from how many on they
// are folded.
const mostSettings, mostUnfolded = 300, 40

func (c *Console) settings(r *http.Request, p person) (name, title, here string, body any, err error) {
	v := settings{Query: strings.TrimSpace(r.URL.Query().Get("q")), Changed: r.URL.Query().Get("changed") != ""}
	list, err := p.client.Config(r.Context())
	if refused := (*api.RefusedError)(nil); errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		v.Unknown = err.Error()
		return "settings", "Settings", "settings", v, nil
	}
	if err != nil {
		return "", "", "", nil, err
	}
	for _, s := range list {
		v.add(s)
	}
	if v.Schedules, err = p.client.Schedules(r.Context()); err != nil {
		return "", "", "", nil, err
	}
	return "settings", "Settings", "settings", v, nil
}

// add puts a setting into its section, where it is looked for.
func (v *settings) add(s cluster.Setting) {
	text := strings.ToLower(s.Key + "\n" + s.Value + "\n" + s.Meaning)
	if v.Changed && !s.Set || !strings.Contains(text, strings.ToLower(v.Query)) {
		return
	}
	name := s.Key
	if i := strings.IndexAny(name, ".["); i > 0 {
		name = name[:i]
	}
	if len(v.Sections) == 0 || v.Sections[len(v.Sections)-1].Name != name {
		v.Sections = append(v.Sections, section{Name: name})
	}
	in := &v.Sections[len(v.Sections)-1]
	if s.Withheld {
		v.Withheld++
	}
	if s.Set && !s.Withheld {
		in.Set++
	}
	if len(in.List) >= mostSettings {
		in.More++
		return
	}
	in.List = append(in.List, s)
	in.Long = v.Query == "" && len(in.List) > mostUnfolded
}
