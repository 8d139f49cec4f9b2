package store

import "testing"

// A clock that is set back does not make the tallies of idempotency keys wrong.
func TestTallies(t *testing.T) {
	t.Parallel()
	var n record
	for _, period := range []uint32{4, 5, 6, 5, 6, 5} {
		n.count(period, 1)
	}
	for period, want := range map[uint32]uint64{5: 3, 6: 2} {
		if got := n.tallyOf(period).count; got != want {
			t.Errorf("period %d has %d keys, want %d", period, got, want)
		}
	}
}
