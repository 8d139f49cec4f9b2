package socketio

import (
	gw "maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/packet"
)

// A connection is not read while so many packets wait for their handlers, or so many bytes in them.
const (
	maxQueued      = 64
	maxQueuedBytes = 1 << 20
)

// Packet queues a packet. An ack is taken at once: a handler may wait for it.
func (p *speaker) Packet(c *gw.Conn, one gw.Packet) {
	k := c.State.(*conn)
	one.Data = append([]byte(nil), one.Data...)
	if one.Type == packet.Ack || one.Type == packet.BinaryAck {
		if s := k.socket(one.Namespace); s != nil {
			s.acked(one)
		}
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ended {
		return
	}
	k.waiting = append(k.waiting, one)
	k.bytes += size(one)
	if !k.paused && (len(k.waiting) >= maxQueued || k.bytes >= maxQueuedBytes) {
		k.paused = true
		k.Pause()
	}
	if !k.running {
		k.running = true
		k.server.runners.run(k.work)
	}
}

// run handles packets until there are none.
func (k *conn) run() {
	for {
		k.mu.Lock()
		if len(k.waiting) == 0 {
			k.running, k.waiting, k.bytes = false, nil, 0
			k.mu.Unlock()
			return
		}
		one := k.waiting[0]
		k.waiting[0], k.waiting = gw.Packet{}, k.waiting[1:]
		k.bytes -= size(one)
		if k.paused && len(k.waiting) < maxQueued/2 && k.bytes < maxQueuedBytes/2 {
			k.paused = false
			k.Resume()
		}
		k.mu.Unlock()
		k.handle(one)
	}
}

// size is how many bytes a packet has.
func size(p gw.Packet) int {
	n := len(p.Data)
	for _, a := range p.Binary {
		n += len(a)
	}
	return n
}

func (k *conn) handle(p gw.Packet) {
	if p.Type == packet.Connect {
		k.connect(p)
		return
	}
	s := k.socket(p.Namespace)
	if s == nil {
		return
	}
	switch p.Type {
	case packet.Event, packet.BinaryEvent:
		s.event(p)
	case packet.Disconnect:
		s.leave("client namespace disconnect")
	}
}
