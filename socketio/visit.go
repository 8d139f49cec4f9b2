package socketio

import "slices"

// patternOf returns the first pattern with a name, or nil. s.mu is not held: the program's functions
// are called.
func (s *Server) patternOf(name string) *Pattern {
	s.mu.Lock()
	all := slices.Clone(s.patterns)
	s.mu.Unlock()
	for _, p := range all {
		if p.accepts(name) {
			return p
		}
	}
	return nil
}

// visit returns the namespace that a client asks for, or nil. It is not removed before visited.
func (s *Server) visit(name string) *Namespace {
	p := s.patternOf(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.namespaces[name]
	if n == nil {
		if p == nil || name[0] != '/' {
			return nil
		}
		n = s.of(name, p)
	}
	n.arriving++
	return n
}

// visited ends a visit: the client has a socket, or is refused.
func (n *Namespace) visited() {
	n.server.mu.Lock()
	n.arriving--
	n.server.mu.Unlock()
	n.tidy()
}

// tidy removes a namespace of a pattern if it is empty.
func (n *Namespace) tidy() {
	s := n.server
	if n.pattern == nil || !s.options.RemoveEmpty {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.arriving == 0 && len(n.sockets) == 0 && n.recovery.idle() && s.namespaces[n.name] == n {
		delete(s.namespaces, n.name)
	}
}
