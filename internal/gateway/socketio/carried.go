package socketio

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net/http"
	"slices"

	"maru.example/maru/internal/fields"
	"maru.example/maru/internal/frame"
)

// carried is a request of a session on another node:
//
//	1 · method · sid · body                       GET, POST
//	1 · "lost" · sid · code · message             a POST whose body could not be read
//	1 · "begin" · sid · tunnel (15) · deflate bits · takeover · bits of the peer · bytes that were read
//	1 · "piece" · "" · tunnel (15) · bytes        of a tunnel
//	1 · "end" · "" · tunnel (15)                  the other end is closed
type carried struct {
	method, sid   string
	body          []byte
	code, message string
	tunnel        id
	compression   frame.Compression
}

const (
	carriedFormat = 1

	lost   = "lost" // methods
	begins = "begin"
	piece  = "piece"
	ends   = "end"
)

var errCarried = errors.New("the request that another node carries is damaged, or from another version")

func (q *carried) append(b []byte) []byte {
	b = fields.AppendString(fields.AppendString(append(b, carriedFormat), q.method), q.sid)
	switch q.method {
	case begins:
		b = append(b, q.tunnel[:]...)
		b = append(b, q.compression.DeflateBits, flags(q.compression.Takeover), q.compression.PeerBits)
	case piece, ends:
		b = append(b, q.tunnel[:]...)
	case lost:
		return fields.AppendString(fields.AppendString(b, q.code), q.message)
	}
	return append(b, q.body...)
}

// parseCarried reads what append wrote. The body is a part of b.
func parseCarried(b []byte) (carried, error) {
	r := fields.Reader{Rest: b}
	known := r.Byte() == carriedFormat
	q := carried{method: r.String(), sid: r.String()}
	switch q.method {
	case http.MethodGet:
		known = known && len(r.Rest) == 0
	case http.MethodPost:
		q.body = r.Rest
	case lost:
		q.code, q.message = r.String(), r.String()
		known = known && len(r.Rest) == 0
	case begins:
		copy(q.tunnel[:], r.Bytes(len(q.tunnel)))
		q.compression = frame.Compression{DeflateBits: r.Byte(), Takeover: readFlag(&r), PeerBits: r.Byte()}
		known = known && window(q.compression.DeflateBits) && window(q.compression.PeerBits)
		q.body = r.Rest
	case piece, ends:
		copy(q.tunnel[:], r.Bytes(len(q.tunnel)))
		if q.method == piece {
			q.body, r.Rest = r.Rest, nil
		}
		known = known && len(r.Rest) == 0
	default:
		known = false
	}
	if r.Failed || !known {
		return carried{}, errCarried
	}
	return q, nil
}

func readFlag(r *fields.Reader) bool {
	b := r.Byte()
	r.Failed = r.Failed || b > 1
	return b == 1
}

// window reports whether bits are those of a window of permessage-deflate, or none.
func window(bits uint8) bool { return bits == 0 || bits >= 8 && bits <= 15 }

// request is what poll and post read.
func (q *carried) request(ctx context.Context) (*http.Request, error) {
	method := q.method
	if method == lost {
		method = http.MethodPost
	}
	return http.NewRequestWithContext(ctx, method, "/", bytes.NewReader(q.body))
}

// carriedAnswer is the answer to a request on its way to another node. It is the http.ResponseWriter
// of poll and post.
//
//	1 · status · number of headers · (name · value)… · body
type carriedAnswer struct {
	header http.Header
	status int
	body   []byte
}

func (a *carriedAnswer) Header() http.Header { return a.header }

func (a *carriedAnswer) WriteHeader(status int) { a.status = status }

func (a *carriedAnswer) Write(b []byte) (int, error) {
	a.body = append(a.body, b...)
	return len(b), nil
}

func (a *carriedAnswer) append(b []byte) []byte {
	b = binary.AppendUvarint(append(b, carriedFormat), uint64(a.status))
	b = binary.AppendUvarint(b, uint64(len(a.header)))
	for name := range a.header {
		b = fields.AppendString(fields.AppendString(b, name), a.header.Get(name))
	}
	return append(b, a.body...)
}

// carriedHeaders are those that poll and post set.
var carriedHeaders = []string{"Content-Type", "Cache-Control", "Retry-After"}

func parseCarriedAnswer(b []byte) (carriedAnswer, error) {
	r := fields.Reader{Rest: b}
	known := r.Byte() == carriedFormat
	a := carriedAnswer{header: make(http.Header)}
	status := r.Uvarint()
	for n := r.Uvarint(); n > 0 && !r.Failed; n-- {
		if name, value := r.String(), r.String(); slices.Contains(carriedHeaders, name) {
			a.header.Set(name, value)
		}
	}
	a.status, a.body = int(status), r.Rest
	if r.Failed || !known || status < 200 || status > 599 {
		return carriedAnswer{}, errCarried
	}
	return a, nil
}

// write answers the client.
func (a *carriedAnswer) write(w http.ResponseWriter) {
	for name := range a.header {
		w.Header().Set(name, a.header.Get(name))
	}
	w.WriteHeader(a.status)
	w.Write(a.body) // fails only if the client has gone
}
