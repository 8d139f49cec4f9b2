package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
)

// A tally counts tests. Its zero value is ready to use; it is safe for concurrent use.
type tally struct {
	mu       sync.Mutex
	passed   int
	skipped  map[string][]string // by reason: names
	failures []failure
}

// all has the tests of all steps.
var all tally

type failure struct{ name, output string }

func (t *tally) pass(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.passed += n
}

func (t *tally) skip(name, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.skipped == nil {
		t.skipped = make(map[string][]string)
	}
	t.skipped[reason] = append(t.skipped[reason], name)
}

func (t *tally) fail(name, output string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures = append(t.failures, failure{name, output})
}

// add takes over what other counted, which must not count anymore.
func (t *tally) add(other *tally) {
	t.pass(other.passed)
	for reason, names := range other.skipped {
		for _, name := range names {
			t.skip(name, reason)
		}
	}
	for _, f := range other.failures {
		t.fail(f.name, f.output)
	}
}

func (t *tally) failed() int { return len(t.failures) }

func (t *tally) any() bool { return t.passed+len(t.failures)+len(t.skipped) > 0 }

func (t *tally) line() string {
	skipped := 0
	for _, names := range t.skipped {
		skipped += len(names)
	}
	return fmt.Sprintf("%d passed, %d failed, %d skipped", t.passed, len(t.failures), skipped)
}

// write writes the output of the tests that failed, and why others were skipped.
func (t *tally) write(w io.Writer) {
	for _, f := range t.failures {
		fmt.Fprintf(w, "\nFAILED: %s\n%s\n", f.name, strings.TrimRight(f.output, "\n"))
	}
	if len(t.failures) > 0 {
		fmt.Fprintln(w, "\nfailed:")
		for _, f := range t.failures {
			fmt.Fprintf(w, "  %s\n", f.name)
		}
	}
	if len(t.skipped) > 0 {
		fmt.Fprintln(w, "\nskipped:")
	}
	for _, reason := range slices.Sorted(maps.Keys(t.skipped)) {
		names := t.skipped[reason]
		slices.Sort(names)
		fmt.Fprintf(w, "  %s: %s\n", reason, list(slices.Compact(names)))
	}
}

// list names a few, and says how many more there are.
func list(names []string) string {
	const most = 4
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s, and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
