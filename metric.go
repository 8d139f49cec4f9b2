package maru

// A MetricsReporter is a Broker with metrics of its own. A server answers with them at /metrics,
// beside its own.
type MetricsReporter interface {
	// Metrics is called once, when the server is made.
	Metrics() []Metric
}

// Metric is a number, or one number for each combination of label values.
type Metric struct {
	Name   string   // valid for Prometheus, and not one of the server's; a counter's ends in _total
	Help   string   // one sentence
	Labels []string // the label names; nil: none
	Rises  bool     // a counter; else a gauge
	// Read emits the values, each with a value for each of the labels. It is called for each scrape,
	// also after Close, and must be quick. It is safe for concurrent use.
	Read func(emit func(value float64, labels ...string))
}
