package sse

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"

	"maru.example/maru"
)

// comment keeps a stream alive; the client's program does not see it.
const comment = ":\n\n"

// appendRetry appends how long a browser waits before it reconnects.
func appendRetry(dst []byte, after time.Duration) []byte {
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, after.Milliseconds(), 10)
	return append(dst, '\n')
}

// appendID appends the client's position.
func appendID(dst []byte, at maru.Position) []byte {
	dst = append(append(append(dst, "id: "...), at.Epoch...), ':')
	dst = strconv.AppendUint(dst, at.Offset, 10)
	return append(dst, '\n')
}

// appendPublication appends one event. Lines end at LF, CR or both (HTML, "Parsing an event
// stream"). Only text without CR can therefore be sent line by line and arrive unchanged. JSON
// is compacted: it has neither.
func appendPublication(dst []byte, epoch string, p *maru.Publication) []byte {
	if p.Offset != 0 { // a transient publication does not change the client's position
		dst = appendID(dst, maru.Position{Epoch: epoch, Offset: p.Offset})
	}
	if p.Kind == maru.Binary || bytes.IndexByte(p.Data, '\r') >= 0 {
		dst = append(dst, "event: base64\ndata: "...)
		dst = base64.StdEncoding.AppendEncode(dst, p.Data)
		return append(dst, "\n\n"...)
	}
	return appendData(dst, p.Data)
}

// appendData appends the data lines and the end of the block.
func appendData(dst, data []byte) []byte {
	for line := range bytes.SplitSeq(data, []byte{'\n'}) {
		dst = append(append(append(dst, "data: "...), line...), '\n')
	}
	return append(dst, '\n')
}

// appendGap appends a gap. It has an id only if no retained publication follows: with an id, a
// client that is cut off right after it would skip what follows.
func appendGap(dst []byte, h maru.History) []byte {
	dst = append(dst, "event: gap\n"...)
	if len(h.Publications) == 0 {
		dst = appendID(dst, maru.Position{Epoch: h.Epoch, Offset: h.Head})
	}
	gap, _ := json.Marshal(h.Gap) // a word and two numbers
	return appendData(dst, gap)
}

// appendClosed appends the last block of a stream that the server closes: the error in the shape
// of docs/contract.md §3. The browser reconnects all the same; its request then gets the error.
func appendClosed(dst []byte, e *maru.Error) []byte {
	closed, _ := json.Marshal(struct {
		Code    maru.Code `json:"code"`
		Message string    `json:"message"`
	}{e.Code, e.Message}) // two strings
	return appendData(append(dst, "event: closed\n"...), closed)
}
