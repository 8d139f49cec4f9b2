package socketio

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"maru.example/maru"
	gw "maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/packet"
)

const (
	// maxQueued is how many packets of a connection wait for their handlers before it is not read.
	maxQueued = 64
	// maxNamespaces is how many namespaces a client is in. With Server.OfMatch it invents names.
	maxNamespaces = 128
)

// speaker handles the packets of connections.
type speaker struct{ server *Server }

// conn is what the package keeps of a connection: its sockets, and the packets that wait.
type conn struct {
	*gw.Conn
	server *Server
	first  first       // what the first request says
	late   *time.Timer // until it has connected to a namespace

	mu      sync.Mutex
	sockets map[string]*Socket // by namespace
	coming  *Socket            // that waits for middleware
	waiting []gw.Packet
	running bool // a goroutine handles them
	paused  bool
	ended   bool
	ousted  bool // for good: the client does not come back by itself
}

// Begin makes the state of a connection.
func (p *speaker) Begin(c *gw.Conn, r *http.Request, secure bool) {
	c.State = &conn{Conn: c, server: p.server, first: firstOf(r, secure), sockets: make(map[string]*Socket)}
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

// Packet queues a packet. An ack is taken at once: a handler may wait for it.
func (p *speaker) Packet(c *gw.Conn, one gw.Packet) {
	k := c.State.(*conn)
	one.Data = append([]byte(nil), one.Data...)
	if one.Type == packet.Ack || one.Type == packet.BinaryAck {
		if s := k.socket(one.Namespace); s != nil {
			s.acked(one)
		}
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ended {
		return
	}
	k.waiting = append(k.waiting, one)
	if len(k.waiting) >= maxQueued && !k.paused {
		k.paused = true
		k.Pause()
	}
	if !k.running {
		k.running = true
		go k.run()
	}
}

// run handles packets until there are none.
func (k *conn) run() {
	for {
		k.mu.Lock()
		if len(k.waiting) == 0 {
			k.running, k.waiting = false, nil
			k.mu.Unlock()
			return
		}
		one := k.waiting[0]
		k.waiting[0], k.waiting = gw.Packet{}, k.waiting[1:]
		if k.paused && len(k.waiting) < maxQueued/2 {
			k.paused = false
			k.Resume()
		}
		k.mu.Unlock()
		k.handle(one)
	}
}

func (k *conn) handle(p gw.Packet) {
	if p.Type == packet.Connect {
		k.connect(p)
		return
	}
	s := k.socket(p.Namespace)
	if s == nil {
		return
	}
	switch p.Type {
	case packet.Event, packet.BinaryEvent:
		s.event(p)
	case packet.Disconnect:
		s.leave("client namespace disconnect")
	}
}

func (k *conn) socket(namespace string) *Socket {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sockets[namespace]
}

// connect makes the socket of a namespace, if there is one and its middleware agrees.
func (k *conn) connect(p gw.Packet) {
	switch {
	case k.socket(p.Namespace) != nil:
		k.Close(errAgain) // npm socket.io does the same
		return
	case k.full():
		k.refuse(p.Namespace, errFull)
		return
	}
	n := k.server.visit(p.Namespace)
	if n == nil {
		k.refuse(p.Namespace, errors.New("Invalid namespace"))
		return
	}
	defer n.visited()
	s := newSocket(n, k, k.handshake(p))
	n.identify(s)
	err := k.pass(s)
	if err == nil && k.keep(s) {
		if n.add(s) {
			n.connected(s)
			s.mu.Lock()
			s.ready = true
			s.mu.Unlock()
		}
		return
	}
	s.leave("")
	if err != nil {
		k.refuse(p.Namespace, err)
	}
}

// welcome is the answer to a connect packet.
func (s *Socket) welcome() *loop.Message {
	data := `{"sid":"` + s.id + `"`
	if s.pid != "" {
		data += `,"pid":"` + s.pid + `"`
	}
	return gw.Encode(packet.Packet{Type: packet.Connect, Namespace: s.namespace.name, ID: packet.NoID, Data: []byte(data + "}")}, nil, "")
}

var errAgain = maru.NewError(maru.CodeBadRequest, "a connect packet came for a namespace in which the client is already")

// full reports whether the client is in as many namespaces as it may be.
func (k *conn) full() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.sockets) >= maxNamespaces
}

var errFull = fmt.Errorf("too many namespaces on this connection (limit %d)", maxNamespaces)

func (k *conn) handshake(p gw.Packet) Handshake {
	info := k.Info()
	h := Handshake{Auth: json.RawMessage(p.Data), User: info.User, Addr: info.Addr, Time: time.Now()}
	if h.Auth == nil {
		h.Auth = json.RawMessage("{}")
	}
	return h
}

// pass calls the middleware for a socket. One that panics refuses the client.
func (k *conn) pass(s *Socket) error {
	k.mu.Lock()
	k.coming = s
	k.mu.Unlock()
	if s.recovered && !s.namespace.recovery.Middleware {
		return nil
	}
	for _, check := range s.namespace.middlewares() {
		err := errMiddleware
		s.guard("connect", func() error { err = check(s); return nil })
		if err != nil {
			return err
		}
	}
	return nil
}

var errMiddleware = errors.New("internal error")

// keep notes a socket that middleware has passed, unless the connection has ended meanwhile.
func (k *conn) keep(s *Socket) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.coming = nil
	if k.ended {
		return false
	}
	k.sockets[s.namespace.name] = s
	k.inTime()
	return true
}

func (k *conn) forget(s *Socket) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.sockets[s.namespace.name] == s {
		delete(k.sockets, s.namespace.name)
	}
	if k.coming == s {
		k.coming = nil
	}
}

// ConnectError is an error of middleware with data for the client: its connect_error has both.
type ConnectError struct {
	Message string
	Data    any // encoded as JSON, with bytes in base64; nil: none
}

func (e *ConnectError) Error() string { return e.Message }

func (k *conn) refuse(namespace string, err error) {
	out := struct {
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}{Message: err.Error()}
	var with *ConnectError
	if errors.As(err, &with) {
		out.Data = with.Data
	}
	b, err := packet.JSON(out)
	if err != nil {
		b = []byte(`{"message":"refused"}`)
	}
	k.Send(packet.Packet{Type: packet.ConnectError, Namespace: namespace, ID: packet.NoID, Data: b}, nil)
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
	k.ended, k.waiting = true, nil
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
	go func() { // handlers may wait
		for _, s := range all {
			s.leave(reason)
		}
	}()
}
