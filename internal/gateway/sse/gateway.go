package sse

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net/http"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/request"
	"maru.example/maru/internal/response"
)

// commentEvery is the default of Env.EventInterval.
const commentEvery = 15 * time.Second

// restartTime is how long a server may be away for a restart.
const restartTime = 5 * time.Second

// retry is how long a browser waits before it reconnects, at least so long, at random. EventSource
// tries once: if a proxy answers 502 then, because the server is not back yet, it gives up for
// good.
func retry(after time.Duration) time.Duration { return after + restartTime + rand.N(restartTime) }

// form encodes publications for streams.
var form = hub.Form{Name: "sse", Publication: func(_, epoch string, p *maru.Publication) *loop.Message {
	return loop.NewBareMessage(appendPublication(make([]byte, 0, len(p.Data)+len(epoch)+40), epoch, p, ""), p.Key)
}}

// Mount adds the gateway to the server: GET with Accept: text/event-stream, of a channel and of
// a channel's presence.
func Mount(env *gateway.Env) []gateway.Route {
	s := &streams{
		channels: env.Endpoint("sse"), presence: env.Endpoint("sse presence"),
		form: env.Hub.Register(form), timeout: cmp.Or(env.WriteTimeout, maru.DefaultBacklogAge),
		comment: comment(env.EventPadding), every: cmp.Or(env.EventInterval, commentEvery),
	}
	s.channels.Heartbeat = loop.NewBareMessage(s.comment, "")
	s.channels.LastWord = func(err *maru.Error) *loop.Message { return loop.NewBareMessage(appendClosed(nil, err), "") }
	s.channels.Later = s.later
	s.presence.Later = s.later
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
	comment            []byte
	every              time.Duration // between two comments
}

// feed waits for the next bytes of a stream and appends them.
type feed func(ctx context.Context, dst []byte) ([]byte, error)

// later answers a request that may succeed later, with a stream that ends at once. EventSource
// never comes back after any status but 200.
func (s *streams) later(w http.ResponseWriter, r *http.Request, e *maru.Error) {
	describe(w.Header())
	var b []byte
	if secret := s.channels.Admission.Authenticator.UsedTicket(r); secret != "" {
		b = appendID(b, maru.Position{}, secret)
	}
	after := retry(e.RetryAfter)
	if e.Code == maru.CodeShuttingDown {
		after = cmp.Or(comeBack(&s.channels.Admission.Drain), after)
	}
	w.WriteHeader(http.StatusOK)
	w.Write(appendRefused(b, e, after)) // fails only if the client has gone
}

// comeBack is when a client should come back whose stream ends in a drain: soon, unless its only
// attempt could meet nobody. 0: the drain has not begun.
func comeBack(d *admission.Drain) time.Duration {
	after, away := d.ComeBack()
	if away {
		return max(after, retry(0)) // as if the server had crashed
	}
	return after
}

// farewell is the last block of a stream that ends in a drain.
func farewell(after time.Duration) []byte { return append(appendRetry(nil, after), '\n') }

// serve streams open's feed in the request's goroutine until either side ends it, if all of the
// actions are allowed. A HEAD is answered with the headers alone.
func (s *streams) serve(w http.ResponseWriter, r *http.Request, e *gateway.Endpoint, channel string, actions []auth.Action,
	open func(ctx context.Context, h *gateway.Response, secret string) (next feed, done func(), err error)) {

	if r.Method != http.MethodHead && !response.CanFlush(w, r) {
		e.Unsupported(w, r)
		return
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	h, err := e.Hold(r, channel, cancel, actions...)
	if err != nil {
		e.Refuse(w, r, err)
		return
	}
	defer h.Release()
	secret, end := e.Admission.Authenticator.Reopenable(r, h.Identity())
	defer end()
	next, done, err := open(ctx, h, secret)
	if err != nil {
		e.Refuse(w, r, cmp.Or(context.Cause(ctx), err))
		return
	}
	defer done()

	describe(w.Header())
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	out := s.newStream(w, r, e)
	h.Opened()
	err = out.run(ctx, next)
	out.end(ctx, err, comeBack(&e.Admission.Drain))
	h.Closed(r.Context(), err)
}
