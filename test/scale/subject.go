package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// subject is a server that is measured.
type subject struct {
	name string
	cmd  *exec.Cmd
	log  string
	// address is where it answers, under is where its Prometheus API stands.
	address, under string
	// job is that of its own metrics.
	job   string
	ended chan error
}

// session is a run: what is measured, and what stands beside it, which is nil where that is left out.
type session struct {
	o        options
	evenkeel *subject
	beside   *subject
}

// start starts both servers.
func start(ctx context.Context, o options) (*session, error) {
	s := &session{o: o}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	if err := writeLibvirt(o); err != nil {
		return nil, err
	}
	config := filepath.Join(o.work, "evenkeel.yml")
	if err := os.WriteFile(config, []byte(evenkeelConfig(o)), 0o600); err != nil {
		return nil, fmt.Errorf("write evenkeel's configuration: %w", err)
	}
	s.evenkeel = &subject{name: "evenkeel", address: address, under: "/prometheus", job: "evenkeel-server", log: filepath.Join(o.work, "evenkeel.log")}
	if err := s.evenkeel.start(o.evenkeel, "server", "--config.file", config, "--storage.path", filepath.Join(o.work, "evenkeel"), "--web.listen-address", address, "--log.level", "warn"); err != nil {
		return nil, err
	}
	if o.alone {
		return s, s.ready(ctx)
	}
	if address, err = freeAddress(); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	config = filepath.Join(o.work, "prometheus.yml")
	if err := os.WriteFile(config, []byte(prometheusConfig(o, address)), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("write Prometheus' configuration: %w", err), s.stop())
	}
	s.beside = &subject{name: "Prometheus", address: address, job: "prometheus", log: filepath.Join(o.work, "prometheus.log")}
	if err := s.beside.start(o.prometheus, "--config.file", config, "--storage.tsdb.path", filepath.Join(o.work, "prometheus"), "--web.listen-address", address, "--log.level", "warn"); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, s.ready(ctx)
}

// libvirtFile is what libvirt's test driver is to know of a host.
func libvirtFile(o options, host int) string { return filepath.Join(o.work, hostName(host)+".xml") }

// writeLibvirt has libvirt's test driver know the VMs of each host. A host whose libvirt did not answer would be one that has failed, with all that this
// has the server look at.
func writeLibvirt(o options) error {
	for host := range o.hosts {
		var b strings.Builder
		fmt.Fprintf(&b, "<node><cpu><mhz>2400</mhz><model>EPYC</model><active>%[1]d</active><nodes>1</nodes><sockets>1</sockets><cores>%[1]d</cores><threads>1</threads></cpu><memory>%[2]d</memory>\n", cores, hostMemory>>10)
		for i := host; i < o.vms; i += o.hosts {
			v := newVM(i)
			fmt.Fprintf(&b, "<domain type='test'><name>%s</name><uuid>%s</uuid><memory>%d</memory><vcpu>%d</vcpu><os><type>hvm</type></os></domain>\n", v.Name, v.UUID, vmMemory>>10, vcpus)
		}
		b.WriteString("</node>\n")
		if err := os.WriteFile(libvirtFile(o, host), []byte(b.String()), 0o600); err != nil {
			return fmt.Errorf("write what libvirt is to know of %s: %w", hostName(host), err)
		}
	}
	return nil
}

// evenkeelConfig is a configuration with evenkeel's own settings but for the interval of scrapes.
func evenkeelConfig(o options) string {
	var b strings.Builder
	fmt.Fprintf(&b, "cluster: scale\nscrape: {interval: %s, timeout: %s}\nanalysis: {window: %s}\nautomation: {level: manual}\nhosts:\n", scrapeInterval, scrapeTimeout, model.Duration(o.window))
	for host := range o.hosts {
		address := exporterAddress(host)
		ip, _, _ := net.SplitHostPort(address)
		fmt.Fprintf(&b, "  - {name: %s, uri: \"test://%s\", migration_uri: \"qemu+tls://%s/system\", exporter: %q, failure_domain: rack%d}\n", hostName(host), libvirtFile(o, host), ip, address, host/hostsOfRack)
	}
	return b.String()
}

