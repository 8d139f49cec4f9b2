package server

import (
	"context"
	"sync"
	"time"
)

// Drain closes all live connections, one after the other and spread over the time. New
// sockets, event streams and polls are refused with 503 shutting_down, and /readyz says so, while
// everything else, publishing too, goes on until Shutdown. At its turn a socket is closed with 1001
// shutting_down, an event stream ends, a poll is answered; clients of maru.v1 and event streams are
// sent when to come back: not before the end of the drain, and in the same time again not all at
// once. Drain returns when all have left, or with the end of the time, or with ctx's error; Shutdown
// follows. A second call returns at once.
func (s *Server) Drain(ctx context.Context, over time.Duration) error {
	if !s.admission.Drain.Begin(over) {
		return nil
	}
	s.http.SetKeepAlivesEnabled(false) // a client that only sends requests goes elsewhere after the next
	limit, cancel := context.WithTimeout(ctx, over)
	defer cancel()
	turns := over / 10 * 9 // the last have some time to answer
	var leaving sync.WaitGroup
	defer leaving.Wait()
	leaving.Go(func() { s.registry.Leave(limit, turns) })

	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for s.Connections() > 0 && limit.Err() == nil {
		select {
		case <-look.C:
		case <-limit.Done():
		}
	}
	cancel()
	return context.Cause(ctx)
}

// ready is what /readyz says: why no new clients are to be sent here.
func (s *Server) ready() error {
	if s.admission.Drain.Begun() || s.requests.closed() {
		return errShuttingDown
	}
	return nil
}
