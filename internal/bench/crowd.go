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

// crowd is connections that stay, on one loop.
type crowd struct {
	*run
	engine *loop.Engine
	opened atomic.Int64
	ending atomic.Bool // we close them ourselves
}

func newCrowd(r *run) *crowd {
	return &crowd{run: r, engine: loop.New(loop.Options{
		Loops:           1,
		MaxMessageBytes: int64(r.Size) + 16<<20, // wrapped, joined: the server's business
		PingInterval:    -1,                     // who is silent here waits
		BacklogBytes:    1 << 30,                // a server that does not read is slow, no reason to hang up
		BacklogMessages: 1 << 30,
		BacklogAge:      time.Hour,
	})}
}

// openAll opens connections 0 to n-1, each with its handler, and sends each one's
// first message.
func (c *crowd) openAll(n int, build func(i int, conn loop.Conn) loop.Handler) error {
	return c.each(n, func(ctx context.Context, i int) error { return c.openOne(ctx, i, build) })
}

// each calls open for 0 to n-1, so many at a time, until one fails.
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

func (c *crowd) openOne(ctx context.Context, i int, build func(int, loop.Conn) loop.Handler) error {
	up, err := c.target.dial(ctx, i)
	if err != nil {
		return err
	}
	conn, err := c.engine.Open(up.Conn, up.Buffered, loop.Params{Client: true, DeflateBits: up.DeflateBits}, func(conn loop.Conn) loop.Handler {
		return build(i, conn)
	})
	if err != nil {
		return err
	}
	c.opened.Add(1)
	for _, text := range c.FirstMessages {
		if err := conn.Send(loop.NewMessage(frame.Text, []byte(number(text, i)))); err != nil {
			return err
		}
	}
	return nil
}

func (c *crowd) connections() int64 { return c.opened.Load() }

// ended is a Handler's Closed: before the end it is a fault.
func (c *crowd) ended(i int, code int, reason string, err error) {
	c.opened.Add(-1)
	if c.ending.Load() {
		return
	}
	why := fmt.Sprintf("connection %s was closed with %d %s", count(i), code, reason)
	if err != nil {
		why += fmt.Sprintf(" (%v)", err)
	}
	c.fault(closed, "%s", why)
}

// close closes all connections in good order, as far as the server goes along.
func (c *crowd) close() {
	c.ending.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c.engine.Shutdown(ctx, 1000, "") // what is not gone by then is cut
}

// sequence checks what one receiver gets: the numbers of one source, from 0.
type sequence struct {
	source int64
	next   int64
}

// take checks a message and calls each for the number of each payload in it.
func (s *sequence) take(r *run, who int, message []byte, each func(number int64)) {
	for {
		source, n, rest, err := r.codec.read(message)
		switch {
		case err == errNone:
			return
		case err != nil:
			r.fault(damaged, "connection %s: %v: %.80q where message %s was due", count(who), err, message, count(s.next))
			return
		case source != s.source:
			r.fault(damaged, "connection %s got a message meant for connection %s", count(who), count(source))
			return
		case n < s.next:
			r.fault(repeated, "connection %s got message %s again, or late: message %s was due", count(who), count(n), count(s.next))
			return
		case n > s.next:
			r.faultN(n-s.next, lost, "connection %s got message %s, but message %s was due", count(who), count(n), count(s.next))
		}
		s.next = n + 1
		each(n)
		if message = rest; len(message) == 0 {
			return
		}
	}
}
