// Package frame is WebSocket on bytes: the framing of RFC 6455, the compression
// of RFC 7692, and the parts of both handshakes that are about values of
// headers. It opens nothing, waits for nothing and starts nothing; an event
// loop, a goroutine and a fuzzer drive the same code.
//
//	bytes read ─→ Reader.Next ─→ Event: a whole message, a ping, a pong, a close
//	                  │              (unmasked in place, joined, inflated, checked)
//	                  └─→ *Error: the close code to answer with
//
//	message ─→ Deflate, if negotiated ─→ AppendFrame (server) or AppendMasked (client) ─→ bytes to write
//
// A Reader keeps something only from the first byte of a frame or message to
// its last. Most of the time all of a frame arrives at once, and then Next
// copies and allocates nothing:
//
//	for len(p) > 0 {
//		ev, n, err := r.Next(p, rules)
//		if err != nil {
//			return err // answer its close code, then end the connection
//		}
//		p = p[n:]
//		switch ev.Op {
//		case frame.Text, frame.Binary:
//			message(ev.Payload)
//		case frame.Ping:
//			reply = frame.AppendFrame(reply, frame.Pong, false, ev.Payload)
//		case frame.Close:
//			return closed(ev.Code, ev.Reason)
//		}
//	}
//	if r.Idle() {
//		// nothing is under way: the reader may serve another connection
//	}
//
// Memory is bounded by the bytes that arrived (at most twice that, never the length in a
// header), and by Rules.MaxMessageBytes for an inflated message.
//
// Functions are safe for concurrent use, and so are Rules that do not change; a Reader is
// not. Without context takeover a compressed message means the same to every receiver. So
// one encoding serves all, and an idle connection keeps no memory. The package does not do
// the order of the closing handshake, timeouts, or the splitting of messages into
// fragments.
package frame
