package socketio

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net/http"
	"slices"

	"maru.example/maru/internal/fields"
)

// carried is a request of a session on another node:
//
//	1 · method · sid · body                       GET, POST
//	1 · "lost" · sid · code · message             a POST whose body could not be read
type carried struct {
	method, sid   string
	body          []byte
	code, message string
}

const (
	carriedFormat = 1
	lost          = "lost" // a method
)

var errCarried = errors.New("the request that another node carries is damaged, or from another version")

func (q *carried) append(b []byte) []byte {
	b = fields.AppendString(fields.AppendString(append(b, carriedFormat), q.method), q.sid)
	if q.method == lost {
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
	default:
		known = false
	}
	if r.Failed || !known {
		return carried{}, errCarried
	}
	return q, nil
}

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