// prometheusConfig has the same scraped, and Prometheus itself.
func prometheusConfig(o options, self string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "global: {scrape_interval: %s, scrape_timeout: %s}\nscrape_configs:\n  - job_name: prometheus\n    static_configs: [{targets: [%q]}]\n  - job_name: evenkeel-exporter\n    static_configs:\n      - targets:\n",
		scrapeInterval, scrapeTimeout, self)
	for host := range o.hosts {
		fmt.Fprintf(&b, "          - %q\n", exporterAddress(host))
	}
	return b.String()
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("look for a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

func (s *subject) start(program string, args ...string) error {
	log, err := os.Create(s.log)
	if err != nil {
		return fmt.Errorf("make the log of %s: %w", s.name, err)
	}
	defer func() { _ = log.Close() }() // the child has its own
	s.cmd = exec.Command(program, args...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it ends with this program, however that ends
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.cmd.Wait() }()
	return nil
}

func (s *session) subjects() []*subject {
	if s.beside == nil {
		return []*subject{s.evenkeel}
	}
	return []*subject{s.evenkeel, s.beside}
}

// ready waits until both answer.
func (s *session) ready(ctx context.Context) error {
	for _, subject := range s.subjects() {
		for begun := time.Now(); ; time.Sleep(200 * time.Millisecond) {
			if c, err := net.Dial("tcp", subject.address); err == nil {
				_ = c.Close() // it was asked whether somebody listens
				break
			}
			if err := subject.alive(ctx); err != nil {
				return errors.Join(err, s.stop())
			}
			if time.Since(begun) > time.Minute {
				return errors.Join(fmt.Errorf("%s does not answer: %s", subject.name, subject.lastWords()), s.stop())
			}
		}
	}
	return nil
}

// alive is an error once the process or the run has ended.
func (s *subject) alive(ctx context.Context) error {
	select {
	case err := <-s.ended:
		s.ended <- err
		return fmt.Errorf("%s has ended: %v: %s", s.name, err, s.lastWords())
	default:
		return ctx.Err()
	}
}

// lastWords are the end of its log.
func (s *subject) lastWords() string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

// stop ends what runs, and waits for it.
func (s *session) stop() error {
	var all error
	for _, subject := range s.subjects() {
		if err := subject.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			all = errors.Join(all, fmt.Errorf("end %s: %w", subject.name, err))
		}
		select {
		case <-subject.ended:
		case <-time.After(time.Minute):
			all = errors.Join(all, fmt.Errorf("%s did not end within a minute and was killed", subject.name), subject.cmd.Process.Kill())
		}
	}
	return all
}

// cost is what a process took until now.
type cost struct {
	at time.Time
	// cpu is that of all processors together.
	cpu time.Duration
	// rss and peak are in MiB.
	rss, peak float64
}

// costOf asks the kernel.
func costOf(pid int) (cost, error) {
	c := cost{at: time.Now()}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return c, fmt.Errorf("ask for the CPU time: %w", err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	const user, system, tick = 11, 12, 10 * time.Millisecond // of what follows the name; Linux tells ticks of 10 ms on every machine
	for _, i := range []int{user, system} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return c, fmt.Errorf("read the CPU time: %w", err)
		}
		c.cpu += time.Duration(n) * tick
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return c, fmt.Errorf("ask for the memory: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		into := map[string]*float64{"VmRSS": &c.rss, "VmHWM": &c.peak}[name]
		if into == nil {
			continue
		}
		if *into, err = strconv.ParseFloat(strings.Fields(value)[0], 64); err != nil {
			return c, fmt.Errorf("read the memory: %w", err)
		}
		*into /= 1024
	}
	return c, nil
}

// prometheus is a client of what it stores.
func (s *subject) prometheus() (v1.API, error) {
	c, err := api.NewClient(api.Config{Address: "http://" + s.address + s.under})
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", s.name, err)
	}
	return v1.NewAPI(c), nil
}
