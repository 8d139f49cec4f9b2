package socketio

import (
	"encoding/json"
	"log/slog"
	"net/http"

	"maru.example/maru"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/packet"
	"maru.example/maru/internal/session"
	"maru.example/maru/internal/strict"
)

// mapping is the Speaker of maru serve: events of the namespace / are commands of the session, and
// replies are acks.
type mapping struct {
	gateway *Gateway
	saved   savedSessions
	journal *journal // nil: sessions end with the process
	others  *others  // nodes; nil: there are none
}

// newMapping takes over the sessions that a former process has kept, if the server has a place for
// them.
func newMapping(g *Gateway, env *gateway.Env) *mapping {
	m := &mapping{gateway: g}
	var j *journal
	if env.Keeper != nil {
		j = newJournal(env.Keeper, "socketio "+g.options.Path, env.Admission.Log, m.stateOf)
		j.after = g.options.writeAfter
	}
	switch {
	case env.Bus != nil:
		m.join(env, j)
		return m
	case j == nil:
		return m
	}
	left, err := j.load()
	if err != nil {
		j.log.Error("what clients of Socket.IO may come back for cannot be read from disk: they subscribe anew", slog.Any("err", err))
		return m
	}
	m.journal, m.saved.journal = j, j
	m.saved.load(left)
	env.AtEnd(j.close)
	return m
}

// The refs of the session's Connect and Resume, of which there is one each. Those of acks are
// smaller.
const (
	connectRef = 1<<63 + iota
	resumeRef
	unackedRef // of an Unsubscribe without an ack
)

// connectAuth is what maru reads of the client's auth payload. Other fields are the program's.
type connectAuth struct {
	Token  string `json:"token"`
	Secret string `json:"secret"`

	PID    string `json:"pid"`    // of a client that comes back: Socket.IO, Connection state recovery
	Offset string `json:"offset"` // of its last message
}

var errNamespace = []byte(`{"message":"Invalid namespace"}`)

// Begin prepares the node for clients that keep one position of all their channels.
func (m *mapping) Begin(*Conn, *http.Request, bool) { m.gateway.endpoint.Hub.InOrder() }

// Opened has nothing to do.
func (m *mapping) Opened(*Conn) {}

// Packet handles a packet of a client.
func (m *mapping) Packet(c *Conn, p Packet) {
	if p.Namespace != packet.Root {
		if p.Type == packet.Connect {
			c.Send(packet.Packet{Type: packet.ConnectError, Namespace: p.Namespace, ID: packet.NoID, Data: errNamespace}, nil)
		}
		return
	}
	switch p.Type {
	case packet.Connect:
		m.connect(c, p)
	case packet.Event, packet.BinaryEvent:
		c.Do(command(p))
	case packet.Disconnect:
		c.lastWord()
		c.leave()
	}
}

func (m *mapping) connect(c *Conn, p Packet) {
	if !c.asks() {
		c.Close(errConnectTwice)
		return
	}
	var auth connectAuth
	if p.Data != nil {
		if err := strict.DecodeKnown(p.Data, &auth); err != nil {
			c.Close(maru.NewError(maru.CodeBadRequest, "auth: "+err.Error()))
			return
		}
	}
	if auth.Offset != "" {
		c.mu.Lock()
		c.history.channels().begun = hashOf(auth.Offset)
		c.mu.Unlock()
	}
	resume, back := session.Resume{}, false
	if auth.PID != "" {
		resume, back = m.resumption(c, auth)
	}
	c.Do(session.Connect{Ref: connectRef, Token: auth.Token, Secret: auth.Secret})
	if back {
		c.Do(resume)
	}
}

var errConnectTwice = maru.NewError(maru.CodeBadRequest, "a second connect packet came for the namespace /: send one")

// asks notes the client's Connect. It reports whether that is the first: what a client comes back for
// belongs to one.
func (c *Conn) asks() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !c.asked
	c.asked = true
	return first
}

// Closed keeps the session for a while: its client may come back.
func (m *mapping) Closed(c *Conn) { m.save(c) }

// Close ends the connection with the code of err. A client that must not come back by itself is
// disconnected by Socket.IO's own packets: from then on it does not reconnect. All others lose
// their transport, and reconnect.
func (c *Conn) Close(err error) {
	e := maru.ErrorOf(err)
	if final(e.Code) && c.Conn().Open() && c.lastWord() {
		c.gateway.speaker.Goodbye(c, e)
	}
	c.Multiplex.Close(err)
}

// final reports whether a client gets the same error when it comes back.
func final(code maru.Code) bool {
	n := code.CloseCode()
	return n >= 4500 || n == maru.CloseNotAllowed
}

// lastWord notes that one side has said that the client does not come back, by a packet of Socket.IO.
// It reports whether this call is the first.
func (c *Conn) lastWord() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !c.finished
	c.finished = true
	return first
}

// Goodbye says to the client, with packets of Socket.IO, that it is refused, or disconnected.
func (m *mapping) Goodbye(c *Conn, e *maru.Error) {
	if !c.connected() {
		b, err := json.Marshal(refusal{e.Message, failureOf(e)})
		if err == nil {
			c.Send(packet.Packet{Type: packet.ConnectError, ID: packet.NoID, Data: b}, nil)
		}
		return
	}
	c.Deliver(event("error", encode(failureOf(e))))
	c.Send(packet.Packet{Type: packet.Disconnect, ID: packet.NoID}, nil)
}

// refusal is the data of a ConnectError: the client's connect_error has the message and data.
type refusal struct {
	Message string   `json:"message"`
	Data    *failure `json:"data"`
}

// connected reports whether the client's Connect was answered.
func (c *Conn) connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answered
}
