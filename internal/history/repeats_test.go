package history_test

import (
	"crypto/sha256"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/history"
)

// Issue 16: sums are on disk. Those of publications without an event stay as they were.
func TestSumWithoutEvent(t *testing.T) {
	t.Parallel()
	p := &maru.Publication{Kind: maru.JSON, Key: "AAPL", Data: []byte("7.5")}
	if got, want := history.SumOf(p), sha256.Sum256([]byte("\x01\x04AAPL7.5")); got != want {
		t.Errorf("the sum is %x, want %x", got, want)
	}
}

// What differs in a field, or has the same bytes in other fields, has another sum.
func TestSums(t *testing.T) {
	t.Parallel()
	seen := make(map[history.Sum]int)
	for i, p := range []*maru.Publication{
		{}, {Data: []byte("a")}, {Key: "a"}, {Event: "a"}, {Kind: maru.Binary, Event: "a"},
		{Event: "a", Key: "b"}, {Event: "b", Key: "a"}, {Event: "ab"}, {Key: "ab"},
		{Event: "a", Data: []byte("\x01b")}, {Key: "a", Data: []byte("\x01b")}, {Kind: maru.JSON, Data: []byte("\x00")},
	} {
		sum := history.SumOf(p)
		if other, there := seen[sum]; there {
			t.Errorf("publications %d and %d have one sum", other, i)
		}
		seen[sum] = i
	}
}
