package client

import (
	"errors"
	"slices"
)

// watch keeps the presence of a channel up to date from changes.
type watch struct {
	here   *Presence
	newest uint64 // the newest version in a push
	asked  bool   // the whole list was requested, or will be soon, in run
	run    int
	tries  int // that failed, one after the other
}

// change applies a change. If it does not follow the known version, the whole list is
// requested. c.mu is held.
func (s *Subscription) change(p *presence) {
	w := &s.watch
	w.newest = p.Version
	if w.here == nil || p.Version <= w.here.Version {
		return
	}
	named := p.Joined != nil || p.Left != nil
	if w.here.Version != p.Prev || named && w.here.Users == nil {
		s.askWhole()
		return
	}
	here := &Presence{Version: p.Version, Count: p.Count, Anonymous: p.Anonymous}
	if named {
		// Not Concat, which is nil without people: that would be more than the server lists.
		here.Users = slices.DeleteFunc(append(append([]string{}, w.here.Users...), p.Joined...), func(user string) bool {
			return slices.Contains(p.Left, user) && !slices.Contains(p.Joined, user)
		})
	}
	s.show(here)
}

// whole replaces the presence by a whole list.
func (s *Subscription) whole(p *presence) {
	here := &Presence{Version: p.Version, Count: p.Count, Anonymous: p.Anonymous}
	if p.Users != nil {
		here.Users = make([]string, 0, len(p.Users))
		for _, u := range p.Users {
			here.Users = append(here.Users, u.User)
		}
	}
	s.show(here)
}

func (s *Subscription) show(here *Presence) {
	slices.Sort(here.Users)
	here.Users = slices.Compact(here.Users)
	s.watch.here = here
	s.queue.presence(here)
}

// askWhole requests the whole list, again if that fails and may pass.
func (s *Subscription) askWhole() {
	w := &s.watch
	if w.asked && w.run == s.run {
		return
	}
	w.asked, w.run = true, s.run
	s.link.conn.ask("presence", channelCommand{s.channel}, func(m *message, err error) {
		if w.run != s.run {
			return
		}
		if f := (*failure)(nil); errors.As(err, &f) && f.passes() {
			s.wait(backoff(w.tries, s.c.random), func() { w.asked = false; s.askWhole() })
			w.tries++
			return
		}
		w.asked, w.tries = false, 0
		if err != nil || m.Presence == nil {
			return
		}
		s.whole(m.Presence)
		if m.Presence.Version < w.newest {
			s.askWhole()
		}
	})
}
