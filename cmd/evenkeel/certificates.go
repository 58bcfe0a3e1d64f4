package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/exporter/machine"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"
)

// certificates publishes when those end that the server's configuration names. A file that cannot be read is absent: what uses it says why.
type certificates struct{ node *node }

func certificateDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_certificate_expiry_timestamp_seconds", "When the first of the certificates in a file ends that the server's configuration names; absent for one that cannot be read.", []string{"path"}, nil)
}

// Describe is part of prometheus.Collector.
func (certificates) Describe(ch chan<- *prometheus.Desc) { ch <- certificateDesc() }

// Collect is part of prometheus.Collector. The few files are read anew, so that one that was renewed shows at once.
func (c certificates) Collect(ch chan<- prometheus.Metric) {
	files := c.node.certified.Load()
	if files == nil {
		return
	}
	for _, path := range *files {
		if end, err := machine.CertificateEnd(path); err == nil {
			ch <- prometheus.MustNewConstMetric(certificateDesc(), prometheus.GaugeValue, float64(end.Unix()), path)
		}
	}
}

// certificateFiles lists the files with certificates that a configuration names: what hosts are reached with, what exporters are scraped
// with, and what the server shows.
func certificateFiles(c config.Config, webFile string) ([]string, error) {
	tls := c.Scrape.HTTP.HTTPClientConfig.TLSConfig
	files := []string{tls.CAFile, tls.CertFile}
	for _, h := range c.Hosts {
		files = append(files, libvirtCertificates(h.URI)...)
	}
	if webFile != "" {
		text, err := os.ReadFile(webFile)
		if err != nil {
			return nil, fmt.Errorf("read --web.config.file: %w", err)
		}
		var w struct {
			TLS struct {
				Cert    string `yaml:"cert_file"`
				Clients string `yaml:"client_ca_file"`
			} `yaml:"tls_server_config"`
		}
		if err := yaml.Unmarshal(text, &w); err != nil {
			return nil, fmt.Errorf("read --web.config.file %s: %w", webFile, err)
		}
		for _, file := range []string{w.TLS.Cert, w.TLS.Clients} {
			if file != "" && !filepath.IsAbs(file) {
				file = filepath.Join(filepath.Dir(webFile), file)
			}
			files = append(files, file)
		}
	}
	slices.Sort(files)
	return slices.DeleteFunc(slices.Compact(files), func(file string) bool { return file == "" }), nil
}

// libvirtCertificates lists what libvirt's client reads for a URI: from its pkipath, or from the system's place.
func libvirtCertificates(uri string) []string {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || !strings.HasSuffix(u.Scheme, "+tls") && strings.Contains(u.Scheme, "+") {
		return nil
	}
	if dir := u.Query().Get("pkipath"); dir != "" {
		return []string{filepath.Join(dir, "cacert.pem"), filepath.Join(dir, "clientcert.pem")}
	}
	return []string{"/etc/pki/CA/cacert.pem", "/etc/pki/libvirt/clientcert.pem"}
}
