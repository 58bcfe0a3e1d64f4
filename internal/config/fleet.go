package config

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// Fleet is a file that names the clusters that one server looks after.
type Fleet struct {
	Clusters []Member `yaml:"clusters"`
}

// Member is one of several clusters: what the flags of a server say where there is one.
type Member struct {
	// ConfigFile is the cluster's configuration, StoragePath its directory.
	ConfigFile  string `yaml:"config_file"`
	StoragePath string `yaml:"storage_path"`
	// ListenAddresses are where its pages, its API and its metrics are.
	ListenAddresses []string `yaml:"listen_addresses"`
	WebConfigFile   string   `yaml:"web_config_file"`
	// PrometheusURLs are read instead of an embedded Prometheus: one server, or replicas.
	PrometheusURLs       []string `yaml:"prometheus_urls"`
	PrometheusHTTPConfig string   `yaml:"prometheus_http_config_file"`
	// PeerURL is where the other servers of the cluster reach this one.
	PeerURL        string `yaml:"peer_url"`
	PeerHTTPConfig string `yaml:"peer_http_config_file"`
}

// LoadFleet reads the file. File names in it are relative to it.
func LoadFleet(path string) (Fleet, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Fleet{}, fmt.Errorf("read the clusters: %w", err)
	}
	f, err := parseFleet(path, text)
	if err != nil {
		return Fleet{}, err
	}
	for i := range f.Clusters {
		m := &f.Clusters[i]
		for _, file := range []*string{&m.ConfigFile, &m.StoragePath, &m.WebConfigFile, &m.PrometheusHTTPConfig, &m.PeerHTTPConfig} {
			if *file != "" && !filepath.IsAbs(*file) {
				*file = filepath.Join(filepath.Dir(path), *file)
			}
		}
	}
	return f, nil
}

func parseFleet(name string, text []byte) (Fleet, error) {
	var f Fleet
	k, err := decode(name, text, &f)
	if err != nil {
		return f, err
	}
	var p problems
	p.add(len(f.Clusters) == 0, "clusters", "names none; name each with config_file, storage_path and listen_addresses")
	had := map[string]string{}
	once := func(key, what, value string) {
		p.add(had[what+value] != "", key, "%s is that of %s already; each cluster has its own", value, had[what+value])
		had[what+value] = key
	}
	for i, m := range f.Clusters {
		at := fmt.Sprintf("clusters[%d]", i)
		p.add(m.ConfigFile == "", at+".config_file", "is missing; name the cluster's configuration")
		p.add(m.StoragePath == "", at+".storage_path", "is missing; name a directory for what is kept of the cluster")
		p.add(len(m.ListenAddresses) == 0, at+".listen_addresses", "is missing; name where the cluster is shown, as HOST:PORT")
		if m.ConfigFile != "" {
			once(at+".config_file", "file ", filepath.Clean(m.ConfigFile))
		}
		if m.StoragePath != "" {
			once(at+".storage_path", "path ", filepath.Clean(m.StoragePath))
		}
		for j, address := range m.ListenAddresses {
			key := fmt.Sprintf("%s.listen_addresses[%d]", at, j)
			_, _, err := net.SplitHostPort(address)
			p.add(err != nil, key, "%q is no HOST:PORT", address)
			once(key, "address ", address)
		}
	}
	return f, p.located(name, k)
}
