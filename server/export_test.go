package server

import "maru.example/maru/internal/metrics"

func (s *Server) Metrics() []metrics.Metric { return s.allMetrics() }
