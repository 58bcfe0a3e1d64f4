package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// startWithin is how long an exporter may take until it answers.
const startWithin = 20 * time.Second

// scrapeLimit is how long one scrape may take before it is given up.
const scrapeLimit = 30 * time.Second

// subject is a process that is measured.
type subject struct {
	name   string
	cmd    *exec.Cmd
	url    string
	client *http.Client
	// in and out are how the floor is told to make its call and tells how long it took.
	in  io.Writer
	out *bufio.Reader
}

// program is how to start a subject.
type program struct {
	name, path string
	args       func(uri, addr string) []string
}

func ours(o options) program {
	words := strings.Fields(o.binary)
	return program{"evenkeel", words[0], func(uri, addr string) []string {
		return append(slices.Clone(words[1:]), "--libvirt.uri="+uri, "--web.listen-address="+addr)
	}}
}

// peers are the other exporters, and why those that are left out are.
func peers(o options) (list []program, without []string, err error) {
	plain := func(uri, addr string) []string {
		return []string{"--libvirt.uri=" + uri, "--web.listen-address=" + addr}
	}
	debian, err := exec.LookPath("prometheus-libvirt-exporter")
	if err != nil {
		return nil, nil, fmt.Errorf("run make bench, or test/install packages prometheus-libvirt-exporter: %w", err)
	}
	list = append(list, program{"Debian's 0.2.0", debian, plain})
	for _, p := range []program{{"Tinkoff", o.tinkoff, plain}, {"inovex", o.inovex, inovexArgs}} {
		if p.path == "" {
			without = append(without, p.name+": not built, as no release of it can be had as a Go module; give its file with -"+strings.ToLower(p.name))
			continue
		}
		list = append(list, p)
	}
	return list, without, nil
}

// inovexArgs takes a URI apart: that exporter wants a daemon's socket and its driver. It has no driver
// within its own process.
func inovexArgs(uri, addr string) []string {
	_, socket, _ := strings.Cut(uri, "socket=")
	return []string{"--libvirt.uri=" + socket, "--libvirt.driver=qemu:///system", "--web.listen-address=" + addr}
}

// launch starts an exporter and waits until it answers.
func launch(ctx context.Context, o options, p program, uri string) (*subject, error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &subject{name: p.name, url: "http://" + addr + "/metrics",
		client: &http.Client{Timeout: scrapeLimit, Transport: &http.Transport{DisableCompression: true}}}
	s.cmd = exec.CommandContext(ctx, p.path, p.args(uri, addr)...)
	log, err := os.Create(filepath.Join(o.work, strings.ReplaceAll(p.name, " ", "-")+".log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the process has its own
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.begin(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(startWithin); ; time.Sleep(100 * time.Millisecond) {
		if _, err = s.scrape(ctx); err == nil {
			return s, nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			s.end()
			text, _ := os.ReadFile(log.Name())
			return nil, fmt.Errorf("%s does not answer: %w; it said: %s", p.name, err, text)
		}
	}
}

// begin starts the process so that it ends with this one.
func (s *subject) begin() error {
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	return nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// scrape has the subject read libvirt once and returns how long that took.
func (s *subject) scrape(ctx context.Context) (time.Duration, error) {
	if s.in != nil {
		return s.call()
	}
	start := time.Now()
	resp, err := s.get(ctx)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	took := time.Since(start)
	return took, errors.Join(err, resp.Body.Close())
}

// get asks like Prometheus does.
func (s *subject) get(ctx context.Context) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", "gzip")
	req.Header.Set("Accept", "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2")
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "10")
	resp, err := s.client.Do(req)
	if err == nil && resp.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("%s answers %s", s.name, resp.Status), resp.Body.Close())
	}
	return resp, err
}

// size counts the metric families and series of one scrape. What each Go program says of itself is
// left out.
func (s *subject) size(ctx context.Context) (families, series int, err error) {
	if s.in != nil {
		return 0, 0, nil
	}
	err = s.page(ctx, func(text string) {
		name := strings.TrimPrefix(text, "# TYPE ")
		typed := name != text
		switch {
		case name == "" || name[0] == '#' || about(name):
		case typed:
			families++
		default:
			series++
		}
	})
	return families, series, err
}

// value is the sum of a metric's series in one scrape.
func (s *subject) value(ctx context.Context, metric string) (sum float64, err error) {
	var wrong error
	err = s.page(ctx, func(text string) {
		if rest, ok := strings.CutPrefix(text, metric+"{"); ok {
			v, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
			sum, wrong = sum+v, errors.Join(wrong, err)
		}
	})
	return sum, errors.Join(err, wrong)
}

// page scrapes and hands out line by line.
func (s *subject) page(ctx context.Context, each func(line string)) error {
	resp, err := s.get(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // it has been read
	body := io.Reader(resp.Body)
	if resp.Header.Get("Content-Encoding") == "gzip" {
		if body, err = gzip.NewReader(resp.Body); err != nil {
			return err
		}
	}
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		each(lines.Text())
	}
	return lines.Err()
}

// about tells whether a metric is about the exporter's own process.
func about(name string) bool {
	return strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") || strings.HasPrefix(name, "promhttp_")
}

// pause and resume keep what an exporter does in the background out of the others' turns.
func (s *subject) pause() error  { return s.cmd.Process.Signal(syscall.SIGSTOP) }
func (s *subject) resume() error { return s.cmd.Process.Signal(syscall.SIGCONT) }

// end ends the process. How it ends does not matter any more.
func (s *subject) end() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}
