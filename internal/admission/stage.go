package admission

// The stages of a live connection. The goroutine that opens it moves the entry from
// opening to open, the end of the connection to closed; whichever of the two comes second
// gives back what the connection holds.
//
//	opening ─Enter→ open, or open and entered ─End→ closed     End's caller releases
//	opening ──────────End→ closed ─Enter→                      Enter's caller releases
const (
	opening uint32 = iota
	open
	openEntered
	closed
)

// stageBits is the size of a stage. In closed both bits are set.
const stageBits = 2

// Enter ends the opening of a connection; entered reports that Exit has something to undo,
// usually a subscription. It returns whether the connection has ended meanwhile: then the
// caller releases it.
func (e *Entry) Enter(entered bool) (ended bool) {
	next := open
	if entered {
		next = openEntered
	}
	was := e.state.Load()
	return was&closed != opening || !e.state.CompareAndSwap(was, was|next)
}

// End marks the connection as ended. If release is true the caller releases it, and entered is
// the argument of Enter; otherwise the goroutine that opens it does. It is called once.
func (e *Entry) End() (release, entered bool) {
	was := e.state.Or(closed) & closed
	return was != opening, was == openEntered
}

// Ended reports whether End was called.
func (e *Entry) Ended() bool { return e.state.Load()&closed == closed }
