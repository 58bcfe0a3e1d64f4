package config

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/common/model"
)

// Alerting says which rules the embedded Prometheus evaluates and who is told of what fires.
type Alerting struct {
	// OwnRules switches the rules that come with evenkeel on.
	OwnRules bool `yaml:"own_rules"`
	// RuleFiles are more files of rules, in Prometheus' own format; a * stands for any part of a name.
	RuleFiles []string `yaml:"rule_files"`
	// Interval is from one evaluation to the next, where a group of rules does not say.
	Interval Duration `yaml:"evaluation_interval"`
	// Alertmanagers are told of every alert, each of them.
	Alertmanagers []Endpoint `yaml:"alertmanagers"`
}

// Endpoint is a server that something is sent to.
type Endpoint struct {
	URL  string     `yaml:"url"`
	HTTP HTTPClient `yaml:"http"`
}

func (c Config) checkAlerting(p *problems) {
	p.add(c.Alerting.Interval < Duration(time.Second), "alerting.evaluation_interval", "is %s; the least is 1s", time.Duration(c.Alerting.Interval))
	for _, list := range []struct {
		key       string
		endpoints []Endpoint
		example   string
	}{{"alerting.alertmanagers", c.Alerting.Alertmanagers, "http://127.0.0.1:9093"}, {"remote_write", c.RemoteWrite, "http://127.0.0.1:8428/api/v1/write"}} {
		var seen []string
		for i, e := range list.endpoints {
			key := fmt.Sprintf("%s[%d].url", list.key, i)
			u, err := url.Parse(e.URL)
			p.add(err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.User != nil, key,
				"%q is no address; write for example %s, and passwords under http.basic_auth", e.URL, list.example)
			p.add(slices.Contains(seen, e.URL), key, "%q stands twice", e.URL)
			seen = append(seen, e.URL)
			e.HTTP.check(p, fmt.Sprintf("%s[%d].http", list.key, i))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.ExternalLabels)) {
		p.add(!model.LegacyValidation.IsValidLabelName(name) || c.ExternalLabels[name] == "", "external_labels."+name, "is no label; write for example site: north")
	}
}

// readAlerting resolves file names and finds the rule files.
func (c *Config) readAlerting(path string) error {
	dir := filepath.Dir(path)
	for i := range c.Alerting.Alertmanagers {
		c.Alerting.Alertmanagers[i].HTTP.SetDirectory(dir)
	}
	for i := range c.RemoteWrite {
		c.RemoteWrite[i].HTTP.SetDirectory(dir)
	}
	var files []string
	for i, pattern := range c.Alerting.RuleFiles {
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(dir, pattern)
		}
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			return fmt.Errorf("%s: alerting.rule_files[%d]: there is no file %s; name an existing one, or take the line out", path, i, pattern)
		}
		for _, file := range found {
			if _, err := os.ReadFile(file); err != nil {
				return fmt.Errorf("%s: alerting.rule_files[%d]: %w", path, i, err)
			}
		}
		files = append(files, found...)
	}
	c.Alerting.RuleFiles = files
	return nil
}
