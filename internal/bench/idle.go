package bench

import (
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// idle is connections without traffic.
type idle struct{ *pool }

func (w *idle) open() error {
	return w.openAll(w.Connections, func(i int, _ loop.Conn) loop.Handler { return &idler{w.pool, i} })
}

func (*idle) start()         {}
func (*idle) stop()          {}
func (*idle) missing() int64 { return 0 }
func (*idle) count() int64   { return 0 }
func (*idle) report(*Result) {}

// idler ignores messages. The server must not close it.
type idler struct {
	*pool
	i int
}

func (*idler) Message(frame.Opcode, []byte) {}

func (s *idler) Closed(code int, reason string, err error) { s.ended(s.i, code, reason, err) }
