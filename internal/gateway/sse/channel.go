package sse

import (
	"context"
	"net/http"
	"net/url"

	"maru.example/maru"
	"maru.example/maru/internal/entry"
	"maru.example/maru/internal/event"
	"maru.example/maru/internal/hub"
)

// Channel streams a channel's publications. Parameters are since and last as in
// entry.Replay, deliver and max_hz as in entry.Mode; Last-Event-ID, which a browser sends when it comes back, wins over
// both. Errors: 400 bad_request, bad_position; 403 not_allowed; 503 too_many_connections,
// shutting_down.
func (g *Gateway) Channel(w http.ResponseWriter, r *http.Request, channel string) {
	query, mode, err := parse(r)
	if err != nil {
		g.door.Refuse(w, r, err)
		return
	}
	if g.onLoop(w, r) {
		g.join(w, r, channel, query, mode)
		return
	}
	g.serve(w, r, entry.Connection{Transport: entry.Events, Channel: channel}, entry.Actions(query),
		func(ctx context.Context, v entry.Visitor) (feed, func(), error) {
			queue, history, err := g.hub.Subscribe(ctx, channel, hub.Reader{User: v.Identity.User, Mode: mode}, query)
			if err != nil {
				return nil, nil, err
			}
			return channelFeed(queue, query, history), queue.Close, nil
		})
}

func parse(r *http.Request) (maru.HistoryQuery, hub.Mode, error) {
	q, err := entry.Values(r)
	if err != nil {
		return maru.HistoryQuery{}, hub.Mode{}, err
	}
	latest, maxHz, err := entry.Mode(q)
	if err != nil {
		return maru.HistoryQuery{}, hub.Mode{}, err
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		q = url.Values{"since": {id}}
	}
	query, err := entry.Replay(q)
	return query, hub.Mode{Latest: latest, MaxHz: maxHz}, err
}

// replayBytes is about how much of a replay is put together for one write. A
// history may be large, and many may ask for it and not read.
const replayBytes = 64 << 10

// channelFeed begins with the history and goes on with the queue.
func channelFeed(queue *hub.Queue, query maru.HistoryQuery, history maru.History) feed {
	begun := false
	return func(ctx context.Context, dst []byte) ([]byte, error) {
		if begun && len(history.Publications) == 0 {
			batch, err := queue.Next(ctx)
			for _, d := range batch {
				dst = event.AppendPublication(dst, d.At.Epoch, d.Publication)
			}
			return dst, err
		}
		if ctx.Err() != nil {
			return dst, context.Cause(ctx)
		}
		if !begun {
			begun = true
			dst = appendBeginning(dst, query, history)
		}
		for len(history.Publications) > 0 && len(dst) < replayBytes {
			dst = event.AppendPublication(dst, history.Epoch, history.Publications[0])
			history.Publications = history.Publications[1:]
		}
		return dst, nil
	}
}

func appendBeginning(dst []byte, query maru.HistoryQuery, h maru.History) []byte {
	dst = event.AppendRetry(dst, retry)
	dst = event.AppendID(dst, standing(query, h))
	dst = append(dst, '\n')
	if h.Gap != nil {
		dst = event.AppendGap(dst, h)
	}
	return dst
}

// standing is where the client stands before the replay: where it said, or
// before the first of the newest N, or at the head.
func standing(query maru.HistoryQuery, h maru.History) maru.Position {
	at := maru.Position{Epoch: h.Epoch, Offset: h.Head}
	switch {
	case query.Since != nil:
		at.Offset = query.Since.Offset
		if query.Since.Epoch != "" {
			at.Epoch = query.Since.Epoch
		}
	case len(h.Publications) > 0:
		// Not an offset of this channel, just a place between the first and what
		// stands before it, whatever that is.
		at.Offset = h.Publications[0].Offset - 1
	}
	return at
}
