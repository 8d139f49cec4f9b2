package socketio

import (
	"net/http"
	"sync"
	"time"

	"maru.example/maru"
	gw "maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/packet"
)

// speaker handles the packets of connections.
type speaker struct{ server *Server }

// conn is what the package keeps of a connection: its sockets, and the packets that wait.
type conn struct {
	*gw.Conn
	server *Server
	work   func()      // is run: made once
	first  first       // what the first request says
	late   *time.Timer // until it has connected to a namespace

	mu      sync.Mutex
	sockets map[string]*Socket // by namespace
	coming  *Socket            // that waits for middleware
	waiting []gw.Packet
	bytes   int  // of these
	running bool // a goroutine handles them
	paused  bool
	ended   bool
	ousted  bool // for good: the client does not come back by itself
}

// Begin makes the state of a connection.
func (p *speaker) Begin(c *gw.Conn, r *http.Request, secure bool) {
	k := &conn{Conn: c, server: p.server, first: firstOf(r, secure), sockets: make(map[string]*Socket)}
	k.work = k.run
	c.State = k
}

// Opened begins the time to connect to a namespace.
func (p *speaker) Opened(c *gw.Conn) {
	k := c.State.(*conn)
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.ended {
		k.late = time.AfterFunc(p.server.options.ConnectTimeout, func() { c.Close(errLate) })
	}
}

// inTime ends that time.
func (k *conn) inTime() {
	if k.late != nil {
		k.late.Stop()
		k.late = nil
	}
}

var errLate = maru.NewError(maru.CodeBadRequest, "no connect packet arrived in time")

func (k *conn) socket(namespace string) *Socket {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sockets[namespace]
}

// Goodbye disconnects the client from all namespaces, so that it does not come back by itself, nor by
// Recovery.
func (p *speaker) Goodbye(c *gw.Conn, _ *maru.Error) {
	k := c.State.(*conn)
	k.mu.Lock()
	k.ousted = true
	k.mu.Unlock()
	for _, s := range k.all() {
		c.Send(packet.Packet{Type: packet.Disconnect, Namespace: s.namespace.name, ID: packet.NoID}, nil)
	}
}

func (k *conn) isOusted() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ousted
}

func (k *conn) all() []*Socket {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make([]*Socket, 0, len(k.sockets))
	for _, s := range k.sockets {
		all = append(all, s)
	}
	return all
}

// Closed disconnects all sockets of a connection that has ended.
func (p *speaker) Closed(c *gw.Conn) {
	k := c.State.(*conn)
	k.mu.Lock()
	k.inTime()
	again := k.ended
	k.ended, k.waiting, k.bytes = true, nil, 0
	coming := k.coming
	k.mu.Unlock()
	if again {
		return
	}
	reason := transportClose
	if c.Silent() {
		reason = pingTimeout
	}
	all := k.all()
	if coming != nil {
		all = append(all, coming)
	}
	k.server.runners.run(func() { // handlers may wait
		for _, s := range all {
			s.leave(reason)
		}
	})
}
