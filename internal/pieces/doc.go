// Package pieces encodes long answers in pieces of about 16 KiB, so that an answer costs one piece
// of memory, however long it is and however slowly it is read:
//
//	p := pieces.History("chat", h)
//	for more := true; more; {
//		b, more = p.Next(b[:0])
//		w.Write(b)
//	}
//
// Together the pieces are one JSON value, byte for byte what encoding/json and
// maru.Publication.AppendJSON make of it. A piece may end anywhere, also within a character.
//
// A JSON is for one goroutine at a time. The package writes to nobody.
package pieces
