package loop

// End is how a connection has ended, and whose doing it was.
type End struct {
	// Code and Reason are those of the first close frame, or 1006 if there was none. Unlike
	// those of Handler.Closed they are ours if we began, whatever the peer has answered.
	Code   int
	Reason string
	Err    error // what ended it, for the log; nil: only the close frame says why
	ByPeer bool  // the peer's close frame came first

	// Bytes and Messages waited for the peer when the end began.
	Bytes, Messages int
}

// An EndHandler is a Handler that receives Ended instead of Closed. It runs on the connection's
// loop and must not block.
type EndHandler interface{ Ended(End) }

// ending is an End that has begun.
type ending struct {
	End
	caused bool // Code, Reason, Err and ByPeer are known
}

// waits notes what waits for the peer, the first time that the end is spoken of.
func (d *side) waits() {
	if d.ending == nil {
		d.ending = &ending{End: End{Bytes: d.out.bytes, Messages: d.out.messages + d.out.lane.len()}}
	}
}

// causes notes why the connection ends. The first cause counts.
func (d *side) causes(why closed, byPeer bool) {
	d.waits()
	if !d.ending.caused {
		d.ending.caused = true
		d.ending.Code, d.ending.Reason, d.ending.Err, d.ending.ByPeer = why.code, why.reason, why.err, byPeer
	}
}

// endOf is the end of a connection that ends now; why is what a Handler receives.
func endOf(d *side, why closed) End {
	if d == nil {
		return End{Code: why.code, Reason: why.reason, Err: why.err}
	}
	d.causes(why, false)
	return d.ending.End
}

// notify calls the last event of a handler.
func notify(h Handler, end End, why closed) {
	if full, is := h.(EndHandler); is {
		full.Ended(end)
		return
	}
	h.Closed(why.code, why.reason, why.err)
}
