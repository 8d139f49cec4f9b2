package server

import (
	"sync/atomic"
	"time"
)

// outcomes counts what succeeded and what failed.
type outcomes struct {
	ok, failed atomic.Uint64
	last       atomic.Bool  // the last one failed
	at         atomic.Int64 // when the last one succeeded: nanoseconds of Unix time; 0: none has
}

func (o *outcomes) ended(err error) {
	o.last.Store(err != nil)
	if err != nil {
		o.failed.Add(1)
		return
	}
	o.ok.Add(1)
	o.at.Store(time.Now().UnixNano())
}

// ReloadFailed counts a reload that failed before Reload could be called, for example because a
// file cannot be read, in the metrics about reloads.
func (s *Server) ReloadFailed(err error) { s.reloads.ended(err) }
