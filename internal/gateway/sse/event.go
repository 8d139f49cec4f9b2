package sse

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"

	"maru.example/maru"
)

// comment keeps a stream alive; the client's program does not see it. It has at least size bytes,
// for proxies that hold back less.
func comment(size int) []byte {
	return padded([]byte("\n"), size)
}

// firstBytes is the size of a stream's first block. Some proxies hold back a response until so much
// of it has come, and so do some old clients (Internet Explorer and its XDomainRequest).
const firstBytes = 2 << 10

// padded adds a comment to a block, before its empty line, so that it has at least size bytes. The
// comment comes last, so that it pushes out everything before it.
func padded(block []byte, size int) []byte {
	block = append(block[:len(block)-1], ':')
	if missing := size - len(block) - len("\n\n"); missing > 0 {
		block = append(block, bytes.Repeat([]byte{' '}, missing)...)
	}
	return append(block, "\n\n"...)
}

// appendRetry appends how long a browser waits before it reconnects.
func appendRetry(dst []byte, after time.Duration) []byte {
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, (after + time.Millisecond - 1).Milliseconds(), 10) // not before
	return append(dst, '\n')
}

// appendID appends the client's position, and after it the secret that reopens the stream of a
// ticket; empty: none.
func appendID(dst []byte, at maru.Position, secret string) []byte {
	dst = append(append(append(dst, "id: "...), at.Epoch...), ':')
	dst = strconv.AppendUint(dst, at.Offset, 10)
	if secret != "" {
		dst = append(append(dst, ':'), secret...)
	}
	return append(dst, '\n')
}

// appendPosition appends where the client stands. It has data, since some clients ignore an id
// without data (npm eventsource).
func appendPosition(dst []byte, channel string, at maru.Position) []byte {
	position, _ := json.Marshal(struct { // two strings and a number
		Channel string `json:"channel"`
		Epoch   string `json:"epoch"`
		Offset  uint64 `json:"offset"`
	}{channel, at.Epoch, at.Offset})
	return appendData(append(dst, "event: position\n"...), position)
}

// appendPublication appends one event. Lines end at LF, CR or both (HTML, "Parsing an event
// stream"). Only text without CR can therefore be sent line by line and arrive unchanged. JSON
// is compacted: it has neither. The name of an event has neither too, see maru.CheckEvent; in front
// of that of base64 is base64:.
func appendPublication(dst []byte, epoch string, p *maru.Publication, secret string) []byte {
	if p.Offset != 0 { // a transient publication does not change the client's position
		dst = appendID(dst, maru.Position{Epoch: epoch, Offset: p.Offset}, secret)
	}
	if p.Kind == maru.Binary || bytes.IndexByte(p.Data, '\r') >= 0 {
		dst = append(dst, "event: base64"...)
		if p.Event != "" {
			dst = append(append(dst, ':'), p.Event...)
		}
		dst = append(dst, "\ndata: "...)
		dst = base64.StdEncoding.AppendEncode(dst, p.Data)
		return append(dst, "\n\n"...)
	}
	if p.Event != "" {
		dst = append(append(append(dst, "event: "...), p.Event...), '\n')
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
func appendGap(dst []byte, h maru.History, secret string) []byte {
	dst = append(dst, "event: gap\n"...)
	if len(h.Publications) == 0 {
		dst = appendID(dst, maru.Position{Epoch: h.Epoch, Offset: h.Head}, secret)
	}
	gap, _ := json.Marshal(h.Gap) // a word and two numbers
	return appendData(dst, gap)
}

// appendClosed appends the last block of a stream that the server closes: the error in the shape
// of docs/contract.md §3. The browser reconnects all the same; its request then gets the error.
func appendClosed(dst []byte, e *maru.Error) []byte {
	return appendError(append(dst, "event: closed\n"...), e)
}

// appendRefused appends all of a stream that cannot be served now: when to come back, and why.
// The event's name is not error, since EventSource would take that for a lost connection.
func appendRefused(dst []byte, e *maru.Error, after time.Duration) []byte {
	return appendError(append(appendRetry(dst, after), "event: refused\n"...), e)
}

func appendError(dst []byte, e *maru.Error) []byte {
	public, _ := json.Marshal(struct {
		Code    maru.Code `json:"code"`
		Message string    `json:"message"`
	}{e.Code, e.Message}) // two strings
	return appendData(dst, public)
}
