package plan

import (
	"math"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/clustertest"
	"pgregory.net/rapid"
)

// After any moves the search finds what trying every VM on every host finds, where that brings anything: a VM on the emptiest host of its class is
// not held against hosts that are as full or fuller, which could bring it nothing.
func TestTheSearchFindsTheBestMove(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := clustertest.Snapshots().Draw(t, "cluster")
		if rapid.Bool().Draw(t, "alike") { // hosts drawn one by one are hardly ever of one class, and a front of one is never wrong
			for i := range s.Hosts[1:] {
				h := s.Hosts[0]
				h.ID, h.State, h.FailureDomain = s.Hosts[i+1].ID, s.Hosts[i+1].State, s.Hosts[i+1].FailureDomain
				s.Hosts[i+1] = h
			}
		}
		w := newWork(s, nil, Policy{Threshold: 5, MaxMoves: 20, Limits: cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95}, BandwidthBytesPerSecond: 1 << 30, Horizon: time.Hour})
		var vms []int
		for v := range s.VMs {
			if at := w.place.At(v); at >= 0 && w.place.UsableAt(at) && w.place.BlockedAt(v) == "" {
				vms = append(vms, v)
			}
		}
		search := newSearch(w, vms, w.policy.Limits, w.price)
		for range 8 {
			most := tryAll(w, vms)
			v, to, net := search.best()
			if net, most := max(0, net), max(0, most); math.Abs(net-most) > 1e-6*max(1, most) {
				t.Fatalf("the best move that is found brings %g and the best that there is %g", net, most)
			}
			if v < 0 {
				return
			}
			search.move(v, to)
		}
	})
}

// tryAll is what the best move brings, by trying every one.
func tryAll(w *work, vms []int) (net float64) {
	net = worthless
	for _, v := range vms {
		for h := range w.snap.Hosts {
			if h == w.place.At(v) || w.shunned[h] || !w.place.Fits(v, h, w.policy.Limits) || w.returns(v, h) {
				continue
			}
			net = max(net, w.gain(v, h)-w.price(v))
		}
	}
	return net
}
