package server

import (
	"context"
	"sync"
	"time"

	"maru.example/maru"
)

// Drain closes all live connections one by one, spread over the time. New WebSockets, event
// streams and polls are refused with 503 shutting_down, and /readyz reports the same; all other
// requests, publishing too, are served until Shutdown. WebSockets are closed with 1001
// shutting_down, event streams end, polls are answered. Clients of maru.v1 and of event streams
// are sent a time to reconnect: after the end of the drain, spread over as much time again.
// Drain returns when all connections are closed, when the time is over, or with ctx's error;
// call Shutdown next. A second call returns at once.
func (s *Server) Drain(ctx context.Context, over time.Duration) error {
	if !s.admission.Drain.Begin(over) {
		return nil
	}
	s.http.SetKeepAlivesEnabled(false) // the connection closes after its next request, so that the client connects elsewhere
	limit, cancel := context.WithTimeout(ctx, over)
	defer cancel()
	turns := over / 10 * 9 // the last connections have some time to answer
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

// ready is the answer of /readyz: the reason for not sending new clients here.
func (s *Server) ready() error {
	if s.admission.Drain.Begun() || s.requests.closed() {
		return errShuttingDown
	}
	// A full disk is no reason to send readers away; a store that is gone is one, because only a
	// new start helps.
	if err := s.broker.Err(); maru.ErrorOf(err).Code == maru.CodeUnavailable {
		return err
	}
	return nil
}
