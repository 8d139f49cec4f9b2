package server

import "maru/internal/metrics"

func (s *Server) Metrics() []metrics.Metric { return s.metrics() }
