package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	promconfig "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"
)

// LoadHTTPClient reads a file that says how a server is reached: basic_auth, tls_config and so on, as in a scrape_config of Prometheus. Names of files in
// it are relative to it. An error names the file, the line and the key; files that are named must be there.
func LoadHTTPClient(name string) (promconfig.HTTPClientConfig, error) {
	var h HTTPClient
	text, err := os.ReadFile(name)
	if err != nil {
		return h.HTTPClientConfig, err
	}
	h.HTTPClientConfig = promconfig.DefaultHTTPClientConfig
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return h.HTTPClientConfig, errors.Join(located(name, keys{}, err)...)
	}
	k := keys{}
	k.collect("", &root)
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&h); err != nil && !errors.Is(err, io.EOF) {
		return h.HTTPClientConfig, errors.Join(located(name, k, k.named(err))...)
	}
	if err := h.Validate(); err != nil {
		return h.HTTPClientConfig, errors.Join(located(name, k, k.named(err))...)
	}
	h.SetDirectory(filepath.Dir(name))
	if err := k.readable(name); err != nil {
		return h.HTTPClientConfig, err
	}
	if _, err := promconfig.NewTLSConfig(&h.TLSConfig); err != nil {
		return h.HTTPClientConfig, errors.Join(located(name, k, fmt.Errorf("key tls_config: %w", err))...)
	}
	return h.HTTPClientConfig, nil
}

// named adds to an error that tells of no line the key of the file that it speaks of, the one that stands first. What is wrong about certificates names
// none.
func (k keys) named(err error) error {
	var typ *yaml.TypeError
	if errors.As(err, &typ) || withPlace.MatchString(err.Error()) {
		return err
	}
	for _, p := range k.paths {
		last := p.key[strings.LastIndex(p.key, ".")+1:]
		if strings.Contains(strings.ToLower(err.Error()), strings.ToLower(last)) {
			return fmt.Errorf("key %s: %w", p.key, err)
		}
	}
	if k.lines["tls_config"] > 0 {
		return fmt.Errorf("key tls_config: %w", err)
	}
	return err
}

// readable says which files that the file names cannot be read.
func (k keys) readable(name string) error {
	var errs []error
	for _, p := range k.paths {
		last := p.key[strings.LastIndex(p.key, ".")+1:]
		if p.text == "" || !strings.HasSuffix(last, "_file") && !strings.HasPrefix(last, "files[") {
			continue
		}
		if _, err := os.ReadFile(promconfig.JoinDir(filepath.Dir(name), p.text)); err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %s: %w", name, p.line, p.key, err))
		}
	}
	return errors.Join(errs...)
}
