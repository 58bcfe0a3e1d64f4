package promql

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

// Holds tells whether the query has a sample that is not zero at the time.
func (s *Source) Holds(ctx context.Context, query string, at time.Time) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	value, _, _, err := s.api.Query(ctx, query, at)
	if err != nil {
		return false, fmt.Errorf("query %s: %w", query, err)
	}
	switch v := value.(type) {
	case *model.Scalar:
		return v.Value != 0, nil
	case model.Vector:
		for _, sample := range v {
			if sample.Value != 0 {
				return true, nil
			}
		}
		return false, nil
	}
	return false, fmt.Errorf("query %s: the answer is a %T, not a vector", query, value)
}
