package server

import (
	"context"
	"errors"
	"net"
	"sync"

	"maru.example/maru"
	"maru.example/maru/internal/front"
)

// Serve accepts connections from l until Shutdown begins, and then returns http.ErrServerClosed
// at once, while Shutdown continues. With Options.TLSConfig or TLSFiles the connections use TLS,
// except those on a unix socket: they do not leave the machine. Serve may be called for several
// listeners, each in its own goroutine. It closes l.
//
// HTTP/2 is used if TLS negotiates it. A WebSocket then uses a connection of its own, over
// HTTP/1.1. If the program runs with GODEBUG=http2xconnect=1, it may be a stream instead (RFC
// 8441). A stream is served by goroutines and costs some 14 KB instead of 8, and 45 KB for each
// HTTP/2 connection.
func (s *Server) Serve(l net.Listener) error {
	_, unix := l.Addr().(*net.UnixAddr)
	l = s.behindProxies(&s.accepting, l)
	if s.certificates != nil && !unix {
		return front.ServeTLS(&s.accepting, s.http, l, s.certificates.Config(), s.options.Logger)
	}
	return front.Serve(&s.accepting, s.engine, s.http, l, s.options.Logger)
}

// ProxyListener returns l for a server of the program's own that is behind the same proxies, such as
// one with RedirectHTTP. With Options.ProxyProtocol it reads their PROXY headers, as Serve does, and
// its connections have the addresses of the clients. They count with those of Serve that carry
// requests: one address has at most half, and beyond that they are closed at once. Closing it closes
// l.
func (s *Server) ProxyListener(l net.Listener) net.Listener {
	return s.plain.requests.Listener(s.behindProxies(nil, l))
}

func (s *Server) behindProxies(accepting *front.Accepting, l net.Listener) net.Listener {
	if !s.options.ProxyProtocol {
		return l
	}
	return front.NewProxyListener(accepting, l, front.ProxyOptions{
		Trusts: s.filter.TrustsPeer, Timeout: s.options.HandshakeTimeout, Log: s.options.Logger,
	})
}

// Shutdown stops the server. It refuses new connections and requests, ends event streams and
// waiting polls, closes WebSockets with 1001 shutting_down, and waits until all are closed
// and all hooks have returned, whose contexts end with their connections. This happens at once
// unless Drain was called before. If ctx ends first, Shutdown cuts the remaining connections and
// returns ctx's error. Publish then fails with CodeShuttingDown. A
// second call waits for the first and returns the same.
func (s *Server) Shutdown(ctx context.Context) error {
	s.shutdown.Do(func() { s.shutdownErr = s.end(ctx) })
	return s.shutdownErr
}

func (s *Server) end(ctx context.Context) error {
	close(s.stopWatching)
	s.watching.Wait()
	listeners := make(chan error, 1)
	closeListeners := sync.OnceFunc(func() { listeners <- s.http.Shutdown(ctx) })
	if s.admission.Drain.Ended() {
		closeListeners() // first: a request that was sent before its client could know is answered
	}
	idle := s.requests.close()
	s.hub.Close()
	s.authenticator.Sessions.Close()
	s.endAccess()

	go closeListeners()
	err := s.engine.Shutdown(ctx, maru.CloseGoingAway, string(maru.CodeShuttingDown))
	err = errors.Join(err, <-listeners)
	select {
	case <-idle:
	case <-ctx.Done():
		err = errors.Join(err, context.Cause(ctx))
	}
	if err != nil {
		s.http.Close()
	}
	s.endGateways()
	if s.presence != nil {
		s.presence.Close()
	}
	err = errors.Join(err, s.broker.Close())
	s.logs.Flush()
	return err
}
