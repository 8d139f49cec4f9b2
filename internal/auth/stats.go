package auth

import (
	"sync/atomic"
	"time"

	"maru.example/maru/internal/histogram"
)

// WebhookStats counts the questions to a Webhook, of all webhooks that a server has had.
type WebhookStats struct {
	Took    histogram.Histogram // until an answer, or a failure
	Refused atomic.Uint64       // clients that the back end refused
	Failed  atomic.Uint64       // no answer, or not a valid one
	Busy    atomic.Uint64       // not asked, because too many requests wait for answers
}

// KeySetStats counts the readings of the key sets that a server has had.
type KeySetStats struct {
	Read, Failed atomic.Uint64
	Keys         atomic.Int64 // in the last reading
	at           atomic.Int64 // of the last reading that succeeded: nanoseconds of Unix time
}

// LastRead is when the set was last read; the zero time: never.
func (s *KeySetStats) LastRead() time.Time {
	if at := s.at.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

func (s *KeySetStats) read(keys int) {
	s.Read.Add(1)
	s.Keys.Store(int64(keys))
	s.at.Store(time.Now().UnixNano())
}
