package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"maru.example/maru/internal/histogram"
)

// Metric is a number, or one number for each combination of label values.
type Metric struct {
	Name   string   // a valid Prometheus name; a counter's ends in _total
	Help   string   // one sentence
	Labels []string // the label names; nil: none
	Rises  bool     // a counter; else a gauge
	Read   func(Emit)

	// ReadHistogram reads a histogram of durations, in seconds, instead of Read.
	ReadHistogram func(EmitHistogram)
}

// EmitHistogram adds one histogram, with a value for each of the metric's labels.
type EmitHistogram func(s histogram.Snapshot, labels ...string)

// Emit adds one sample, with a value for each of the metric's labels.
type Emit func(value float64, labels ...string)

// Registry is an http.Handler that answers with all metrics, in the text format or another one
// that the scraper asks for.
type Registry struct{ http.Handler }

// New makes a registry. It panics if a name or label is not valid, or a name is used twice.
func New(all []Metric) *Registry {
	r := prometheus.NewRegistry()
	for _, m := range all {
		r.MustRegister(reader{m, prometheus.NewDesc(m.Name, m.Help, m.Labels, nil)})
	}
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &Registry{ok{promhttp.HandlerFor(r, promhttp.HandlerOpts{})}}
}

// reader is a prometheus.Collector of one Metric.
type reader struct {
	Metric
	desc *prometheus.Desc
}

func (r reader) Describe(descs chan<- *prometheus.Desc) { descs <- r.desc }

func (r reader) Collect(samples chan<- prometheus.Metric) {
	if r.ReadHistogram != nil {
		r.ReadHistogram(func(s histogram.Snapshot, labels ...string) {
			samples <- prometheus.MustNewConstHistogram(r.desc, s.Count(), s.Sum.Seconds(), cumulated(s), labels...)
		})
		return
	}
	kind := prometheus.GaugeValue
	if r.Rises {
		kind = prometheus.CounterValue
	}
	r.Read(func(value float64, labels ...string) {
		samples <- prometheus.MustNewConstMetric(r.desc, kind, value, labels...)
	})
}

// cumulated is how many observations are in each bucket or a lower one, by upper bound in seconds.
func cumulated(s histogram.Snapshot) map[float64]uint64 {
	buckets, sum := make(map[float64]uint64, len(histogram.Bounds)), uint64(0)
	for i, bound := range histogram.Bounds {
		sum += s.Counts[i]
		buckets[bound.Seconds()] = sum
	}
	return buckets
}
