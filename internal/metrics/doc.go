// Package metrics exports the counters of a server to Prometheus.
//
//	r := metrics.New([]metrics.Metric{
//		{Name: "maru_channels", Help: "Channels with at least one subscriber.", Read: func(emit metrics.Emit) { emit(float64(channels())) }},
//	})
//	http.Handle("/metrics", r)
//
// A metric is read at each scrape and costs nothing otherwise; only a Histogram is updated as
// things happen. The registry includes the metrics of the Go runtime and of the process.
//
// Everything is safe for concurrent use. No other package imports Prometheus.
package metrics
