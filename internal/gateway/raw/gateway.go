package raw

import (
	"net/http"
	"net/url"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/entry"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/handshake"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
)

// Subprotocol may be offered, and is then selected: a browser fails a connection
// where it offered something, as it must to bring a token, and gets nothing.
const Subprotocol = "maru.raw"

// Options of a Gateway; all are needed.
type Options struct {
	Engine *loop.Engine
	Hub    *hub.Hub
	Door   *entry.Door

	Takeover frame.Takeover // allowed

	// Submit is maru.Broker's. It is called on loops.
	Submit func(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error))
}

// Gateway turns upgrade requests into members of channels.
type Gateway struct {
	Options
	start time.Time // ages of connections are measured from here
}

// New makes a Gateway.
func New(o Options) *Gateway { return &Gateway{Options: o, start: time.Now()} }

// Serve answers a request that asks for a WebSocket on a valid channel name. It
// returns when the connection has been handed over (in HTTP/2: when it is closed), or
// refused: 400 bad_request or bad_position, 403 not_allowed, 405, 426 upgrade_required, 503
// too_many_connections.
func (g *Gateway) Serve(w http.ResponseWriter, r *http.Request, channel string) {
	ask, err := parse(r)
	if err == nil {
		err = entry.CheckHandshake(w, r)
	}
	if err != nil {
		g.Door.Refuse(w, r, err)
		return
	}
	visitor, err := g.Door.Admit(r, channel, entry.Actions(ask.query)...)
	if err != nil {
		g.Door.Refuse(w, r, err)
		return
	}
	up, err := handshake.Accept(w, r, handshake.Options{Takeover: g.Takeover, Subprotocols: []string{Subprotocol}})
	if err != nil { // answered by Accept, as far as anybody was there
		g.Door.Leave(visitor.Addr)
		return
	}
	m := &member{gateway: g, channel: g.Hub.Channel(channel), addr: visitor.Addr, form: ask.form, since: time.Since(g.start)}
	mode := m.channel.Mode(ask.mode)
	if visitor.Identity != (auth.Identity{}) || mode != (hub.Mode{}) {
		m.extra = &extra{who: visitor.Identity, mode: mode}
	}
	params := loop.Params{DeflateBits: up.DeflateBits, Takeover: up.Takeover, PeerBits: up.PeerBits, Preface: up.Answer, Held: true, Paused: true}
	_, err = g.Engine.Open(up.Conn, up.Buffered, params, func(c loop.Conn) loop.Handler {
		m.conn = c
		return m
	})
	if err != nil { // shutting down; the engine has closed the connection
		m.release()
		return
	}
	g.Door.Connected(m.connection())
	if err := m.enter(r.Context(), ask.query); err != nil {
		m.Close(err)
	}
	m.settle()
	m.conn.Start()
	m.conn.Resume() // also to read the answer to a close
	up.Wait()
}

// ask is what the address asks for.
type ask struct {
	form  hub.Form
	query maru.HistoryQuery
	mode  hub.Mode
}

func parse(r *http.Request) (ask, error) {
	q, err := entry.Values(r)
	if err != nil {
		return ask{}, err
	}
	form, err := parseForm(q)
	if err != nil {
		return ask{}, err
	}
	query, err := entry.Replay(q)
	if err != nil {
		return ask{}, err
	}
	if query.Since != nil && form == hub.Raw {
		return ask{}, maru.NewError(maru.CodeBadRequest, "bare messages have no positions: since needs as=publication")
	}
	latest, maxHz, err := entry.Mode(q)
	return ask{form, query, hub.Mode{Latest: latest, MaxHz: maxHz}}, err
}

func parseForm(q url.Values) (hub.Form, error) {
	switch {
	case !q.Has("as"):
		return hub.Raw, nil
	case q.Get("as") == "publication":
		return hub.Publication, nil
	}
	return 0, maru.NewError(maru.CodeBadRequest, "as can only be publication")
}
