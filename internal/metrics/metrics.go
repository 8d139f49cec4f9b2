package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metric is a number, or one number for each set of label values.
type Metric struct {
	Name   string   // by Prometheus' rules: a counter ends in _total
	Help   string   // one sentence
	Labels []string // names of the labels; nil: none
	Rises  bool     // a counter, else a gauge
	Read   func(Tell)
}

// Tell takes one number, with a value for each of the metric's labels.
type Tell func(value float64, labels ...string)

// Registry is an http.Handler that answers with all metrics, in the format that the scraper
// asks for.
type Registry struct {
	http.Handler
	registry *prometheus.Registry
}

// New makes a registry. It panics if a name or label is invalid or used twice.
func New(all []Metric) *Registry {
	r := prometheus.NewRegistry()
	for _, m := range all {
		r.MustRegister(reader{m, prometheus.NewDesc(m.Name, m.Help, m.Labels, nil)})
	}
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &Registry{promhttp.HandlerFor(r, promhttp.HandlerOpts{}), r}
}

// reader is a prometheus.Collector of one Metric.
type reader struct {
	Metric
	desc *prometheus.Desc
}

func (r reader) Describe(out chan<- *prometheus.Desc) { out <- r.desc }

func (r reader) Collect(out chan<- prometheus.Metric) {
	kind := prometheus.GaugeValue
	if r.Rises {
		kind = prometheus.CounterValue
	}
	r.Read(func(value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(r.desc, kind, value, labels...)
	})
}

// Histogram counts durations by their size.
type Histogram struct{ prometheus.Histogram }

// Histogram adds one to the registry, in seconds, from 100 µs to 5 s.
func (r *Registry) Histogram(name, help string) Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: []float64{.0001, .0005, .001, .005, .01, .05, .1, .5, 1, 5}})
	r.registry.MustRegister(h)
	return Histogram{h}
}

// Took counts one duration.
func (h Histogram) Took(d time.Duration) { h.Observe(d.Seconds()) }
