package bench

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// publishes posts publications, Options.Connections at a time, each on a connection of its own that
// stays open.
type publishes struct {
	*run
	conns   []*postConn
	next    atomic.Int64
	done    atomic.Int64
	live    atomic.Int64 // requests on their way
	stopped atomic.Bool
	workers sync.WaitGroup

	lock    sync.Mutex
	latency Histogram
}

// postConn is a connection that posts to one address.
type postConn struct {
	net.Conn
	in   *bufio.Reader
	head []byte // of each request, up to the body
	out  []byte
}

func (w *publishes) open() error {
	for i := range w.Connections {
		c, err := w.connect(i)
		if err != nil {
			return fmt.Errorf("connection %d of %d: %w", i+1, w.Connections, err)
		}
		w.conns = append(w.conns, c)
	}
	return nil
}

func (w *publishes) connect(i int) (*postConn, error) {
	u, err := url.Parse(w.number(w.URL, i))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(w.ctx, openTimeout)
	defer cancel()
	conn, err := w.target.connect(ctx, i)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "https" {
		secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: w.Insecure, ServerName: u.Hostname()})
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		conn = secure
	}
	return &postConn{Conn: conn, in: bufio.NewReader(conn), head: w.head(u, i)}, nil
}

// head is the start line and the fields of a request; all have bodies of the same length.
func (w *publishes) head(u *url.URL, i int) []byte {
	length := len(w.codec.wrap(nil, int64(i), 0))
	b := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n", u.RequestURI(), u.Host, length)
	for name, values := range w.Header {
		for _, value := range values {
			b = fmt.Appendf(b, "%s: %s\r\n", name, value)
		}
	}
	return append(b, "\r\n"...)
}

func (w *publishes) start() {
	for i, c := range w.conns {
		w.workers.Go(func() {
			defer context.AfterFunc(w.ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
			for !w.stopped.Load() && w.ctx.Err() == nil {
				w.once(i, c)
			}
		})
	}
}

func (w *publishes) once(i int, c *postConn) {
	w.live.Add(1)
	defer w.live.Add(-1)
	n := w.next.Add(1) - 1
	at := w.now()
	if err := c.post(w.codec.wrap(nil, int64(i), n)); err != nil {
		if w.ctx.Err() == nil {
			w.fault(failed, "publication %s: %v", count(n), err)
		}
		return
	}
	w.done.Add(1)
	if w.measured(at) {
		took := w.now() - at
		w.lock.Lock()
		defer w.lock.Unlock()
		w.latency.Record(took)
	}
}

// post sends a request and reads its answer.
func (c *postConn) post(body []byte) error {
	c.out = append(append(c.out[:0], c.head...), body...)
	if _, err := c.Write(c.out); err != nil {
		return err
	}
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return err
	case answer.StatusCode/100 != 2:
		return fmt.Errorf("the server answers %s: %.200q", answer.Status, text)
	case answer.Close:
		return fmt.Errorf("the server closes the connection after an answer")
	}
	return nil
}

func (w *publishes) stop()              { w.stopped.Store(true) }
func (w *publishes) missing() int64     { return w.live.Load() }
func (w *publishes) count() int64       { return w.done.Load() }
func (w *publishes) connections() int64 { return int64(w.Connections) }

func (w *publishes) close() {
	w.end(nil)
	w.workers.Wait()
	for _, c := range w.conns {
		c.Close()
	}
}

func (w *publishes) report(r *Result) {
	r.Sent = w.next.Load()
	r.Latency = latencyOf(&w.latency, "from sending the request until its answer")
}
