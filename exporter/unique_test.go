package exporter

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// checked scrapes twice with the library's registry as the judge, which refuses what Prometheus would.
func checked(t *testing.T, o Options) (families []*dto.MetricFamily, logged string) {
	t.Helper()
	var log bytes.Buffer
	o.Timeout, o.Log = time.Second, slog.New(slog.NewTextHandler(&log, nil))
	e := New(o)
	for range 2 {
		g := prometheus.Gatherers{prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
			all, _, err := e.Within(t.Context()).Gather()
			return all, err
		})}
		var err error
		if families, err = g.Gather(); err != nil {
			t.Error(err)
		}
	}
	return families, log.String()
}

// value is that of the series whose first label has the value, or -1.
func value(families []*dto.MetricFamily, name, label string) float64 {
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == label {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return -1
}

func TestOfTwoHostsWithOneNameTheFirstIsPublished(t *testing.T) {
	remote, other := full(), full()
	remote.Local, other.UUID = false, "bbbb"
	for what, c := range map[string]struct {
		readers []Reader
		machine float64
	}{
		"two hypervisors of one machine":       {[]Reader{fake{uri: "first", host: full()}, fake{uri: "second", host: full()}}, .5},
		"the machine is read from afar, first": {[]Reader{fake{uri: "first", host: remote}, fake{uri: "second", host: full()}}, .5},
		"two machines":                         {[]Reader{fake{uri: "first", host: remote}, fake{uri: "second", host: other}}, -1},
	} {
		m := fullMachine()
		m.Hostname = "h1"
		families, logged := checked(t, Options{Readers: c.readers, Machine: fakeMachine{m}})
		for uri, want := range map[string]float64{"first": 1, "second": 0} {
			if got := value(families, "evenkeel_exporter_libvirt_up", uri); got != want {
				t.Errorf("%s: %s is up: %v", what, uri, got)
			}
		}
		if got := value(families, "evenkeel_exporter_libvirt_connects_total", "second"); got != 2 {
			t.Errorf("%s: the second's connections are %v", what, got)
		}
		if got := value(families, "evenkeel_host_load1", "h1"); got != c.machine {
			t.Errorf("%s: the load is %v", what, got)
		}
		if strings.Count(logged, "uri=second") != 1 || !strings.Contains(logged, "that of first already") {
			t.Errorf("%s: logged\n%s", what, logged)
		}
	}
}

func TestAMachineWhoseHypervisorIsDownTakesNoOtherHostsName(t *testing.T) {
	other, m := full(), fullMachine()
	other.Local, m.Hostname = false, "h1"
	families, logged := checked(t, Options{Readers: []Reader{fake{uri: "down", err: errors.New("refused")}, fake{uri: "other", host: other}}, Machine: fakeMachine{m}})
	if got := value(families, "evenkeel_host_load1", "h1"); got != -1 || strings.Count(logged, "that of other already") != 1 {
		t.Errorf("the load is %v, logged\n%s", got, logged)
	}
}

func TestAURIThatIsGivenTwiceIsReadOnce(t *testing.T) {
	families, _ := checked(t, Options{Readers: []Reader{fake{uri: "same", host: full()}, fake{uri: "same", host: full()}}})
	if got := value(families, "evenkeel_exporter_libvirt_up", "same"); got != 1 {
		t.Errorf("up is %v", got)
	}
}

func TestTheConnectionIsToldOfWhenReadingFails(t *testing.T) {
	dead := fake{uri: "dead", host: stat.Host{Name: "h1", Connection: stat.Connection{Opened: 3, Hanging: 2}}, err: errors.New("no answer")}
	families, _ := checked(t, Options{Readers: []Reader{dead, fake{uri: "silent", err: errors.New("no answer")}}})
	for name, want := range map[string][2]float64{
		"evenkeel_exporter_libvirt_calls_hanging": {2, -1}, "evenkeel_exporter_libvirt_connects_total": {3, -1},
		"evenkeel_exporter_libvirt_held_up_total": {0, -1}, "evenkeel_exporter_libvirt_read_only": {0, -1}, "evenkeel_exporter_inventory_age_seconds": {-1, -1},
	} {
		if got := [2]float64{value(families, name, "dead"), value(families, name, "silent")}; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

func TestVCPUsThatNobodyToldAreAbsent(t *testing.T) {
	families, _ := checked(t, Options{Readers: []Reader{fake{uri: "u", host: full()}}})
	if none, two := value(families, "evenkeel_vm_vcpus", "2222"), value(families, "evenkeel_vm_vcpus", "1111"); none != -1 || two != 2 {
		t.Errorf("they are %v and %v", none, two)
	}
}

func TestTheHostsNameIsThatOfItsOwnHypervisor(t *testing.T) {
	own := func(uri string) bool { return strings.HasPrefix(uri, "own") }
	up, hung, refused := fake{uri: "own:up", host: full()}, fake{wait: time.Hour}, fake{uri: "own:down", err: errors.New("refused")}
	far, near := hung, hung
	far.uri, near.uri = "far", "own:hung"
	for _, c := range []struct {
		readers []Reader
		machine Machine
		name    string
		settled bool
		took    time.Duration
	}{
		{[]Reader{far, up}, fakeMachine{fullMachine()}, "h1", true, 0},
		{[]Reader{near, refused, up}, fakeMachine{fullMachine()}, "h1", true, 0},
		{[]Reader{refused}, fakeMachine{fullMachine()}, "kernelname", false, 0},
		{[]Reader{near}, fakeMachine{fullMachine()}, "kernelname", false, time.Second},
		{[]Reader{far}, fakeMachine{fullMachine()}, "kernelname", true, 0},
		{[]Reader{refused}, nil, "", false, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			e := New(Options{Readers: c.readers, Machine: c.machine, Local: own, Timeout: time.Second, Log: slog.New(slog.DiscardHandler)})
			start := time.Now()
			name, settled := e.HostName(ctx)
			if took := time.Since(start); name != c.name || settled != c.settled || took != c.took {
				t.Errorf("%v: %q, settled: %v, after %s", c.readers[0].URI(), name, settled, took)
			}
		})
	}
}
