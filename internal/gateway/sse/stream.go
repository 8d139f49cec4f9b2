package sse

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/response"
)

// stream is the response of one request.
type stream struct {
	*streams
	w         http.ResponseWriter
	control   *http.ResponseController
	deadlines *http.ResponseController
	buf       []byte // of one write, reused
}

var errSlow = maru.NewError(maru.CodeSlow, "the client reads too slowly: one write took too long; reconnect and recover")

// maxKeptBuffer is the largest buffer that an idle stream keeps.
const maxKeptBuffer = 4 << 10

// newStream frees the response from the deadlines of the program's own http.Server.
func (s *streams) newStream(w http.ResponseWriter, r *http.Request, e *gateway.Endpoint) *stream {
	out := &stream{streams: s, w: w, control: http.NewResponseController(w), deadlines: response.Deadlines(w)}
	if r.ContentLength == 0 {
		out.deadlines.SetReadDeadline(time.Time{}) // it would cancel the request's context
	}
	if errors.Is(out.deadlines.SetWriteDeadline(time.Time{}), errors.ErrUnsupported) {
		e.WarnCut(w, r)
	}
	return out
}

// describe sets the headers of a stream. A proxy that compresses it would hold events back until
// a block of its compression is full. no-transform is against that. Caddy and some middlewares do
// not know it, but leave alone what has a Content-Encoding: so it is sent although RFC 9110
// §8.4.1 advises against identity. Where a middleware has set another one, that compresses.
func describe(h http.Header) {
	if h.Get("Content-Encoding") == "" {
		h.Set("Content-Encoding", "identity")
	}
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx otherwise holds events back
	h.Set("X-Content-Type-Options", "nosniff")
}

// run writes what next returns, and comments, until an error.
func (s *stream) run(ctx context.Context, next feed) error {
	for {
		err := s.until(ctx, time.Now().Add(s.every), next)
		if err == nil {
			err = s.write(append(s.buf, s.comment...))
		}
		if err != nil {
			return err
		}
	}
}

// until writes what next returns until the comment is due; reaching that time is not an error.
func (s *stream) until(ctx context.Context, due time.Time, next feed) error {
	tick, cancel := context.WithDeadline(ctx, due)
	defer cancel()
	for {
		if ctx.Err() != nil { // checked first, because publications may never pause
			return context.Cause(ctx)
		}
		b, err := next(tick, s.buf)
		if err != nil {
			if ctx.Err() == nil && tick.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
				return nil
			}
			return err
		}
		if err := s.write(b); err != nil {
			return err
		}
	}
}

// end writes the last block: when to reconnect, in a drain, or why the server has closed the
// stream.
func (s *stream) end(ctx context.Context, err error, after time.Duration) {
	e := maru.ErrorOf(err)
	switch {
	case e.Code == maru.CodeShuttingDown && after > 0:
		s.write(farewell(after))
	case e.Code != maru.CodeShuttingDown && e.Code != maru.CodeInternal && context.Cause(ctx) == err: // not a slow or lost client
		s.write(appendClosed(s.buf, e))
	}
}

// write sends b at once, or ends the stream of a slow client. The deadline is set only for the
// write: on HTTP/2 it would also end an idle stream.
func (s *stream) write(b []byte) error {
	if err := s.deadline(time.Now().Add(s.timeout)); err != nil {
		return err
	}
	if _, err := s.w.Write(b); err != nil {
		return lateIsSlow(err)
	}
	s.buf = b[:0]
	if cap(b) > maxKeptBuffer {
		s.buf = nil
	}
	if err := s.control.Flush(); err != nil {
		return lateIsSlow(err)
	}
	return s.deadline(time.Time{})
}

// lateIsSlow turns the error of a late write into errSlow. net/http also cancels the request
// then, as if the client had disconnected.
func lateIsSlow(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errSlow
	}
	return err
}

func (s *stream) deadline(at time.Time) error {
	if err := s.deadlines.SetWriteDeadline(at); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
