package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/hub"
)

// answerTimeout is for the writing of the answer of a poll.
const answerTimeout = 60 * time.Second

// servePoll is history that waits: with something after since, or a gap, it
// answers at once; otherwise with the first that is published, or, when the time is
// over, it is its turn in a drain or the session or the token ends, with an empty list. A poll
// counts as a connection, not as a person in the channel.
func (a *API) servePoll(w http.ResponseWriter, r *http.Request, channel string, asked ask) {
	ctx, cancel := context.WithTimeout(r.Context(), asked.wait)
	defer cancel()
	h, err := a.polls.Hold(r, channel, func(error) { cancel() }, auth.History)
	if err != nil {
		a.polls.Refuse(w, r, err)
		return
	}
	defer h.Release()

	// A server's write time-out counts from the request's beginning, and on HTTP/2
	// it ends the stream also while nothing is written.
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(asked.wait + answerTimeout))
	h.Opened()
	history, err := a.poll(ctx, channel, asked.query)
	h.Closed(gateway.EndOf(r.Context(), err))
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeHistory(w, channel, history)
}

func (a *API) poll(ctx context.Context, channel string, q maru.HistoryQuery) (maru.History, error) {
	limit := q.Limit
	if q.Since == nil {
		q.Limit = 0 // only what comes from now on
	}
	queue, h, err := a.hub.Subscribe(ctx, channel, hub.Reader{Absent: true}, q)
	if err != nil {
		return h, err
	}
	defer queue.Close()
	if h.Gap != nil || len(h.Publications) > 0 {
		return h, nil
	}
	for len(h.Publications) == 0 {
		batch, err := queue.Next(ctx)
		switch {
		case ctx.Err() != nil, errors.Is(err, &maru.Error{Code: maru.CodeShuttingDown}):
			return h, nil
		case err != nil:
			return h, err
		}
		for _, d := range batch {
			if d.At.Offset == 0 {
				continue // transient: no part of a history
			}
			h.Epoch, h.Head = d.At.Epoch, d.At.Offset
			if len(h.Publications) < limit {
				h.Publications = append(h.Publications, d.Publication)
			}
		}
	}
	return h, nil
}
