package front

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"maru/internal/loop"
)

// Prompt is an http.Handler that tells which requests it decides at once: those are
// spared a goroutine.
type Prompt interface {
	http.Handler
	// AtOnce reports whether ServeHTTP answers this request for a WebSocket, or hijacks
	// its connection, without waiting for anything. It may then be called on a loop. The
	// bufio.Reader that it hijacks is good until it returns.
	AtOnce(r *http.Request) bool
}

// desk is where requests for WebSockets are read.
type desk struct {
	server *http.Server
	log    *slog.Logger
}

// upgrade lets the server's handler decide about a request for a WebSocket: on the
// loop if it does so at once.
func (d *desk) upgrade(a *loop.Arrival) {
	w := &answer{arrival: a, header: make(http.Header), reader: readers.Get().(*bufio.Reader)}
	if len(a.Head) > w.reader.Size() {
		w.reader = bufio.NewReaderSize(nil, len(a.Head))
	}
	w.reader.Reset(bytes.NewReader(a.Head)) // it holds all of it: what it has not used is what came behind
	r, err := http.ReadRequest(w.reader)
	if err != nil {
		http.Error(w, "400 Bad Request", http.StatusBadRequest)
		w.finish()
		return
	}
	r.RemoteAddr = a.Remote.String()
	if prompt, ok := d.server.Handler.(Prompt); ok && prompt.AtOnce(r) {
		d.decide(w, r)
		if w.reader.Size() == usualBytes {
			readers.Put(w.reader)
		}
		return
	}
	go d.decide(w, r)
}

// readers are for requests of the usual size that are decided at once.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, usualBytes) }}

const usualBytes = 1 << 10

func (d *desk) decide(w *answer, r *http.Request) {
	defer w.finish()
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				d.log.Error("handler panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			}
			w.header, w.status, w.body = make(http.Header), http.StatusInternalServerError, bytes.Buffer{}
		}
	}()
	ctx := context.WithValue(context.Background(), http.ServerContextKey, d.server)
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, w.arrival.Local)
	d.server.Handler.ServeHTTP(w, r.WithContext(ctx))
}

// answer is the http.ResponseWriter of a request on a loop. It keeps a whole
// answer, which is a short one: that the upgrade was refused.
type answer struct {
	arrival  *loop.Arrival
	reader   *bufio.Reader
	header   http.Header
	status   int
	body     bytes.Buffer
	hijacked bool
}

func (w *answer) Header() http.Header { return w.header }

func (w *answer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *answer) Write(p []byte) (int, error) {
	if w.hijacked {
		return 0, http.ErrHijacked
	}
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Hijack hands the connection on, see loop.Arrival.NetConn.
func (w *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.hijacked {
		return nil, nil, http.ErrHijacked
	}
	w.hijacked = true
	return w.arrival.NetConn(), bufio.NewReadWriter(w.reader, bufio.NewWriterSize(nil, 16)), nil
}

// finish writes the answer, if there is one, and closes the connection: this way
// serves one request.
func (w *answer) finish() {
	if w.hijacked {
		return
	}
	w.WriteHeader(http.StatusOK)
	h := w.header
	h.Set("Connection", "close")
	if h.Get("Upgrade") != "" {
		h.Set("Connection", "Upgrade, close")
	}
	h.Set("Content-Length", strconv.Itoa(w.body.Len()))
	if h.Get("Date") == "" {
		h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	if h.Get("Content-Type") == "" && w.body.Len() > 0 {
		h.Set("Content-Type", http.DetectContentType(w.body.Bytes()))
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", w.status, http.StatusText(w.status))
	h.Write(&b)
	b.WriteString("\r\n")
	b.Write(w.body.Bytes())
	w.arrival.Refuse(b.Bytes())
}
