package socketio

import (
	"errors"
	"net/http"
	"time"

	"maru.example/maru/internal/engineio"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/loop"
)

const (
	// upgradeTimeout is the time from the request for a WebSocket to the upgrade packet.
	upgradeTimeout = 10 * time.Second

	// upgradeGrace is how long a poll waits for an upgrade that is under way: the client's last
	// packet of it may be on the way, on another TCP connection.
	upgradeGrace = 100 * time.Millisecond
)

// upgrade gives a connection that polls its WebSocket: Engine.IO, Upgrade. The goroutine of the
// request probes it. Meanwhile the client polls on. raise has returned true.
func (c *Conn) upgrade(w http.ResponseWriter, r *http.Request) {
	s, err := c.gateway.endpoint.Socket(w, r)
	if err != nil {
		c.raised(onPolls)
		return
	}
	c.raiseTo(s)
}

// raiseTo gives a connection a WebSocket that is open.
func (c *Conn) raiseTo(s *gateway.Socket) {
	p := loop.Params{Compression: s.Compression, Inflater: s.Compression.Inflater()}
	rest, err := c.probe(s, p)
	if err != nil {
		s.Close()
		c.raised(onPolls)
		return
	}
	s.SetDeadline(time.Time{})
	err = c.Conn().Attach(s.Conn, rest, p)
	c.gateway.forget(c)
	c.raised(onSocket)
	if err == nil {
		s.Wait()
	}
}

// raise begins an upgrade, unless one is under way.
func (c *Conn) raise() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.polls.raising != nil || c.stage != onPolls {
		return false
	}
	c.polls.raising = make(chan struct{})
	return true
}

// raised ends it.
func (c *Conn) raised(at stage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.polls.raising)
	c.polls.raising = nil
	if c.stage != afterPoll {
		c.stage = at
	}
}

// awaitUpgrade waits for an upgrade under way, for a moment. The last packet of it follows the
// answer to the probe: before that there is nothing to wait for, and the probe ends the poll.
func (c *Conn) awaitUpgrade() {
	c.mu.Lock()
	raising, at := c.polls.raising, c.stage
	c.mu.Unlock()
	if raising == nil || at == onPolls {
		return
	}
	t := time.NewTimer(upgradeGrace)
	defer t.Stop()
	select {
	case <-raising:
	case <-t.C:
	}
}

var (
	errProbe   = errors.New("the WebSocket of an upgrade must send 2probe, and then 5")
	errPosting = errors.New("the client upgrades while it posts")
)

// maxProbeBytes bounds the messages of a probe, so that many probes take little memory. They have
// at most 6 bytes.
const maxProbeBytes = 64

// probe answers the client's probe and waits for its upgrade packet. It returns the bytes that
// came after that. The client's messages may be compressed, in the context that is in params.
func (c *Conn) probe(s *gateway.Socket, params loop.Params) (rest []byte, err error) {
	s.SetDeadline(time.Now().Add(upgradeTimeout))
	rules := frame.Rules{MaxMessageBytes: maxProbeBytes, Deflate: params.Compression.DeflateBits > 0}
	reader := frame.Reader{Inflater: params.Inflater}
	b, p := make([]byte, 1<<10), s.Buffered
	for {
		for len(p) > 0 {
			ev, n, err := reader.Next(p, &rules)
			if err != nil {
				return nil, err
			}
			p = p[n:]
			if done, err := c.probing(s, ev); done || err != nil {
				return append([]byte(nil), p...), err
			}
		}
		n, err := s.Read(b)
		if n == 0 && err != nil {
			return nil, err
		}
		p = b[:n]
	}
}

// probing handles one message of the probe. done reports that it was the upgrade packet.
func (c *Conn) probing(s *gateway.Socket, ev frame.Event) (done bool, err error) {
	switch ev.Op {
	case frame.Continuation, frame.Pong:
		return false, nil
	case frame.Ping:
		_, err = s.Write(frame.AppendFrame(nil, frame.Pong, false, ev.Payload))
		return false, err
	case frame.Text:
	default:
		return false, errProbe
	}
	p, err := engineio.Decode(true, ev.Payload)
	switch {
	case err != nil:
		return false, err
	case p.Type == engineio.Ping && string(p.Data) == engineio.Probe:
		return false, c.probed(s)
	case p.Type == engineio.Upgrade:
		return c.complete()
	}
	return false, errProbe
}

// probed answers the probe, and ends the poll that waits.
func (c *Conn) probed(s *gateway.Socket) error {
	c.mu.Lock()
	if c.stage == onPolls {
		c.stage = probed
	}
	polling := c.polls.polling
	c.mu.Unlock()
	if polling {
		c.Conn().Send(noop)
	}
	_, err := s.Write(frame.AppendFrame(nil, frame.Text, false, []byte(string(engineio.Pong)+engineio.Probe)))
	return err
}

// complete is called for the upgrade packet: from here polls and posts are refused.
func (c *Conn) complete() (done bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.stage != probed:
		return false, errProbe
	case c.polls.posting:
		return false, errPosting
	}
	c.stage = onSocket
	return true, nil
}
