package socketio

import (
	"cmp"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"maru.example/maru/internal/gateway"
	gw "maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/logs"
	"maru.example/maru/internal/packet"
	"maru.example/maru/server"
)

// Options of a Server. The zero value works.
type Options struct {
	// Path is the address, with a slash at its end. Default /socket.io/. The server's own
	// Socket.IO clients have that address without this package.
	Path string
	// PingInterval is the time from one ping to the next. Default 25 s. PingTimeout is the time
	// for its answer. Default 20 s. Times shorter than a quarter of the server's own ping
	// interval need that to be shorter, too.
	PingInterval, PingTimeout time.Duration
	// MaxPayload is the most bytes of a packet with its attachments. Default, and at most: the
	// largest message of the server (server.Options.MaxMessageBytes). Larger ones close the connection.
	MaxPayload int64
	// ConnectTimeout is the time for a client to connect to a namespace. Default 45 s.
	ConnectTimeout time.Duration
	// Recovery lets clients whose connection broke come back as the sockets that they were. Default
	// nil: they come as new ones.
	Recovery *Recovery
	// RemoveEmpty removes namespaces of Server.OfMatch when their last socket leaves, with what was
	// registered on them. Default: they stay, so that clients that invent names take memory.
	RemoveEmpty bool
	// Failed is called when an event cannot be handled, because its arguments do not fit the
	// handler, and when a handler panics. Default: it is logged with Logger.
	Failed func(s *Socket, event string, err error)
	// Logger gets what fails: a few lines a second of each kind for each address. Default: slog.Default,
	// because these are faults of the program itself.
	Logger *slog.Logger
}

// Server has the namespaces. Make it with New.
type Server struct {
	*Namespace // the namespace /
	options    Options
	env        *gateway.Env // set by Gateway's mount, before the first connection, with formID
	formID     hub.FormID
	ids        directory
	runners    runners
	elsewhere  *elsewhere // sockets that come back on other nodes; nil: they do not. Set with env
	nodes      *nodes     // the others; nil: there is none. Set with env

	mu         sync.Mutex
	namespaces map[string]*Namespace
	patterns   []*Pattern
}

// New makes a Server with the namespace /.
func New(o Options) *Server {
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = 45 * time.Second
	}
	o.Logger = slog.New(logs.New(cmp.Or(o.Logger, slog.Default()).Handler()))
	s := &Server{options: o, namespaces: make(map[string]*Namespace), runners: make(runners)}
	s.Namespace = s.Of("/")
	return s
}

// Of returns a namespace, and makes it if there is none. Clients can connect to it from then on.
// The name begins with a slash, has at most 255 bytes of UTF-8, and no comma and no question mark, which
// end a name in packets. Of panics for another one: no client could ask for it.
func (s *Server) Of(name string) *Namespace {
	if name == "" || name[0] != '/' || len(name) > packet.MaxNamespaceBytes || strings.ContainsAny(name, ",?") || !utf8.ValidString(name) {
		panic(fmt.Sprintf("socketio: %q cannot be the name of a namespace: it must begin with /, have at most %d bytes of UTF-8, and no comma and no question mark", name, packet.MaxNamespaceBytes))
	}
	p := s.patternOf(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of(name, p)
}

// of is Of with s.mu held.
func (s *Server) of(name string, p *Pattern) *Namespace {
	n := s.namespaces[name]
	if n == nil {
		n = newNamespace(s, name, p)
		s.namespaces[name] = n
	}
	return n
}

func (s *Server) path() string { return cmp.Or(s.options.Path, "/socket.io/") }

// Gateway is for server.Options.Gateways, of one server.
func (s *Server) Gateway() server.Gateway {
	return func(env *gateway.Env) []gateway.Route {
		s.env, s.formID = env, env.Hub.Register(s.form())
		g := gw.New(env, gw.Options{Path: s.path(), PingInterval: s.options.PingInterval,
			PingTimeout: s.options.PingTimeout, MaxPayload: s.options.MaxPayload}, s.formID, true)
		if env.Bus != nil {
			s.nodes = s.join(env)
			env.AtEnd(s.nodes.calls.Close)
			s.share(env)
		}
		return g.Routes(&speaker{s})
	}
}
