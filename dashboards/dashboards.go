// Package dashboards builds the Grafana dashboards of evenkeel, one a file, and takes them to a Grafana. It says which
// questions to put to Prometheus and how to draw the answers; it asks Prometheus nothing itself, and judges nothing.
package dashboards

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// tag is what all dashboards bear, and by which they link to one another.
const tag = "evenkeel"

// Dashboard is one dashboard as Grafana takes it.
type Dashboard struct {
	UID, Title string
	// JSON is the dashboard's model, without the number that a Grafana would give it.
	JSON []byte
}

// File is the name of the dashboard's file.
func (d Dashboard) File() string { return d.UID + ".json" }

// All returns every dashboard, in the order in which a person goes through them.
func All() ([]Dashboard, error) {
	var all []Dashboard
	for _, p := range []*page{clusterPage(), hostPage(), vmPage(), actionsPage(), failuresPage(), powerPage(), capacityPage(), selfPage()} {
		d, err := p.finish()
		if err != nil {
			return nil, fmt.Errorf("build the dashboard %s: %w", p.uid, err)
		}
		all = append(all, d)
	}
	return all, nil
}

// Write writes every dashboard into the directory, which is made where there is none.
func Write(dir string) ([]string, error) {
	all, err := All()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var files []string
	for _, d := range all {
		file := filepath.Join(dir, d.File())
		if err := os.WriteFile(file, d.JSON, 0o644); err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// finish writes the page as JSON. Its keys are sorted, so that a change shows as what it is.
func (p *page) finish() (Dashboard, error) {
	if p.err != nil {
		return Dashboard{}, p.err
	}
	raw, err := json.Marshal(p.model)
	if err != nil {
		return Dashboard{}, err
	}
	var model map[string]any
	if err := json.Unmarshal(raw, &model); err != nil {
		return Dashboard{}, err
	}
	model["annotations"] = map[string]any{"list": p.annotations}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(model); err != nil {
		return Dashboard{}, err
	}
	return Dashboard{UID: p.uid, Title: *p.model.Title, JSON: out.Bytes()}, nil
}

// page is a dashboard that is being laid out, from the top down.
type page struct {
	uid         string
	model       dashboard.Dashboard
	annotations []annotation
	y, id       uint32
	err         error // the first that a builder gave
}
