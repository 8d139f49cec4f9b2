package socketio

import "maps"

// watch notes that a socket has functions for outgoing events, so that only then the namespace
// looks for the sockets of a broadcast.
func (n *Namespace) watch(s *Socket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == gone {
		return
	}
	if n.watched == nil {
		n.watched = make(map[*Socket]struct{})
	}
	n.watched[s] = struct{}{}
}

func (n *Namespace) unwatch(s *Socket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.watched, s)
}

// outgoing calls the functions of OnAnyOutgoing of the sockets.
func (t Target) outgoing(event string, args []any) {
	for _, s := range t.watched() {
		s.outgoing(event, args)
	}
}

func (t Target) watched() (all []*Socket) {
	t.namespace.mu.Lock()
	watched := maps.Clone(t.namespace.watched)
	t.namespace.mu.Unlock()
	if len(watched) == 0 {
		return nil
	}
	for _, s := range t.Sockets() {
		if _, is := watched[s]; is {
			all = append(all, s)
		}
	}
	return all
}
