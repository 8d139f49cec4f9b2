package socketio

import (
	"encoding/json"
	"net/http"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/engineio"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/gateway"
)

// fault is an error of Engine.IO: clients know its code.
type fault struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

var (
	errTransport = fault{0, "Transport unknown: use polling or websocket"}
	errSession   = fault{1, "Session ID unknown: the session has ended, or never was"}
	errMethod    = fault{2, "Bad handshake method: a session begins with GET"}
	errRequest   = fault{3, "Bad request"}
	errPlain     = fault{5, "This is the address of Socket.IO clients: requests need EIO=4 in the query. The client's script is not served: take it from npm or a CDN"}
	errVersion   = fault{5, "Unsupported protocol version: this server speaks Engine.IO 4 (EIO=4), of socket.io-client 3 and later"}
)

// refuse answers with 400, as all errors of Engine.IO.
func (f fault) refuse(w http.ResponseWriter) {
	b, _ := json.Marshal(f)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusBadRequest)
	w.Write(b)
}

// serve answers a request of either transport: Engine.IO, Transports.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request) {
	if opensSocket(r) { // the most frequent, without a map
		g.open(w, r)
		return
	}
	q := r.URL.Query()
	transport, sid := q.Get("transport"), q.Get("sid")
	switch {
	case !q.Has("EIO"): // a person, or a page that expects npm's server to serve the client
		errPlain.refuse(w)
	case q.Get("EIO") != engineio.Version:
		errVersion.refuse(w)
	case transport != "polling" && transport != "websocket":
		errTransport.refuse(w)
	case transport == "polling" && gateway.Upgrades(r):
		errRequest.refuse(w)
	case sid == "" && transport == "websocket":
		g.open(w, r)
	case sid == "" && r.Method != http.MethodGet:
		errMethod.refuse(w)
	case sid == "":
		g.openPolling(w, r)
	default:
		g.serveSession(w, r, transport, sid)
	}
}

// opensSocket reports whether a request opens a session by WebSocket, with nothing else in its
// query: it does not wait.
func opensSocket(r *http.Request) bool {
	return r.URL.RawQuery == "EIO="+engineio.Version+"&transport=websocket"
}

func (g *Gateway) serveSession(w http.ResponseWriter, r *http.Request, transport, sid string) {
	c := g.find(sid)
	node := ""
	if c == nil {
		node = g.elsewhere(sid)
	}
	switch {
	case node != "" && transport == "websocket":
		g.carrySocket(w, r, node, sid)
	case node != "":
		g.carry(w, r, node, sid)
	case transport == "websocket" && (c == nil || !c.raise()):
		g.turnAway(w, r)
	case transport == "websocket":
		c.upgrade(w, r)
	case c == nil:
		errSession.refuse(w)
	case r.Method == http.MethodGet:
		c.poll(w, r)
	case r.Method == http.MethodPost:
		c.post(w, r)
	default:
		errRequest.refuse(w)
	}
}

// turnAway closes the WebSocket of a session that has one, is getting one, or is not known:
// Engine.IO, WebSocket.
func (g *Gateway) turnAway(w http.ResponseWriter, r *http.Request) {
	if s, err := g.endpoint.Socket(w, r); err == nil {
		turnedAway(s)
	}
}

func turnedAway(s *gateway.Socket) {
	if b, err := frame.ClosePayload(maru.CloseBadRequest, string(maru.CodeBadRequest)); err == nil {
		s.SetDeadline(time.Now().Add(time.Second))
		s.Write(frame.AppendFrame(nil, frame.Close, false, b))
	}
	s.Close()
}

// open opens a WebSocket.
func (g *Gateway) open(w http.ResponseWriter, r *http.Request) {
	c := g.newConn(r, nil)
	g.endpoint.Upgrade(w, r, c.opening())
}

// openPolling opens a connection that polls. The answer is the handshake.
func (g *Gateway) openPolling(w http.ResponseWriter, r *http.Request) {
	c := g.newConn(r, &polls{sid: g.newSID()})
	g.keep(c)
	if !g.endpoint.Park(w, r, c.opening()) {
		g.forget(c)
		return
	}
	write(w, c.handshake())
}

// write answers with a payload.
func write(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(body) // fails only if the client has gone
}
