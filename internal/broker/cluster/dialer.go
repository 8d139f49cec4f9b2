package cluster

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	nats "github.com/nats-io/nats.go"
)

const (
	greetingTime  = 2 * time.Second // for a server of NATS to take a connection and to say who it is
	handshakeTime = 5 * time.Second // for it to accept who we are
)

// dialer dials NATS again without anybody waiting. While the library connects, everything that uses
// the connection waits for it, publishing too; and a server that is frozen, or a network that
// swallows packets, takes all the time that it is given. So here a server is dialled in a goroutine of
// its own, until it has said who it is. Dial fails until then:
//
//	Dial ─→ try: dial ─→ first line of the server ─→ ready ─→ the next Dial
type dialer struct {
	ctx    context.Context // ends with the connection
	cancel context.CancelFunc

	mu      sync.Mutex
	again   bool // the library has been connected once
	trying  map[string]bool
	ready   map[string]*greeted
	working sync.WaitGroup
}

func newDialer() *dialer {
	d := &dialer{trying: make(map[string]bool), ready: make(map[string]*greeted)}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// options are those of the connection that d dials.
func (d *dialer) options() []nats.Option {
	return []nats.Option{nats.SetCustomDialer(d), nats.SkipHostLookup(), nats.Timeout(handshakeTime), nats.FlusherTimeout(greetingTime),
		nats.ConnectHandler(func(*nats.Conn) { d.connected() }), nats.ClosedHandler(func(*nats.Conn) { d.close() })}
}

var errTrying = errors.New("the server has not answered yet")

// Dial implements nats.CustomDialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.again {
		return d.dial(d.ctx, network, address)
	}
	if g := d.ready[address]; g != nil {
		delete(d.ready, address)
		return g, nil
	}
	if !d.trying[address] && d.ctx.Err() == nil {
		d.trying[address] = true
		d.working.Go(func() { d.try(network, address) })
	}
	return nil, errTrying
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	return new(net.Dialer).DialContext(ctx, network, address)
}

// try dials a server, and keeps the connection for the next Dial if the server answers.
func (d *dialer) try(network, address string) {
	conn, err := d.dial(d.ctx, network, address)
	g := &greeted{Conn: conn}
	if err == nil {
		end := context.AfterFunc(d.ctx, func() { conn.Close() })
		err = g.listen()
		end()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.trying, address)
	switch {
	case conn == nil:
	case err != nil || d.ctx.Err() != nil:
		conn.Close()
	default:
		d.ready[address] = g
		time.AfterFunc(greetingTime, func() { d.drop(address, g) })
	}
}

// drop closes a connection that nobody has taken. What the server has said is old.
func (d *dialer) drop(address string, g *greeted) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ready[address] == g {
		delete(d.ready, address)
		g.Close()
	}
}

func (d *dialer) connected() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.again = true
}

func (d *dialer) close() {
	d.cancel()
	d.working.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	for address, g := range d.ready {
		delete(d.ready, address)
		g.Close()
	}
}

// greeted is a connection to a server that has said something, which is read first.
type greeted struct {
	net.Conn
	said []byte
}

// listen waits for the first bytes of the server.
func (g *greeted) listen() error {
	g.SetReadDeadline(time.Now().Add(greetingTime))
	b := make([]byte, 32<<10) // the line of a server with many peers
	n, err := g.Conn.Read(b)
	if err != nil {
		return err
	}
	g.said = b[:n]
	return g.SetReadDeadline(time.Time{})
}

// Read implements net.Conn.
func (g *greeted) Read(p []byte) (int, error) {
	if len(g.said) > 0 {
		n := copy(p, g.said)
		g.said = g.said[n:]
		return n, nil
	}
	return g.Conn.Read(p)
}
