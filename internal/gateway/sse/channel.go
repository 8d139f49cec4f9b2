package sse

import (
	"context"
	"net/http"
	"net/url"

	"maru.example/maru"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/request"
)

// serveChannel streams a channel's publications. Parameters are since and last as in
// request.Replay, and deliver and max_hz as in request.Delivery. Last-Event-ID, which a browser
// sends when it reconnects, wins over both. Errors: 400 bad_request, bad_position; 403
// not_allowed; 503 too_many_connections, shutting_down.
func (s *streams) serveChannel(w http.ResponseWriter, r *http.Request, channel string) {
	query, mode, err := parse(r)
	if err != nil {
		s.channels.Refuse(w, r, err)
		return
	}
	if s.channels.CanTake(w, r) {
		s.takeOver(w, r, channel, query, mode)
		return
	}
	s.serve(w, r, s.channels, channel, gateway.ReplayActions(query),
		func(ctx context.Context, user string) (feed, func(), error) {
			queue, history, err := s.channels.Hub.Subscribe(ctx, channel, hub.Reader{User: user, Mode: mode}, query)
			if err != nil {
				return nil, nil, err
			}
			return channelFeed(queue, query, history), queue.Close, nil
		})
}

func parse(r *http.Request) (query maru.HistoryQuery, mode hub.Mode, err error) {
	q, err := request.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return query, mode, err
	}
	if mode.Latest, mode.MaxHz, err = request.Delivery(q); err != nil {
		return query, mode, err
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		q = url.Values{"since": {id}}
	}
	query, err = request.Replay(q)
	return query, mode, err
}

// replayBytes is about the size of one write of a replay. A history may be large, and many
// clients may ask for it without reading it.
const replayBytes = 64 << 10

// channelFeed sends the history and then the queue.
func channelFeed(queue *hub.Queue, query maru.HistoryQuery, history maru.History) feed {
	begun := false
	return func(ctx context.Context, dst []byte) ([]byte, error) {
		if begun && len(history.Publications) == 0 {
			batch, err := queue.Next(ctx)
			for _, d := range batch {
				dst = appendPublication(dst, d.At.Epoch, d.Publication)
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
			dst = appendPublication(dst, history.Epoch, history.Publications[0])
			history.Publications = history.Publications[1:]
		}
		return dst, nil
	}
}

func appendBeginning(dst []byte, query maru.HistoryQuery, h maru.History) []byte {
	dst = appendRetry(dst, retry)
	dst = appendID(dst, standing(query, h))
	dst = append(dst, '\n')
	if h.Gap != nil {
		dst = appendGap(dst, h)
	}
	return dst
}

// standing returns the client's position before the replay: the one it sent, or the one before
// the newest N, or the head.
func standing(query maru.HistoryQuery, h maru.History) maru.Position {
	at := maru.Position{Epoch: h.Epoch, Offset: h.Head}
	switch {
	case query.Since != nil:
		at.Offset = query.Since.Offset
		if query.Since.Epoch != "" {
			at.Epoch = query.Since.Epoch
		}
	case len(h.Publications) > 0:
		// Not an offset of this channel: any place between the first publication and the one
		// before it will do.
		at.Offset = h.Publications[0].Offset - 1
	}
	return at
}
