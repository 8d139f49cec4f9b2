package loop

// writing is the part of a loop that writes to its connections.
type writing struct {
	put        func(fd int, b []byte) (int, error) // writeSocket
	buffer     []byte                              // small frames copied together: see gather
	sealBuffer []byte                              // records of TLS: see seal
	ring       *ring                               // sends to many; nil: put does
	listed     [ringSends]listed                   // prepared in the ring
	dirty      []connID                            // connections with a queue to flush at the end of the batch
	tight      tightness                           // limits of backlogs are divided by 1<<tight: see Engine.Tighten
}

func newWriting() writing {
	return writing{put: writeSocket, buffer: make([]byte, 0, gatherBytes)}
}

func (w *writing) markDirty(id connID, s *slot) {
	if s.state&outDirty == 0 {
		s.state |= outDirty
		w.dirty = append(w.dirty, id)
	}
}

// gather is the next bytes to write: the head itself if it is alone or large, else small
// frames copied together, which is faster than writev.
func (w *writing) gather(out *outbox) []byte {
	head := out.queue[0].bytes[out.sent:]
	if len(out.queue) == 1 || len(head) >= gatherBytes/4 || out.inPieces() {
		return head
	}
	b := append(w.buffer[:0], head...)
	for _, next := range out.queue[1:] {
		if len(b)+len(next.bytes) > cap(b) {
			break
		}
		b = append(b, next.bytes...)
		if next.pieces != nil {
			break // its next piece follows
		}
	}
	return b
}

// seal encrypts b, at most gatherBytes of it, in the loop's buffer, and returns how many
// bytes that was. No records may be waiting.
func (w *writing) seal(t *transport, b []byte) (int, error) {
	t.sealed = w.sealBuffer[:0]
	n, err := t.tls.Write(b[:min(len(b), gatherBytes)])
	w.sealBuffer = t.sealed[:0] // may have grown
	if err != nil {
		t.sealed = nil
	}
	return n, err
}

// list prepares bytes to be sent with those of others.
func (w *writing) list(id connID, s *slot, b *block) {
	w.listed[w.ring.n] = listed{id, *b}
	w.ring.prepare(opSend, int(s.fd), b.bytes)
}

func (w *writing) closeRing() {
	if w.ring != nil {
		w.ring.close()
		w.ring = nil
	}
}
