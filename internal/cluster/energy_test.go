package cluster_test

import (
	"math"
	"testing"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

func TestAPowerCurveBetweenItsPoints(t *testing.T) {
	bent := cluster.PowerCurve{100, 200, 240}
	for _, c := range []struct {
		curve       cluster.PowerCurve
		share, want float64
	}{
		{bent, 0, 100}, {bent, 0.25, 150}, {bent, 0.5, 200}, {bent, 0.75, 220}, {bent, 1, 240}, {bent, 1.5, 240}, {bent, -1, 100}, {bent, math.NaN(), 100}, {bent, math.Inf(1), 240},
		{cluster.PowerCurve{100, 300}, 0.5, 200}, {cluster.PowerCurve{70}, 0.5, 70}, {nil, 0.5, 0},
	} {
		if got := c.curve.Watts(c.share); got != c.want {
			t.Errorf("%v at %g: %g, want %g", c.curve, c.share, got, c.want)
		}
	}
}
