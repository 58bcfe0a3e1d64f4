package api

import (
	"context"
	"net/http"
)

// TargetGroup is what a Prometheus is to scrape, as its http_sd_configs read it.
type TargetGroup struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// SetTargets says who knows what is to be scraped. It is told by which scheme and at which address this server was asked.
func (s *Server) SetTargets(targets func(scheme, self string) []TargetGroup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.targets = targets
}

func (s *Server) discover(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	targets := s.targets
	s.mu.Unlock()
	groups, scheme := []TargetGroup{}, "http"
	if r.TLS != nil {
		scheme = "https"
	}
	if targets != nil {
		groups = append(groups, targets(scheme, r.Host)...)
	}
	answer(w, groups)
}

// Targets asks what a Prometheus is to scrape.
func (c *Client) Targets(ctx context.Context) ([]TargetGroup, error) {
	return get[[]TargetGroup](ctx, c, "/api/v1/targets/http_sd", nil)
}
