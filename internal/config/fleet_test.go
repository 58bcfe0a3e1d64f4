package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const goodFleet = `clusters:
  - {config_file: prod.yml, storage_path: data/prod, listen_addresses: ["127.0.0.1:9178"]}
  - {config_file: /etc/lab.yml, storage_path: data/lab, listen_addresses: ["127.0.0.1:9179", ":9180"], prometheus_urls: ["http://prometheus:9090"], peer_url: "http://a:9179"}
`

func TestAFleetIsReadRelativeToItsFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "clusters.yml")
	if err := os.WriteFile(file, []byte(goodFleet), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := LoadFleet(file)
	if err != nil || len(f.Clusters) != 2 {
		t.Fatalf("%+v, %v", f, err)
	}
	if got := f.Clusters[0]; got.ConfigFile != filepath.Join(dir, "prod.yml") || got.StoragePath != filepath.Join(dir, "data/prod") || got.PrometheusHTTPConfig != "" {
		t.Errorf("the first is %+v", got)
	}
	if got := f.Clusters[1]; got.ConfigFile != "/etc/lab.yml" || len(got.PrometheusURLs) != 1 {
		t.Errorf("the second is %+v", got)
	}
}

func TestMistakesInAFleetAreNamedWithTheirPlace(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "f.yml:1: clusters: names none",
		"clusters: {}":                        "f.yml:1:",
		"clusters:\n  - {config_file: a.yml}": "f.yml:2: clusters[0].storage_path: is missing",
		"clusters:\n  - {config: a.yml}":      `clusters[0]: there is no key "config" here`,
		strings.Replace(goodFleet, "/etc/lab.yml", "./prod.yml", 1):       "f.yml:3: clusters[1].config_file: prod.yml is that of clusters[0].config_file already",
		strings.Replace(goodFleet, "data/lab", "data/../data/prod", 1):    "f.yml:3: clusters[1].storage_path: data/prod is that of clusters[0].storage_path already",
		strings.Replace(goodFleet, ":9180", "9180", 1):                    `f.yml:3: clusters[1].listen_addresses[1]: "9180" is no HOST:PORT`,
		strings.Replace(goodFleet, "127.0.0.1:9179", "127.0.0.1:9178", 1): "f.yml:3: clusters[1].listen_addresses[0]: 127.0.0.1:9178 is that of clusters[0].listen_addresses[0] already",
	} {
		if _, err := parseFleet("f.yml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want %s", text, err, want)
		}
	}
}
