package history

import (
	"time"

	"maru.example/maru"
)

// Overhead is the bytes that a retained publication counts beside its data, its key, its event,
// its user and the name of its channel: about what it costs in memory when it is alone in its
// channel. One of a hundred costs some 180 (BenchmarkMemory of the broker in memory).
const Overhead = 256

// Size returns what p counts towards Retention.Bytes in a channel of this name.
func Size(channel string, p *maru.Publication) int64 {
	return Overhead + int64(len(channel)+len(p.Data)+len(p.Key)+len(p.Event)+len(p.User))
}

// An Entry is a retained publication: 32 bytes beside the publication itself.
type Entry struct {
	Offset      uint64
	At          time.Duration // when it was published, on the broker's clock
	Size        int64         // what it counts towards Retention.Bytes
	Publication *maru.Publication
}

// A hole is a range of a channel's offsets that a damaged store has lost.
type hole struct{ from, to uint64 }
