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
	"time"

	"maru/internal/loop"
)

// upgrade lets the server's handler decide about a request for a WebSocket.
func upgrade(h *http.Server, a *loop.Arrival, log *slog.Logger) {
	rest := bytes.NewReader(a.Head)
	br := bufio.NewReaderSize(rest, max(len(a.Head), 16)) // holds all of it: what it has not used is what came behind
	w := &answer{arrival: a, reader: br, header: make(http.Header)}
	defer w.finish()
	r, err := http.ReadRequest(br)
	if err != nil {
		http.Error(w, "400 Bad Request", http.StatusBadRequest)
		return
	}
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				log.Error("handler panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			}
			w.header, w.status, w.body = make(http.Header), http.StatusInternalServerError, bytes.Buffer{}
		}
	}()
	r.RemoteAddr = a.Remote.String()
	ctx := context.WithValue(context.Background(), http.ServerContextKey, h)
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, a.Local)
	h.Handler.ServeHTTP(w, r.WithContext(ctx))
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
