package calls

import (
	"context"
	"time"

	"maru.example/maru/internal/shares"
)

// arrived takes a message of another node. It does not wait.
func (c *Calls) arrived(from string, data []byte, answer func([]byte, error)) {
	m, err := parseMessage(data)
	if err != nil {
		if answer != nil {
			answer(nil, err)
		}
		return
	}
	k := key{from, m.id}
	switch {
	case m.kind == kindCancel:
		c.drop(k)
		if answer != nil { // nobody asks so
			answer(nil, errUnknown)
		}
	case answer == nil: // all others are questions
	case m.kind == kindPart:
		answer(nil, c.add(k, m.data))
	case m.kind == kindCall:
		c.begin(k, m.data, answer)
	default:
		answer(c.next(k))
	}
}

// add keeps a part of a question.
func (c *Calls) add(k key, part []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.of(k)
	if err == nil {
		err = c.take(k, s, int64(len(part)))
	}
	if err != nil {
		c.dropLocked(k)
		return err
	}
	s.buffer = append(s.buffer, part...)
	s.forget.Reset(forgetAfter)
	return nil
}

// of returns a call, and begins it if it is new. c.mu is held.
func (c *Calls) of(k key) (*served, error) {
	s := c.served[k]
	switch {
	case c.closed:
		return nil, errClosing
	case s != nil && s.cancel != nil:
		return nil, errUnknown // it is being answered
	case s != nil:
		return s, nil
	case c.counts.Take(shares.Person(k.from), 1) != nil:
		return nil, errMany
	}
	s = &served{forget: time.AfterFunc(forgetAfter, func() { c.drop(k) })}
	c.served[k] = s
	return s, nil
}

// take counts bytes that a call holds. c.mu is held.
func (c *Calls) take(k key, s *served, n int64) error {
	if c.shares.Take(shares.Person(k.from), n) != nil {
		return errMany
	}
	s.held += n
	return nil
}

// begin calls the handler when the question is whole.
func (c *Calls) begin(k key, last []byte, answer func([]byte, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.of(k)
	if err == nil {
		err = c.take(k, s, int64(len(last)))
	}
	if err != nil {
		c.dropLocked(k)
		answer(appendFailed(err), nil)
		return
	}
	s.forget.Stop()
	question := last
	if len(s.buffer) > 0 {
		question = append(s.buffer, last...)
	}
	ctx, cancel := context.WithCancel(c.ctx)
	s.buffer, s.cancel = nil, cancel
	c.busy.Go(func() {
		defer cancel()
		b, err := c.handle(ctx, k.from, question)
		answer(c.first(k, b, err), nil)
	})
}

// first is the first part of an answer. The others are kept until they are asked for.
func (c *Calls) first(k key, b []byte, err error) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.served[k]
	if s != nil {
		c.shares.Give(shares.Person(k.from), s.held)
		s.held = 0
		if err == nil && len(b) > partBytes {
			err = c.take(k, s, int64(len(b)))
		}
	}
	switch {
	case s == nil: // nobody wants it any more
		return []byte{answerLast}
	case err != nil:
		c.dropLocked(k)
		return appendFailed(err)
	}
	s.buffer = b
	return c.partOf(k, s)
}

// partOf takes the next part off an answer. c.mu is held.
func (c *Calls) partOf(k key, s *served) []byte {
	n := min(len(s.buffer), partBytes)
	kind := answerMore
	part := s.buffer[:n]
	if s.buffer = s.buffer[n:]; len(s.buffer) == 0 {
		kind = answerLast
		c.dropLocked(k)
	} else {
		s.forget.Reset(forgetAfter)
	}
	return append([]byte{kind}, part...)
}

func (c *Calls) next(k key) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.served[k]
	if s == nil || len(s.buffer) == 0 || s.cancel == nil {
		return nil, errUnknown
	}
	return c.partOf(k, s), nil
}

func (c *Calls) drop(k key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropLocked(k)
}

func (c *Calls) dropLocked(k key) {
	s := c.served[k]
	if s == nil {
		return
	}
	delete(c.served, k)
	c.shares.Give(shares.Person(k.from), s.held)
	c.counts.Give(shares.Person(k.from), 1)
	s.forget.Stop()
	if s.cancel != nil {
		s.cancel()
	}
}

// left forgets the calls of a node that is no longer alive.
func (c *Calls) left(node string, _ time.Duration) {
	c.forgetAll(func(k key) bool { return k.from == node })
}

func (c *Calls) forgetAll(which func(key) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.served {
		if which(k) {
			c.dropLocked(k)
		}
	}
}
