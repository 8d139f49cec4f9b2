package server

import (
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/metrics"
)

func (s *Server) Metrics() []metrics.Metric { return s.allMetrics() }

// Live is what the registry says of each live connection.
func (s *Server) Live() (all []admission.Info) {
	for live := range s.registry.All() {
		all = append(all, live.Info())
	}
	return all
}
