package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metric is a number, or one number for each combination of label values.
type Metric struct {
	Name   string   // a valid Prometheus name; a counter's ends in _total
	Help   string   // one sentence
	Labels []string // the label names; nil: none
	Rises  bool     // a counter; else a gauge
	Read   func(Emit)
}

// Emit adds one sample, with a value for each of the metric's labels.
type Emit func(value float64, labels ...string)

// Registry is an http.Handler that answers with all metrics, in the text format or another one
// that the scraper asks for.
type Registry struct {
	http.Handler
	registry *prometheus.Registry
}

// New makes a registry. It panics if a name or label is not valid, or a name is used twice.
func New(all []Metric) *Registry {
	r := prometheus.NewRegistry()
	for _, m := range all {
		r.MustRegister(reader{m, prometheus.NewDesc(m.Name, m.Help, m.Labels, nil)})
	}
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &Registry{ok{promhttp.HandlerFor(r, promhttp.HandlerOpts{})}, r}
}

// ok is a handler that sets the status 200, which promhttp leaves to the writer. In gin's NoRoute
// the answer would otherwise be 404.
type ok struct{ http.Handler }

func (h ok) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.Handler.ServeHTTP(&okWriter{ResponseWriter: w}, r)
}

type okWriter struct {
	http.ResponseWriter
	begun bool
}

func (w *okWriter) WriteHeader(status int) {
	w.begun = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *okWriter) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// reader is a prometheus.Collector of one Metric.
type reader struct {
	Metric
	desc *prometheus.Desc
}

func (r reader) Describe(descs chan<- *prometheus.Desc) { descs <- r.desc }

func (r reader) Collect(samples chan<- prometheus.Metric) {
	kind := prometheus.GaugeValue
	if r.Rises {
		kind = prometheus.CounterValue
	}
	r.Read(func(value float64, labels ...string) {
		samples <- prometheus.MustNewConstMetric(r.desc, kind, value, labels...)
	})
}

// Histogram counts durations by their size.
type Histogram struct{ prometheus.Histogram }

// Histogram adds a histogram to the registry, in seconds, from 100 µs to 5 s.
func (r *Registry) Histogram(name, help string) Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: []float64{.0001, .0005, .001, .005, .01, .05, .1, .5, 1, 5}})
	r.registry.MustRegister(h)
	return Histogram{h}
}

// Took counts one duration.
func (h Histogram) Took(d time.Duration) { h.Observe(d.Seconds()) }
