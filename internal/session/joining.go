package session

import "slices"

// joining is a subscription that is under way. Its client may know of it before it is kept, and a
// right may be taken in between: then it ends as soon as it is kept.
type joining struct {
	subscription       // whose Subscription is only a name
	why          error // it is to end for; nil: it stays
}

// joins notes the subscriptions of a command, which the session's goroutine carries out. keep ends the
// note of each.
func (s *Session) joins(all ...joining) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.working().joining = all
}

// kept ends the note of a subscription, and returns why it is to end. s.mu is held.
func (s *Session) kept(channel string) (why error) {
	if s.work == nil {
		return nil
	}
	s.work.joining = slices.DeleteFunc(s.work.joining, func(j joining) bool {
		is := j.Channel() == channel
		if is {
			why = j.why
		}
		return is
	})
	return why
}

// fall ends a subscription, or one that is under way when it is kept. It reports whether it had not
// ended before.
func (s *Session) fall(c subscription, why error) bool {
	name, underWay := c.Subscription.(left)
	if !underWay {
		return s.end(c.Subscription, why)
	}
	s.mu.Lock()
	if s.work != nil {
		for i := range s.work.joining {
			if j := &s.work.joining[i]; j.Channel() == string(name) {
				defer s.mu.Unlock()
				first := j.why == nil
				j.why = why
				return first
			}
		}
	}
	i := s.find(string(name))
	var sub Subscription
	if i >= 0 {
		sub = s.channels[i].Subscription
	}
	s.mu.Unlock()
	return sub != nil && s.end(sub, why)
}
