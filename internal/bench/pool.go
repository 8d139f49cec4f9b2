package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// dialers is how many connections are opened at a time.
const dialers = 32

// pool is connections that stay open, on one loop.
type pool struct {
	*run
	engine *loop.Engine
	opened atomic.Int64
	ending atomic.Bool // this program closes them
}

func newPool(r *run) *pool {
	return &pool{run: r, engine: loop.New(loop.Options{
		Loops:           1,
		MaxMessageBytes: int64(r.Size) + 16<<20, // the server may wrap and join messages
		PingInterval:    -1,                     // no pings: connections may be quiet
		BacklogBytes:    1 << 30,                // a server that reads slowly is not a reason to close
		BacklogMessages: 1 << 30,
		BacklogAge:      time.Hour,
	})}
}

// openAll opens connections 0 to n-1, each with its handler, and sends each one's
// first message.
func (c *pool) openAll(n int, build func(i int, conn loop.Conn) loop.Handler) error {
	return c.each(n, func(ctx context.Context, i int) error { return c.openOne(ctx, i, build) })
}

// each calls open for 0 to n-1, dialers at a time, until one fails.
func (r *run) each(n int, open func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(r.ctx)
	defer cancel(nil)
	var next atomic.Int64
	var running sync.WaitGroup
	for range min(dialers, n) {
		running.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || ctx.Err() != nil {
					return
				}
				if err := open(ctx, i); err != nil {
					cancel(fmt.Errorf("connection %s of %s: %w", count(i+1), count(n), err))
				}
			}
		})
	}
	running.Wait()
	err := context.Cause(ctx)
	if r.ctx.Err() != nil {
		return fmt.Errorf("interrupted while the connections opened: %w", err)
	}
	return err
}

func (c *pool) openOne(ctx context.Context, i int, build func(int, loop.Conn) loop.Handler) error {
	up, err := c.target.open(ctx, i)
	if err != nil {
		return err
	}
	conn, err := c.engine.Open(up.Conn, up.Buffered, loop.Params{Client: true, Compression: up.Compression}, func(conn loop.Conn) loop.Handler {
		if c.SocketIO != "" {
			return &answerer{build(i, conn), conn}
		}
		return build(i, conn)
	})
	if err != nil {
		return err
	}
	c.opened.Add(1)
	for _, text := range c.FirstMessages {
		if err := conn.Send(loop.NewMessage(frame.Text, []byte(c.number(text, i)))); err != nil {
			return err
		}
	}
	return nil
}

func (c *pool) connections() int64 { return c.opened.Load() }

// ended is called by Closed of a Handler. Before the end of the run it is a fault.
func (c *pool) ended(i int, code int, reason string, err error) {
	c.opened.Add(-1)
	if c.ending.Load() {
		return
	}
	why := fmt.Sprintf("connection %s was closed by the server with %d %s", count(i), code, reason)
	if err != nil {
		why += fmt.Sprintf(" (%v)", err)
	}
	c.fault(closed, "%s", why)
}

// close closes all connections with a closing handshake, for 5 s at most.
func (c *pool) close() {
	c.ending.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c.engine.Shutdown(ctx, 1000, "") // connections still open then are cut off
}

// sequence checks the messages of one receiver: every step-th number of one source.
type sequence struct {
	source int64
	next   int64
	step   int64
}

// check checks a message and calls each for the number of each payload in it.
func (s *sequence) check(r *run, who int, message []byte, each func(number int64)) {
	for {
		source, n, rest, err := r.codec.read(message)
		switch {
		case err == errNone:
			return
		case err != nil:
			r.fault(damaged, "connection %s: %v: got %.80q, expected message %s", count(who), err, message, count(s.next))
			return
		case source != s.source:
			r.fault(damaged, "connection %s got a message for connection %s", count(who), count(source))
			return
		case n%s.step != s.next%s.step:
			r.fault(damaged, "connection %s got message %s, which is for another group", count(who), count(n))
			return
		case n < s.next:
			r.fault(repeated, "connection %s got message %s twice or late, expected message %s", count(who), count(n), count(s.next))
			return
		case n > s.next:
			r.faultN((n-s.next)/s.step, lost, "connection %s got message %s, expected message %s: those between are lost", count(who), count(n), count(s.next))
		}
		s.next = n + s.step
		each(n)
		if message = rest; len(message) == 0 {
			return
		}
	}
}
