package socketio

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/shares"
)

// A WebSocket of an upgrade that arrives at another node than its session is carried there, byte for
// byte, for as long as it lives. Each piece waits for the one before, so that a slow side slows the other.
//
//	client ═ WebSocket ═ node B: pump ─ calls ─→ node A: pipe ═ the session, as if it had the socket
const (
	maxTunnels  = 10_000  // of a node, to others; one caller has at most half
	tunnelBytes = 4 << 10 // of a piece
	tunnelEnd   = 5 * time.Second
)

// tunnels are those of a gateway, at both ends.
type tunnels struct {
	shares *shares.Shares
	ctx    context.Context
	cancel context.CancelFunc
	busy   sync.WaitGroup

	mu  sync.Mutex
	all map[id]*tunnel
}

// tunnel is one end of a tunnel.
type tunnel struct {
	id   id
	node string // of the other end
	conn net.Conn
}

func newTunnels(env *gateway.Env) *tunnels {
	t := &tunnels{shares: shares.New(maxTunnels, "WebSockets that are carried to other nodes", env.Admission.Log), all: make(map[id]*tunnel)}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	env.Bus.OnLeave(func(node string, _ time.Duration) { t.close(func(one *tunnel) bool { return one.node == node }) })
	env.AtEnd(func() {
		t.cancel()
		t.close(func(*tunnel) bool { return true })
		t.busy.Wait()
	})
	return t
}

func (t *tunnels) close(which func(*tunnel) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range t.all {
		if which(one) {
			one.conn.Close()
		}
	}
}

func (t *tunnels) add(one *tunnel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all[one.id] = one
}

func (t *tunnels) find(i id, node string) *tunnel {
	t.mu.Lock()
	defer t.mu.Unlock()
	if one := t.all[i]; one != nil && one.node == node {
		return one
	}
	return nil
}

// carrySocket carries a WebSocket to the node of its session.
func (g *Gateway) carrySocket(w http.ResponseWriter, r *http.Request, node, sid string) {
	holder := auth.CallerFrom(r.Context()).Holder(auth.Identity{})
	if r.ProtoMajor != 1 || g.tunnels.shares.Take(holder, 1) != nil { // the goroutine of an HTTP/2 stream would wait
		g.turnAway(w, r)
		return
	}
	s, err := g.endpoint.Socket(w, r)
	if err != nil {
		g.tunnels.shares.Give(holder, 1)
		return
	}
	one := &tunnel{newID(), node, s.Conn}
	g.tunnels.add(one)
	g.tunnels.busy.Go(func() {
		defer g.tunnels.shares.Give(holder, 1)
		ctx, cancel := context.WithTimeout(g.tunnels.ctx, upgradeTimeout)
		a, err := g.ask(ctx, node, &carried{method: begins, sid: sid, tunnel: one.id, compression: s.Compression, body: s.Buffered})
		cancel()
		if err != nil || a.status != http.StatusOK {
			g.tunnels.remove(one)
			turnedAway(s)
			return
		}
		g.pump(one)
	})
}

func (t *tunnels) remove(one *tunnel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, one.id)
}

// ask carries something to another node, and returns the answer.
func (g *Gateway) ask(ctx context.Context, node string, q *carried) (carriedAnswer, error) {
	b, err := g.calls.Call(ctx, node, q.append(nil))
	if err != nil {
		return carriedAnswer{}, err
	}
	return parseCarriedAnswer(b)
}

// pump carries what comes from one end to the other, until one of them ends.
func (g *Gateway) pump(one *tunnel) {
	defer func() {
		one.conn.Close()
		g.tunnels.remove(one)
		ctx, cancel := context.WithTimeout(context.Background(), tunnelEnd)
		defer cancel()
		g.ask(ctx, one.node, &carried{method: ends, tunnel: one.id}) // else it notices at its next piece
	}()
	b := make([]byte, tunnelBytes)
	for {
		n, err := one.conn.Read(b)
		if n > 0 {
			if !g.carryPiece(one, b[:n]) {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// carryPiece reports whether the other end has taken a piece. It may be lost while both nodes live; after
// the time in which the session would have ended, nobody waits for it.
func (g *Gateway) carryPiece(one *tunnel, b []byte) bool {
	ctx, cancel := context.WithTimeout(g.tunnels.ctx, g.options.PingInterval+g.options.PingTimeout)
	defer cancel()
	a, err := g.ask(ctx, one.node, &carried{method: piece, tunnel: one.id, body: b})
	return err == nil && a.status == http.StatusOK
}

// serveTunnel handles what comes from the other end of a tunnel. It reports whether that was as it should.
func (g *Gateway) serveTunnel(ctx context.Context, from string, q *carried) bool {
	if q.method == begins {
		return g.beginTunnel(from, q)
	}
	one := g.tunnels.find(q.tunnel, from)
	switch {
	case one == nil:
		return false
	case q.method == ends:
		one.conn.Close()
		return true
	}
	defer context.AfterFunc(ctx, func() { one.conn.Close() })()
	_, err := one.conn.Write(q.body)
	return err == nil
}

// beginTunnel gives a session its WebSocket.
func (g *Gateway) beginTunnel(from string, q *carried) bool {
	c := g.find(q.sid)
	if c == nil || g.tunnels.ctx.Err() != nil || !c.raise() {
		return false
	}
	ours, theirs := net.Pipe()
	one := &tunnel{q.tunnel, from, theirs}
	g.tunnels.add(one)
	g.tunnels.busy.Go(func() { g.pump(one) })
	buffered := append([]byte(nil), q.body...)
	g.tunnels.busy.Go(func() {
		c.raiseTo(&gateway.Socket{Conn: ours, Buffered: buffered, Compression: q.compression})
	})
	return true
}
