package bench

import (
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// idle is connections that only stand.
type idle struct{ *crowd }

func (w *idle) open() error {
	return w.openAll(w.Connections, func(i int, _ loop.Conn) loop.Handler { return &stander{w.crowd, i} })
}

func (*idle) start()         {}
func (*idle) stop()          {}
func (*idle) missing() int64 { return 0 }
func (*idle) count() int64   { return 0 }
func (*idle) report(*Result) {}

// stander takes what comes and only must not be closed.
type stander struct {
	*crowd
	i int
}

func (*stander) Message(frame.Opcode, []byte) {}

func (s *stander) Closed(code int, reason string, err error) { s.ended(s.i, code, reason, err) }
