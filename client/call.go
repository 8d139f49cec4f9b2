package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"maru.example/maru"
)

// repeat says whether a command may be sent again when its reply is lost.
type repeat uint8

const (
	never  repeat = iota
	always        // it changes nothing
	known         // the server recognises a repeat, as long as it keeps the idempotency key
)

// knownTime is how long after the first attempt a command may be repeated. It is less than
// the server's time, some of which has passed when a repeat arrives.
const knownTime = maru.IdempotencyAge - time.Minute

// call is one command of the program.
type call struct {
	id     uint64
	text   []byte
	repeat repeat
	sent   time.Time   // first; zero: not yet
	result chan result // has room for one
}

type result struct {
	m   *message
	err error
}

func (c *call) done(m *message, err error) {
	select {
	case c.result <- result{m, err}:
	default:
	}
}

// do carries out a command of the program. It waits for a connection, unless waits is false,
// and for the reply.
func (c *Client) do(ctx context.Context, name string, body any, r repeat, waits bool) (*message, error) {
	m, err := c.carryOut(ctx, name, body, r, waits)
	switch {
	case err == nil:
		return m, nil
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return nil, fmt.Errorf("client: %s: ended before its reply, so it may have been carried out or not: %w", name, err)
	case errors.Is(err, ErrClosed), errors.Is(err, ErrDisconnected):
		return nil, err
	}
	return nil, fmt.Errorf("client: %s: %w", name, err)
}

func (c *Client) carryOut(ctx context.Context, name string, body any, r repeat, waits bool) (*message, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	call := &call{id: c.ids.Add(1), repeat: r, result: make(chan result, 1)}
	var err error
	if call.text, err = encode(call.id, name, body); err != nil {
		return nil, err
	}
	c.mu.Lock()
	l := c.links[0]
	switch {
	case c.ended:
		err = c.why
	case !waits && !l.open:
		err = ErrDisconnected
	default:
		l.waiting = append(l.waiting, call)
		l.pump()
	}
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case r := <-call.result:
		return r.m, r.err
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		call.repeat = never // if it was sent
		if i := slices.Index(l.waiting, call); i >= 0 {
			l.waiting = slices.Delete(l.waiting, i, i+1)
		}
		return nil, ctx.Err()
	}
}

// pump sends waiting calls, as many as may be in flight. c.mu is held.
func (l *link) pump() {
	for l.open && len(l.waiting) > 0 && len(l.conn.inFlight) < maxInFlight && l.conn.inFlightBytes < maxInFlightBytes {
		call := l.waiting[0]
		l.waiting[0] = nil
		l.waiting = l.waiting[1:]
		l.send(call)
	}
}

// send sends a call on the connection that is open. c.mu is held.
func (l *link) send(call *call) {
	conn := l.conn
	switch now := time.Now(); {
	case conn.maxMessage > 0 && int64(len(call.text)) > conn.maxMessage:
		call.done(nil, maru.NewError(maru.CodeTooLarge, fmt.Sprintf("the message has %[2]d bytes, and the server accepts at most %[1]d", conn.maxMessage, len(call.text))))
		return
	case call.sent.IsZero():
		call.sent = now
	case call.repeat == known && now.Sub(call.sent) > knownTime:
		call.done(nil, ErrDisconnected)
		return
	}
	conn.inFlight[call.id] = call
	conn.inFlightBytes += len(call.text)
	conn.send(call.id, call.text, func(m *message, err error) {
		delete(conn.inFlight, call.id)
		conn.inFlightBytes -= len(call.text)
		switch {
		case !errors.Is(err, ErrDisconnected):
		case conn.fault != nil:
			err = conn.fault
		case call.repeat != never:
			l.back = append(l.back, call)
			return
		}
		call.done(m, err)
		l.pump()
	})
}
