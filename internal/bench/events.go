package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// events is idle streams of server-sent events over HTTP/1.1. Their data is read and
// discarded.
type events struct {
	*run
	opened  atomic.Int64
	ending  atomic.Bool
	reading sync.WaitGroup

	lock  sync.Mutex
	conns []net.Conn
}

func (w *events) open() error { return w.each(w.Connections, w.openOne) }

func (w *events) openOne(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.number(w.URL, i), nil)
	if err != nil {
		return err
	}
	for name, values := range w.Header {
		request.Header[name] = values
	}
	request.Header.Set("Accept", "text/event-stream")
	conn, err := w.target.connect(ctx, i)
	if err != nil {
		return err
	}
	// Until the answer is here, the end of ctx ends the connection.
	release := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	stream, err := ask(conn, request)
	if !release() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		return err
	}
	w.opened.Add(1)
	w.lock.Lock()
	w.conns = append(w.conns, conn)
	w.lock.Unlock()
	w.reading.Go(func() { w.read(i, stream) })
	return nil
}

// ask sends a request and reads the header of the answer. The stream is its body.
func ask(conn net.Conn, request *http.Request) (stream io.Reader, err error) {
	if err := request.Write(conn); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(bufio.NewReaderSize(conn, 1<<10), request)
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if answer.StatusCode != http.StatusOK || kind != "text/event-stream" {
		return nil, fmt.Errorf("the server answered %s with Content-Type %q, not 200 with text/event-stream", answer.Status, kind)
	}
	return answer.Body, nil
}

// read returns when the stream has ended. Before the end of the run that is a fault.
func (w *events) read(i int, stream io.Reader) {
	var b [512]byte
	for {
		if _, err := stream.Read(b[:]); err != nil {
			w.opened.Add(-1)
			if !w.ending.Load() {
				w.fault(closed, "stream %s was closed by the server (%v)", count(i), err)
			}
			return
		}
	}
}

func (*events) start()               {}
func (*events) stop()                {}
func (*events) missing() int64       { return 0 }
func (*events) count() int64         { return 0 }
func (*events) report(*Result)       {}
func (w *events) connections() int64 { return w.opened.Load() }

func (w *events) close() {
	w.ending.Store(true)
	for _, conn := range w.conns {
		conn.Close()
	}
	w.reading.Wait()
}
