package socketio

// members collects the sockets of this node that are in any of the rooms, or in the namespace if
// there are none, without those in others and without one. n.mu is held.
func (n *Namespace) members(to, except []string, without string) map[*Socket]struct{} {
	all := make(map[*Socket]struct{})
	if len(to) == 0 {
		for s := range n.sockets {
			all[s] = struct{}{}
		}
	}
	for _, name := range to {
		n.eachOf(name, func(s *Socket) { all[s] = struct{}{} })
	}
	for _, name := range except {
		n.eachOf(name, func(s *Socket) { delete(all, s) })
	}
	if s := n.server.ids.find(without); s != nil {
		delete(all, s)
	}
	return all
}

// eachOf calls f for the sockets of a room.
func (n *Namespace) eachOf(name string, f func(*Socket)) {
	if r := n.rooms[name]; r != nil {
		for s := range r.members {
			f(s)
		}
	}
	if s := n.owner(name); s != nil {
		f(s)
	}
}

// owner returns the socket with an id, unless it has left the room of that; nil: there is none.
func (n *Namespace) owner(id string) *Socket {
	if s := n.server.ids.find(id); s != nil && s.namespace == n {
		if _, is := s.rooms[id]; is {
			return s
		}
	}
	return nil
}

// find is members, as a list.
func (n *Namespace) find(to, except []string, without string) []*Socket {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []*Socket
	for s := range n.members(to, except, without) {
		all = append(all, s)
	}
	return all
}
