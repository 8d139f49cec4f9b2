package handshake

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"maru.example/maru/internal/response"
)

// standIn is the Answer of a stream, which turns these bytes, the first it is
// given to write, into the header block of its answer.
const standIn = "200"

// stream is one stream of an HTTP/2 connection as a net.Conn (RFC 8441 §5). It lives
// as long as its request: Wait returns when it is closed. One goroutine may read and
// one may write.
type stream struct {
	body    io.ReadCloser
	flush   *http.ResponseController
	control *http.ResponseController // of its deadlines
	local   net.Addr
	remote  net.Addr
	done    chan struct{} // closed by Close

	mu       sync.Mutex // held while writing
	w        http.ResponseWriter
	answered bool
	closed   bool
}

func newStream(w http.ResponseWriter, r *http.Request) *stream {
	s := &stream{
		body: r.Body, flush: http.NewResponseController(w), control: response.Deadlines(w), w: w, done: make(chan struct{}),
		local: noAddr{}, remote: noAddr{},
	}
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		s.remote = net.TCPAddrFromAddrPort(at)
	}
	if at, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		s.local = at
	}
	s.SetDeadline(time.Time{}) // the HTTP server's own
	return s
}

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	if errors.Is(err, http.ErrBodyReadAfterClose) {
		err = net.ErrClosed
	}
	return n, err
}

func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	answer := 0
	if !s.answered {
		s.answered = true
		s.w.WriteHeader(http.StatusOK)
		answer = len(standIn)
	}
	n, err := s.w.Write(p[answer:])
	if err == nil {
		err = s.flush.Flush()
	}
	return answer + n, err
}

// Close ends the stream. A write that waits for the peer's window is given up.
func (s *stream) Close() error {
	if !s.mu.TryLock() {
		s.control.SetWriteDeadline(time.Unix(1, 0)) // resets the stream
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.closed = true
	if !s.answered { // nothing became of it
		s.w.WriteHeader(http.StatusServiceUnavailable)
	}
	s.body.Close() // ends Read
	close(s.done)
	return nil
}

func (s *stream) wait() { <-s.done }

func (s *stream) LocalAddr() net.Addr                { return s.local }
func (s *stream) RemoteAddr() net.Addr               { return s.remote }
func (s *stream) SetReadDeadline(t time.Time) error  { return s.control.SetReadDeadline(t) }
func (s *stream) SetWriteDeadline(t time.Time) error { return s.control.SetWriteDeadline(t) }

func (s *stream) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

type noAddr struct{}

func (noAddr) Network() string { return "tcp" }
func (noAddr) String() string  { return "" }
