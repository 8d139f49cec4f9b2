package socketio

import (
	"sync"

	"maru.example/maru/internal/loop"
)

// directory finds the sockets of all namespaces by id. Its lock is held for nothing else, because the
// hub asks while it delivers.
type directory struct {
	mu   sync.RWMutex
	byID map[string]*Socket
}

func (d *directory) add(s *Socket) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byID == nil {
		d.byID = make(map[string]*Socket)
	}
	d.byID[s.id] = s
}

func (d *directory) remove(s *Socket) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byID[s.id] == s { // not the one that has come back
		delete(d.byID, s.id)
	}
}

// find returns nil for an id that no socket has.
func (d *directory) find(id string) *Socket {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.byID[id]
}

// conn returns the zero value for an id that no socket has.
func (d *directory) conn(id []byte) loop.Conn {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if s := d.byID[string(id)]; s != nil {
		return s.conn.Conn.Conn()
	}
	return loop.Conn{}
}
