package metrics_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/histogram"
	"maru.example/maru/internal/metrics"
)

func TestRegistry(t *testing.T) {
	t.Parallel()
	reads := 0
	r := metrics.New([]metrics.Metric{
		{Name: "a_total", Help: "A.", Rises: true, Read: func(emit metrics.Emit) { reads++; emit(7) }},
		{Name: "b", Help: "B.", Labels: []string{"x", "y"}, Read: func(emit metrics.Emit) {
			emit(1.5, "1", `"2"`)
			emit(-1, "3", "4")
		}},
		{Name: "c", Help: "C.", Labels: []string{"x"}, Read: func(metrics.Emit) {}},
		{Name: "d_seconds", Help: "D.", Labels: []string{"x"}, ReadHistogram: func(emit metrics.EmitHistogram) {
			var h histogram.Histogram
			h.Observe(2 * time.Millisecond)
			h.Observe(time.Minute)
			var s histogram.Snapshot
			h.AddTo(&s)
			emit(s, "1")
		}},
	})
	if reads != 0 {
		t.Errorf("read %d times before the first scrape", reads)
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		"# TYPE a_total counter\na_total 7\n",
		"# HELP b B.\n# TYPE b gauge\nb{x=\"1\",y=\"\\\"2\\\"\"} 1.5\nb{x=\"3\",y=\"4\"} -1\n",
		"# TYPE d_seconds histogram\n", "d_seconds_bucket{x=\"1\",le=\"0.001\"} 0\nd_seconds_bucket{x=\"1\",le=\"0.0025\"} 1\n",
		"d_seconds_bucket{x=\"1\",le=\"10\"} 1\nd_seconds_bucket{x=\"1\",le=\"+Inf\"} 2\nd_seconds_sum{x=\"1\"} 60.002\nd_seconds_count{x=\"1\"} 2\n",
		"go_goroutines ",
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %q in\n%s", want, w.Body)
		}
	}
	if strings.Contains(w.Body.String(), "\nc") || reads != 1 {
		t.Errorf("read %d times:\n%s", reads, w.Body)
	}
}

// A name that is used twice is a mistake in the table of metrics.
func TestDuplicateName(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("New accepted two metrics of one name")
		}
	}()
	m := metrics.Metric{Name: "a", Help: "A.", Read: func(metrics.Emit) {}}
	metrics.New([]metrics.Metric{m, m})
}
