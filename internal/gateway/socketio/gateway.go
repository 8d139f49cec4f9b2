package socketio

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"sync"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/calls"
	"maru.example/maru/internal/engineio"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/hub"
)

// Options of a gateway. The zero value is that of maru serve.
type Options struct {
	Path         string        // default /socket.io/; it ends in /
	PingInterval time.Duration // default that of the server's sessions, or 25 s
	PingTimeout  time.Duration // for the pong; default 20 s
	MaxPayload   int64         // which clients are sent; default, and at most, the largest message of the server

	writeAfter time.Duration // of a journal
}

// Gateway serves Socket.IO at one path.
type Gateway struct {
	options  Options
	protocol *gateway.Protocol
	endpoint *gateway.Endpoint
	speaker  Speaker
	bus      maru.Bus     // to the other nodes; nil: there are none
	calls    *calls.Calls // likewise, for requests of sessions
	tunnels  *tunnels     // likewise

	mu     sync.Mutex
	parked map[string]*Conn // by sid, those that may be asked for by one
}

// A Speaker is what a server does with the packets of its clients.
type Speaker interface {
	// Begin is called first, with the first request of a connection that may never open, and
	// whether it came by TLS; Opened when it does.
	Begin(c *Conn, r *http.Request, secure bool)
	Opened(c *Conn)
	// Packet handles a whole packet with its attachments. It is called by one goroutine at a
	// time and must not wait. Its bytes are valid during the call.
	Packet(c *Conn, p Packet)
	// Goodbye is called before the server closes the connection with an error that the client
	// would get again: it sends packets after which the client does not come back by itself.
	Goodbye(c *Conn, e *maru.Error)
	// Closed is called when the connection ends, and maybe once before.
	Closed(c *Conn)
}

// A MessageSpeaker is a Speaker that gets the messages of Engine.IO as they are, instead of packets.
type MessageSpeaker interface {
	Message(c *Conn, m engineio.Packet) error
}

// Mount adds the gateway to the server, with the mapping of maru serve.
func Mount(env *gateway.Env) []gateway.Route { return MountOptions(Options{})(env) }

// MountOptions is Mount with options.
func MountOptions(o Options) gateway.Mount {
	return func(env *gateway.Env) []gateway.Route {
		conflated := env.Hub.Register(conflatedForm)
		g := newGateway(env, o, env.Hub.Register(form), &conflated, false)
		return g.Routes(newMapping(g, env))
	}
}

// New makes a gateway whose publications have a form. A program's own has no commands: its clients'
// sessions are never connected.
func New(env *gateway.Env, o Options, form hub.FormID, own bool) *Gateway {
	return newGateway(env, o, form, nil, own)
}

func newGateway(env *gateway.Env, o Options, form hub.FormID, conflated *hub.FormID, own bool) *Gateway {
	g := &Gateway{options: o, parked: make(map[string]*Conn)}
	g.protocol = env.Protocol(gateway.ProtocolOptions{Name: "socketio", Form: form, Conflated: conflated, NoConnect: own, Codec: gateway.Codec{EncodeReply: encodeReply}})
	g.endpoint = g.protocol.Endpoint()
	s := g.protocol.Session()
	g.options.Path = cmp.Or(o.Path, "/socket.io/")
	g.options.PingInterval = cmp.Or(o.PingInterval, s.PingInterval, maru.DefaultPingInterval)
	g.options.PingTimeout = cmp.Or(o.PingTimeout, 20*time.Second)
	g.options.writeAfter = cmp.Or(o.writeAfter, writeAfter)
	g.options.MaxPayload = min(cmp.Or(o.MaxPayload, s.MaxMessageBytes), s.MaxMessageBytes) // the engine takes no larger message
	if env.Bus != nil {
		g.join(env)
	}
	return g
}

// Routes are the addresses of the gateway, whose clients speak with s.
func (g *Gateway) Routes(s Speaker) []gateway.Route {
	g.speaker = s
	return []gateway.Route{{Path: g.options.Path, Inline: opensSocket, Serve: func(w http.ResponseWriter, r *http.Request, _ string) { g.serve(w, r) }}}
}

// find returns a connection that polls, or nil.
func (g *Gateway) find(sid string) *Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.parked[sid]
}

// keep lists a connection that polls, so that requests find it.
func (g *Gateway) keep(c *Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.parked[c.polls.sid] = c
}

// forget ends that. Other connections are not listed.
func (g *Gateway) forget(c *Conn) {
	if c.polls == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.parked, c.polls.sid)
}

// id is a random id that nobody can guess.
type id [15]byte

// NewID returns a random id.
func NewID() string { return newID().String() }

func newID() (i id) {
	rand.Read(i[:])
	return i
}

func (i id) String() string { return base64.RawURLEncoding.EncodeToString(i[:]) }
