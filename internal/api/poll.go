package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/pieces"
	"maru.example/maru/internal/response"
)

// answerTimeout is the time for writing the answer of a poll.
const answerTimeout = 60 * time.Second

// servePoll is history that waits. If there is a publication after since, or a gap, it answers
// at once; otherwise with the next publication. It answers with an empty list when the wait is
// over or at its turn in a drain, and with an error when the right to wait is withdrawn. A poll
// counts as a connection, and not in presence.
func (a *API) servePoll(w http.ResponseWriter, r *http.Request, channel string, asked ask) {
	ctx, end := context.WithCancelCause(r.Context())
	defer end(nil)
	h, err := a.polls.Hold(r, channel, end, auth.History)
	if err != nil {
		a.polls.Refuse(w, r, err)
		return
	}
	defer h.Release()

	// A server's write time-out counts from the start of the request, and on HTTP/2 it ends the
	// stream even if nothing is being written.
	deadlines := response.Deadlines(w)
	deadlines.SetWriteDeadline(time.Now().Add(asked.wait + answerTimeout))
	if r.ContentLength == 0 {
		deadlines.SetReadDeadline(time.Time{}) // it would cancel the request's context
	}
	h.Opened()
	history, err := a.poll(ctx, h, channel, asked)
	h.Closed(r.Context(), err)
	switch {
	case err == nil:
		writePieces(w, pieces.History(channel, history))
	case maru.ErrorOf(err).Code == maru.CodeInternal:
		a.fail(w, r, err)
	default:
		auth.WriteError(w, r, err) // its end is in the log
	}
}

// poll waits from when it has read the history, since the client may have to wait for that and
// for its identification.
func (a *API) poll(ctx context.Context, at *gateway.Response, channel string, asked ask) (maru.History, error) {
	q, limit := asked.query, asked.query.Limit
	if q.Since == nil {
		q.Limit = 0 // only publications from now on
	}
	queue, h, err := a.hub.Subscribe(ctx, channel, hub.Reader{Absent: true}, q)
	if err != nil {
		return h, cmp.Or(context.Cause(ctx), err)
	}
	defer queue.Close()
	at.Reads(queue)
	if h.Gap != nil || len(h.Publications) > 0 {
		return h, nil
	}
	ctx, cancel := context.WithTimeout(ctx, asked.wait)
	defer cancel()
	for len(h.Publications) == 0 {
		batch, err := queue.Next(ctx)
		switch {
		case errors.Is(err, &maru.Error{Code: maru.CodeGap}): // the history says what is missing
			return a.reread(ctx, channel, asked)
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, &maru.Error{Code: maru.CodeShuttingDown}):
			return h, nil // the wait is over, or the client has disconnected, or the server drains
		case err != nil:
			return h, err
		}
		for _, d := range batch {
			if d.At.Offset == 0 {
				continue // transient: not part of a history
			}
			h.Epoch, h.Head = d.At.Epoch, d.At.Offset
			if len(h.Publications) < limit {
				h.Publications = append(h.Publications, d.Publication)
			}
		}
	}
	return h, nil
}

// reread is the answer of a poll in whose channel something was lost: what a new poll would get at once.
// Without a position nothing is missing, and the list may be empty.
func (a *API) reread(ctx context.Context, channel string, asked ask) (maru.History, error) {
	q := asked.query
	if q.Since == nil {
		q.Limit = 0
	}
	queue, h, err := a.hub.Subscribe(ctx, channel, hub.Reader{Absent: true}, q)
	if err == nil {
		queue.Close()
	}
	return h, err
}
