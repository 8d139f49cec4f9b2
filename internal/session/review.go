package session

import (
	"slices"

	"maru.example/maru/internal/auth"
)

// Review asks about each decision on which a subscription rests, and ends the subscription if ask
// returns an error. A subscription without a token of its own rests on the client's identity, who.
// Subscriptions that are under way end when they have begun. Review returns how many have ended. It may be called by any goroutine, and
// before Begin.
func (s *Session) Review(who auth.Identity, ask func(auth.Decision) error) (n int) {
	s.mu.Lock()
	all := slices.Clone(s.channels)
	if s.work != nil && s.stage != ended {
		for _, j := range s.work.joining {
			all = append(all, j.subscription)
		}
	}
	s.mu.Unlock()
	for _, c := range all {
		if err := c.review(who, ask); err != nil && s.fall(c, err) {
			n++
		}
	}
	return n
}

func (c *subscription) review(who auth.Identity, ask func(auth.Decision) error) error {
	if c.by != nil {
		who = *c.by
	}
	err := ask(auth.Decision{Who: who, Do: auth.Subscribe, Channel: c.Channel()})
	if err == nil && c.presence {
		err = ask(auth.Decision{Who: who, Do: auth.Presence, Channel: c.Channel()})
	}
	return err
}
