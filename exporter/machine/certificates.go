package machine

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
)

// certificateInterval is how often the files are read. They change when somebody renews them.
const certificateInterval = 10 * time.Minute

// usualCertificates are where libvirt and QEMU look for theirs.
func usualCertificates() []string {
	return []string{"/etc/pki/libvirt/servercert.pem", "/etc/pki/libvirt/clientcert.pem", "/etc/pki/CA/cacert.pem", "/etc/pki/qemu/*-cert.pem"}
}

// certificates reads files with certificates beside every reading: they may lie on a file system that hangs.
type certificates struct {
	root     string
	patterns []string
	log      *slog.Logger
	// told has what was logged of a file, which is said once.
	told map[string]string

	mu    sync.Mutex
	known []stat.Certificate
}

func (c *certificates) run(ctx context.Context) {
	tick := time.NewTicker(certificateInterval)
	defer tick.Stop()
	for {
		c.look()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (c *certificates) look() {
	var found []stat.Certificate
	seen := map[string]bool{}
	for _, pattern := range c.patterns {
		files, err := filepath.Glob(filepath.Join(c.root, pattern))
		if err != nil {
			c.tell(pattern, err)
		}
		for _, file := range files {
			path := filepath.Join("/", strings.TrimPrefix(file, filepath.Clean(c.root)))
			if seen[path] {
				continue
			}
			seen[path] = true
			end, err := CertificateEnd(file)
			c.tell(path, err)
			if err == nil {
				found = append(found, stat.Certificate{Path: path, NotAfter: end})
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = found
}

// tell logs what is wrong with a file, once for each fault.
func (c *certificates) tell(path string, err error) {
	switch {
	case err == nil:
		delete(c.told, path)
	case c.told[path] != err.Error():
		c.told[path] = err.Error()
		c.log.Warn("the end of a certificate is not known", "path", path, "err", err)
	}
}

// certificate returns what is known and waits for nothing.
func (r *Reader) certificate(kernel) (put, error) {
	r.certificates.mu.Lock()
	defer r.certificates.mu.Unlock()
	known := r.certificates.known
	return func(m *stat.Machine) { m.Certificates = known }, nil
}

// CertificateEnd returns when the first of the certificates in a PEM file ends.
func CertificateEnd(path string) (time.Time, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return time.Time{}, fmt.Errorf("read certificate: %w", err)
	}
	var end time.Time
	for {
		var block *pem.Block
		block, text = pem.Decode(text)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		one, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return time.Time{}, fmt.Errorf("read certificate %s: %w", path, err)
		}
		if end.IsZero() || one.NotAfter.Before(end) {
			end = one.NotAfter
		}
	}
	if end.IsZero() {
		return end, errors.New("read certificate " + path + ": there is none in it")
	}
	return end, nil
}
