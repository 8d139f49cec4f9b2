package sse

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/request"
)

const (
	commentEvery = 15 * time.Second

	// retry is how long a browser waits before it reconnects, unless a drain sets another time.
	retry = 2 * time.Second
)

// form encodes publications for streams.
var form = hub.Form{Name: "sse", Publication: func(_, epoch string, p *maru.Publication) *loop.Message {
	return loop.NewBareMessage(appendPublication(make([]byte, 0, len(p.Data)+len(epoch)+40), epoch, p), p.Key)
}}

// Mount adds the gateway to the server: GET with Accept: text/event-stream, of a channel and of
// a channel's presence.
func Mount(env *gateway.Env) []gateway.Route {
	s := &streams{
		channels: env.Endpoint("sse"), presence: env.Endpoint("sse presence"),
		form: env.Hub.Register(form), timeout: env.WriteTimeout,
	}
	s.channels.LastWord = func(err *maru.Error) *loop.Message { return loop.NewBareMessage(appendClosed(nil, err), "") }
	if s.timeout == 0 {
		s.timeout = maru.DefaultBacklogAge
	}
	return []gateway.Route{
		{Channel: true, Takes: wantsEvents, Serve: s.serveChannel},
		{Presence: true, Takes: wantsEvents, Serve: s.servePresence},
	}
}

func wantsEvents(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && request.Accepts(r.Header["Accept"], "text/event-stream")
}

// streams serves event streams.
type streams struct {
	channels, presence *gateway.Endpoint
	form               hub.FormID
	timeout            time.Duration // of one write of a stream that a goroutine serves
}

// feed waits for the next bytes of a stream and appends them.
type feed func(ctx context.Context, dst []byte) ([]byte, error)

// serve streams open's feed in the request's goroutine until either side ends it, if all of the
// actions are allowed. A HEAD is answered with the headers alone.
func (s *streams) serve(w http.ResponseWriter, r *http.Request, e *gateway.Endpoint, channel string, actions []auth.Action,
	open func(ctx context.Context, user string) (next feed, done func(), err error)) {

	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	h, err := e.Hold(r, channel, cancel, actions...)
	if err != nil {
		e.Refuse(w, r, err)
		return
	}
	defer h.Release()
	next, done, err := open(ctx, h.Identity().User)
	if err != nil {
		e.Refuse(w, r, cmp.Or(context.Cause(ctx), err))
		return
	}
	defer done()

	out := newStream(w, s.timeout)
	if r.Method == http.MethodHead {
		return
	}
	h.Opened()
	err = out.run(ctx, next)
	out.end(ctx, err, e.Admission.Drain.ComeBack())
	h.Closed(gateway.EndOf(r.Context(), err))
}
