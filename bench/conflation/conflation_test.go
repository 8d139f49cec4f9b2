package main

import (
	"strings"
	"testing"
	"time"
)

// A small market: what a reader finds wrong is an error, so that nothing was.
func TestConflation(t *testing.T) {
	t.Parallel()
	o := options{keys: 100, perSecond: 20, normal: 10, slow: 5, bytesPerSecond: 500, round: 2 * time.Second, rounds: 1}
	text, err := run(t.Context(), o, t.Logf)
	if err != nil || !strings.Contains(text, "with 5 that read 500 B/s") {
		t.Error(text, err)
	}
}

// The readers notice what they are there to notice.
func TestReaderNotices(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		slow   bool
		values []string
		wrong  bool
	}{
		"each":             {false, []string{"1000001", "1000002"}, false},
		"one was stale":    {true, []string{"1000001", "1000003"}, false},
		"slow, older":      {true, []string{"1000003", "1000002"}, true},
		"slow, twice":      {true, []string{"1000003", "1000003"}, true},
		"not of that form": {true, []string{"1"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &reader{slow: c.slow, last: []int64{firstN}}
			for _, n := range c.values {
				if r.err == nil {
					r.value([]byte(`{"k":"k0000","n":`+n+`,"t":1764340000000000000}`), time.Now())
				}
			}
			if (r.err != nil) != c.wrong {
				t.Error(r.err)
			}
		})
	}
}
