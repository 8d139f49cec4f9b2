package full

import (
	"net/http"
	"time"

	"maru.example/maru/internal/entry"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/handshake"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/session"
)

// Subprotocol is the name of the full protocol in a handshake.
const Subprotocol = "maru.v1"

// Options of a Gateway; all are needed.
type Options struct {
	Engine  *loop.Engine
	Hub     *hub.Hub
	Door    *entry.Door
	Session *session.Options

	Takeover frame.Takeover // allowed
}

// Gateway turns upgrade requests into sessions.
type Gateway struct {
	Options
	start time.Time // ages of connections are measured from here
}

// New makes a Gateway.
func New(o Options) *Gateway { return &Gateway{Options: o, start: time.Now()} }

// Serve answers a request that asks for a WebSocket with the subprotocol. It returns
// when the connection has been handed over (in HTTP/2: when it is closed), or refused: 400
// bad_request, 405, 426 upgrade_required, 503 too_many_connections. The address's channel
// means nothing here.
func (g *Gateway) Serve(w http.ResponseWriter, r *http.Request, _ string) {
	if err := entry.CheckHandshake(w, r); err != nil {
		g.Door.Refuse(w, r, err)
		return
	}
	visitor, err := g.Door.Admit(r, "") // what they may is asked with each command
	if err != nil {
		g.Door.Refuse(w, r, err)
		return
	}
	up, err := handshake.Accept(w, r, handshake.Options{Takeover: g.Takeover, Subprotocols: []string{Subprotocol}})
	if err != nil { // answered by Accept, as far as anybody was there
		g.Door.Leave(visitor.Addr)
		return
	}
	m := &member{gateway: g, addr: visitor.Addr, user: visitor.Identity.User, since: time.Since(g.start)}
	params := loop.Params{DeflateBits: up.DeflateBits, Takeover: up.Takeover, PeerBits: up.PeerBits, Preface: up.Answer, Paused: true, Recovers: true}
	_, err = g.Engine.Open(up.Conn, up.Buffered, params, func(c loop.Conn) loop.Handler {
		m.conn = c
		return m
	})
	if err != nil { // shutting down; the engine has closed the connection
		g.Door.Leave(m.addr)
		return
	}
	m.begin(visitor.Identity)
	up.Wait()
}
