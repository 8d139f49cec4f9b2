package session

import "slices"

// Unsubscribe leaves a channel. It is no error if the channel is not subscribed.
type Unsubscribe struct {
	Ref     uint64
	Channel string
}

// Unsubscribed is the reply to Unsubscribe. Nothing of the channel is sent after it.
type Unsubscribed struct{ Channel string }

func (s *Session) unsubscribe(c Unsubscribe) {
	s.mu.Lock()
	i := s.find(c.Channel)
	var left subscription
	if i >= 0 {
		left = s.channels[i]
		s.channels = slices.Delete(s.channels, i, i+1)
	}
	s.mu.Unlock()
	if i >= 0 {
		left.leave()
	}
	s.answer(c.Ref, Unsubscribed{c.Channel})
}
