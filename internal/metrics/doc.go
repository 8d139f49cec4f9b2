// Package metrics exports the counters of a server to Prometheus.
//
//	r := metrics.New([]metrics.Metric{
//		{Name: "maru_channels", Help: "Channels with at least one subscriber.", Read: func(emit metrics.Emit) { emit(float64(channels())) }},
//	})
//	http.Handle("/metrics", r)
//
// A Metric is read when Prometheus scrapes it, and costs nothing until then. The metrics of the Go runtime and the process are included.
//
// Everything is safe for concurrent use. Only this package imports Prometheus.
package metrics
