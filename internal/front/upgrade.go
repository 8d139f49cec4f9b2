package front

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"maru.example/maru/internal/loop"
)

// InlineHandler is an http.Handler that reports which requests it can serve without
// waiting. These need no goroutine.
type InlineHandler interface {
	http.Handler
	// Inline reports whether ServeHTTP answers this request for a WebSocket, or hijacks its
	// connection, without waiting for anything. It may then be called on a loop. The
	// request and the hijacked bufio.ReadWriter are valid until it returns.
	Inline(r *http.Request) bool
}

// upgrader reads requests for WebSockets.
type upgrader struct {
	server *http.Server
	blank  *http.Request // every request, before it is read
	log    *slog.Logger
}

func newUpgrader(h *http.Server, l net.Listener, log *slog.Logger) *upgrader {
	ctx := context.WithValue(context.Background(), http.ServerContextKey, h)
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, l.Addr())
	blank := &http.Request{Method: http.MethodGet, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody}
	return &upgrader{h, blank.WithContext(ctx), log}
}

// upgrade lets the server's handler decide about a request for a WebSocket: on the loop if
// it is an InlineHandler for it, else in a goroutine.
func (u *upgrader) upgrade(a *loop.Accepted) bool {
	v := exchanges.Get().(*exchange)
	if !v.request.read(a, u.blank) {
		v.end()
		return false
	}
	v.answer.accepted = a
	if inline, ok := u.server.Handler.(InlineHandler); ok && inline.Inline(&v.request.Request) {
		u.decide(&v.answer, &v.request.Request)
		v.end()
		return true
	}
	a.Head, a.Behind = nil, bytes.Clone(a.Behind)
	ctx, cancel := context.WithCancel(v.request.Context())
	a.Gone = cancel
	go func() {
		defer cancel()
		u.decide(&v.answer, v.request.WithContext(ctx))
	}()
	return true
}

// exchange is a request and its answer.
type exchange struct {
	request request
	answer  answer
}

// exchanges are for requests served inline. A handler in a goroutine may keep its request.
var exchanges = sync.Pool{New: func() any { return newExchange() }}

func newExchange() *exchange {
	v := &exchange{answer: answer{
		header: make(http.Header),
		none:   bufio.NewReadWriter(bufio.NewReaderSize(nothing{}, 16), bufio.NewWriterSize(nothing{}, 16)),
	}}
	v.request.fields = make(http.Header, len(v.request.values)/2)
	return v
}

// end gives the exchange's memory to the next.
func (v *exchange) end() {
	v.request.clear()
	v.answer.clear()
	exchanges.Put(v)
}

func (u *upgrader) decide(w *answer, r *http.Request) {
	defer w.finish()
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				u.log.Error("handler panicked", slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
			}
			w.header, w.status, w.body = make(http.Header), http.StatusInternalServerError, bytes.Buffer{}
		}
	}()
	u.server.Handler.ServeHTTP(w, r)
}

// answer is the http.ResponseWriter of a request on a loop. It keeps the whole response,
// which is short: the upgrade was refused.
type answer struct {
	accepted *loop.Accepted
	header   http.Header
	status   int
	body     bytes.Buffer
	hijacked bool
	none     *bufio.ReadWriter // for a handler that hijacks when no bytes follow the request
}

func (w *answer) clear() {
	clear(w.header)
	*w = answer{header: w.header, none: w.none}
}

// nothing stands for the bytes of a connection that its loop reads and writes.
type nothing struct{}

func (nothing) Read([]byte) (int, error)  { return 0, io.EOF }
func (nothing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

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

// Hijack returns loop.Accepted.NetConn. Bytes that followed the request are in the reader's
// buffer.
func (w *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.hijacked {
		return nil, nil, http.ErrHijacked
	}
	w.hijacked = true
	rw := w.none
	if behind := w.accepted.Behind; len(behind) > 0 {
		rw = bufio.NewReadWriter(bufio.NewReaderSize(bytes.NewReader(behind), len(behind)), rw.Writer)
		rw.Peek(len(behind))
	}
	return w.accepted.NetConn(), rw, nil
}

// finish writes the response, unless the connection was hijacked, and closes the
// connection: the loop serves one request.
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
	w.accepted.Refuse(b.Bytes())
}
