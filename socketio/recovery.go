package socketio

import (
	"cmp"
	"strconv"
	"time"

	gw "maru.example/maru/internal/gateway/socketio"
)

// Recovery lets a client whose connection broke come back as the same socket: with its id, rooms and
// Data, and with the events that it missed, in order and once. Socket.Recovered is true then. It is
// connectionStateRecovery of npm socket.io.
//
// On one node it is kept in memory, and not across a restart. On several nodes the client may come back
// to any, also when its own was killed: then all events of a namespace are published with a history, as
// those of the channels of maru are, and Emit waits until NATS has them. Each event gets its offset, a string, as a further argument;
// those with an ack, and volatile ones, are not kept. An event to a room is then sent to its members
// one by one.
type Recovery struct {
	// MaxDisconnection is the time that a client has. Default 2 minutes.
	MaxDisconnection time.Duration
	// Middleware is called for a socket that comes back, too. Default: only for new ones. It is
	// skipMiddlewares of npm socket.io, the other way round.
	Middleware bool
	// MaxBytes is the most bytes of events that a namespace keeps. Default 16 MiB. A client that has
	// missed older ones comes as a new socket.
	MaxBytes int
	// Data makes Socket.Data of a socket that comes back from another node, of what it was encoded as
	// there: see Arg.Decode. With an error the socket does not come back. Default: it is decoded into
	// an any.
	Data func(Arg) (any, error)
}

const (
	maxSaved = 10_000      // breaks in a namespace, after each of which a client may come back; the oldest is forgotten
	unsure   = time.Minute // how long before the end of its connection a client may have missed events
)

// recovery is what a namespace keeps. It is guarded by Namespace.mu. nil: nothing is kept.
type recovery struct {
	Recovery
	epoch  string
	last   uint64 // number of the last event; an offset is EPOCH.NUMBER
	events []kept // with consecutive numbers
	bytes  int
	live   map[string]*Socket // by pid
	saved  map[string]*saved  // by pid
	broken []*saved           // these, and those that came back, the oldest first
	timer  *time.Timer

	expired  func(pid string) // a saved socket was forgotten
	known    bool             // on several nodes: epoch and last are those of the history
	arriving int              // sockets that are catching up
	catching map[*catching]struct{}
}

// kept is an event, with the offset in it.
type kept struct {
	envelope
	number uint64
	only   string // the id of the one socket that it is for; empty: those of the envelope
	at     time.Time
}

func newRecovery(o *Recovery) *recovery {
	if o == nil {
		return nil
	}
	r := &recovery{Recovery: *o, epoch: gw.NewID()[:8], live: make(map[string]*Socket), saved: make(map[string]*saved), catching: make(map[*catching]struct{})}
	r.MaxDisconnection = cmp.Or(r.MaxDisconnection, 2*time.Minute)
	r.MaxBytes = cmp.Or(r.MaxBytes, 16<<20)
	return r
}

// stamp adds the offset to an event, and keeps it if it can be missed: else it has the offset of the
// last one that was kept.
func (r *recovery) stamp(e envelope, only string, keep bool) envelope {
	if r == nil {
		return e
	}
	if keep {
		r.last++
	}
	e.text = appendOffset(e.text, r.epoch, r.last)
	if keep {
		r.events = append(r.events, kept{e, r.last, only, time.Now()})
		r.bytes += e.size()
		r.trim()
	}
	return e
}

// appendOffset is the text of an event with its offset as the last argument.
func appendOffset(event []byte, epoch string, number uint64) []byte {
	end := len(event) - 1 // the bracket of the array
	text := append(make([]byte, 0, len(event)+30), event[:end]...)
	text = append(append(text, `,"`...), epoch...)
	return append(strconv.AppendUint(append(text, '.'), number, 36), `"]`...)
}

// trim forgets what is too much or too old.
func (r *recovery) trim() {
	now, n := time.Now(), 0
	for n < len(r.events) && (r.bytes > r.MaxBytes || now.Sub(r.events[n].at) > r.MaxDisconnection+unsure) {
		r.bytes -= r.events[n].size()
		r.events[n] = kept{}
		n++
	}
	r.events = r.events[n:]
	for len(r.broken) > 0 && (now.After(r.broken[0].until) || len(r.broken) > maxSaved) {
		if one := r.broken[0]; r.saved[one.pid] == one {
			delete(r.saved, one.pid)
			r.expired(one.pid)
		}
		r.broken[0], r.broken = nil, r.broken[1:]
	}
}

// idle reports whether nothing is kept for anybody.
func (r *recovery) idle() bool { return r == nil || len(r.saved)+r.arriving == 0 }
