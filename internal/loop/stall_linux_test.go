package loop

import (
	"testing"

	"maru.example/maru/internal/frame"
)

// A peer that has sent its pong is not silent, even if the pong is unread at the timeout.
func TestUnreadAnswer(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string][]byte{
		"pong":         frame.AppendMasked(nil, frame.Pong, false, [4]byte{}, nil),
		"half a frame": {0x81},
		"nothing":      nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := NewStill(t, Options{}).Loop
			near, far := sockets(t)
			c := l.slab.allocate(l)
			l.opened(c.id, &opening{fd: near, handler: deaf{}})
			l.clock.now += l.engine.clock.ping
			l.scan()
			l.flush()
			far.Write(answer)
			l.clock.now += l.engine.clock.pong
			l.scan()
			if alive := l.slab.slot(c.id).alive(c.id); alive != (answer != nil) {
				t.Errorf("alive: %t", alive)
			}
			if due := *l.slab.due(c.id); (due != 0) != (answer != nil) {
				t.Errorf("next look at tick %d", due)
			}
		})
	}
}
