// Package metrics shows a server's counters to Prometheus.
//
//	r := metrics.New([]metrics.Metric{
//		{Name: "maru_channels", Help: "Channels that somebody is in.", Read: func(tell metrics.Tell) { tell(float64(channels())) }},
//	})
//	http.Handle("/metrics", r)
//
// A metric is read when somebody asks, and costs nothing until then; only a Histogram is
// told of what happens. The Go runtime's and the process's own metrics come along.
//
// Everything is safe for concurrent use. It is the only package that knows Prometheus.
package metrics
