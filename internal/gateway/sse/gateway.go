package sse

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/entry"
	"maru.example/maru/internal/event"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
)

const (
	defaultWriteTimeout = 30 * time.Second
	commentEvery        = 15 * time.Second

	// retry is how long a browser waits before it comes back, if nothing else was said.
	retry = 2 * time.Second
)

// Options of a Gateway. Hub and Door are needed, and Engine for channels' streams of their
// own connection.
type Options struct {
	Engine       *loop.Engine // nil: every stream has a goroutine
	Hub          *hub.Hub
	Door         *entry.Door
	WriteTimeout time.Duration // of one write of a stream with a goroutine; default 30 s
}

// Gateway serves event streams.
type Gateway struct {
	engine  *loop.Engine
	hub     *hub.Hub
	door    *entry.Door
	timeout time.Duration
	start   time.Time // ages of members are measured from here
}

// New makes a Gateway.
func New(o Options) *Gateway {
	return &Gateway{engine: o.Engine, hub: o.Hub, door: o.Door, timeout: cmp.Or(o.WriteTimeout, defaultWriteTimeout), start: time.Now()}
}

// feed is what a stream carries: the next bytes to write, waited for.
type feed func(ctx context.Context, dst []byte) ([]byte, error)

// serve admits the request, if all of actions are allowed, and streams what open's feed brings until either
// side ends it. A HEAD is answered with the headers alone.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request, c entry.Connection, actions []auth.Action,
	open func(context.Context, entry.Visitor) (next feed, done func(), err error)) {

	visitor, err := g.door.Admit(r, c.Channel, actions...)
	if err != nil {
		g.door.Refuse(w, r, err)
		return
	}
	defer g.door.Leave(visitor.Addr)
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	tie, err := g.door.Authenticator.Attach(&visitor.Identity, auth.CloseFunc(cancel))
	if err != nil {
		g.door.Refuse(w, r, err)
		return
	}
	defer tie.Release()
	defer g.door.Drain.Stay(cancel)()
	next, done, err := open(ctx, visitor)
	if err != nil {
		g.door.Refuse(w, r, err)
		return
	}
	defer done()

	s := newStream(w, g.timeout)
	if r.Method == http.MethodHead {
		return
	}
	c.Addr, c.User = visitor.Addr, visitor.Identity.User
	g.door.Connected(c)
	start := time.Now()
	err = s.run(ctx, next)
	if after := g.door.Drain.ComeBack(); after > 0 && maru.ErrorOf(err).Code == maru.CodeShuttingDown {
		s.write(append(event.AppendRetry(s.buf, after), '\n'))
	}
	g.door.Disconnected(c, 0, reasonOf(r.Context(), err), time.Since(start))
}

// reasonOf is the log's word for the end of a stream.
func reasonOf(client context.Context, err error) string {
	switch e := maru.ErrorOf(err); {
	case e.Code != maru.CodeInternal:
		return string(e.Code)
	case client.Err() != nil:
		return entry.ClientWent
	}
	return err.Error()
}
