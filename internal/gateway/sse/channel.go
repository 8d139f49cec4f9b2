package sse

import (
	"context"
	"net/http"
	"strings"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/request"
)

// serveChannel streams a channel's publications. Parameters are since and last as in
// request.Replay, and deliver and max_hz as in request.Delivery. Last-Event-ID, which a browser
// sends when it reconnects, wins over both; one that is not of this server is a gap. Errors: 400
// bad_request, bad_position; 403 not_allowed. Errors that may pass are answered by later.
func (s *streams) serveChannel(w http.ResponseWriter, r *http.Request, channel string) {
	query, mode, err := parse(r)
	if err != nil {
		s.channels.Refuse(w, r, err)
		return
	}
	// All streams that the engine serves get the same bytes, but the ids of a ticket's stream have
	// a secret.
	if s.channels.CanTake(w, r) && !auth.HasTicket(r) {
		s.takeOver(w, r, channel, query, mode)
		return
	}
	s.serve(w, r, s.channels, channel, gateway.ReplayActions(query),
		func(ctx context.Context, h *gateway.Response, secret string) (feed, func(), error) {
			queue, history, err := s.channels.Hub.Subscribe(ctx, channel, hub.Reader{User: h.Identity().User, Mode: mode}, query)
			if err != nil {
				return nil, nil, err
			}
			h.Reads(queue)
			f := channelFeed{queue: queue, channel: channel, query: query, history: history, secret: secret}
			return f.next, queue.Close, nil
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
	if id := r.Header.Get("Last-Event-ID"); id != "" && !strings.HasPrefix(id, ":") { // else a secret without a position
		at := positionOf(id)
		return maru.HistoryQuery{Since: &at, Limit: -1}, mode, nil
	}
	query, err = request.Replay(q)
	return query, mode, err
}

// positionOf reads an id of a stream, EPOCH:OFFSET or EPOCH:OFFSET:SECRET. Any other id is of
// another server, whose place this one may have taken: a position of no epoch that there is.
func positionOf(id string) maru.Position {
	epoch, rest, _ := strings.Cut(id, ":")
	offset, _, _ := strings.Cut(rest, ":")
	at, err := maru.ParsePosition(epoch + ":" + offset)
	if err != nil {
		return maru.Position{Epoch: "foreign"}
	}
	return at
}

// replayBytes is about the size of one write of a replay. A history may be large, and many
// clients may ask for it without reading it.
const replayBytes = 64 << 10

// channelFeed sends the history and then the queue.
type channelFeed struct {
	queue   *hub.Queue
	channel string
	query   maru.HistoryQuery
	history maru.History // what is left of it
	secret  string       // in the ids; empty: none
	begun   bool
}

// next is a feed.
func (f *channelFeed) next(ctx context.Context, dst []byte) ([]byte, error) {
	if f.begun && len(f.history.Publications) == 0 {
		batch, err := f.queue.Next(ctx)
		for _, d := range batch {
			dst = appendPublication(dst, d.At.Epoch, d.Publication, f.secret)
		}
		return dst, err
	}
	if ctx.Err() != nil {
		return dst, context.Cause(ctx)
	}
	if !f.begun {
		f.begun = true
		dst = appendBeginning(dst, f.channel, f.query, f.history, f.secret)
	}
	for len(f.history.Publications) > 0 && len(dst) < replayBytes {
		dst = appendPublication(dst, f.history.Epoch, f.history.Publications[0], f.secret)
		f.history.Publications = f.history.Publications[1:]
	}
	return dst, nil
}

func appendBeginning(dst []byte, channel string, query maru.HistoryQuery, h maru.History, secret string) []byte {
	at := standing(query, h)
	first := appendRetry(nil, retry(0))
	first = appendID(first, at, secret)
	first = appendPosition(first, channel, at)
	dst = append(dst, padded(first, firstBytes)...)
	if h.Gap != nil {
		dst = appendGap(dst, h, secret)
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
