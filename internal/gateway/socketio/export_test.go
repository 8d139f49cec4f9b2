package socketio

import "time"

// WithWriteAfter sets how long after a change the journal writes it.
func (o Options) WithWriteAfter(d time.Duration) Options {
	o.writeAfter = d
	return o
}

// What nodes say of a session that is elsewhere now.
var (
	AppendMoved = appendMoved
	MovedTo     = movedTo
)
