package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru/internal/frame"
)

// connects opens and closes connections, Options.Connections at a time.
type connects struct {
	*run
	next    atomic.Int64
	done    atomic.Int64
	live    atomic.Int64
	stopped atomic.Bool
	workers sync.WaitGroup

	lock    sync.Mutex
	latency Histogram
}

func (w *connects) open() error { return nil }

func (w *connects) start() {
	for range w.Connections {
		w.workers.Go(func() {
			for !w.stopped.Load() && w.ctx.Err() == nil {
				w.once()
			}
		})
	}
}

func (w *connects) once() {
	w.live.Add(1)
	defer w.live.Add(-1)
	i := int(w.next.Add(1) - 1)
	at := w.now()
	if err := w.cycle(i); err != nil {
		if w.ctx.Err() == nil {
			w.fault(failed, "connection %s: %v", count(i), err)
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

// cycle connects, upgrades, and closes with both halves of the closing handshake
// (RFC 6455 §7.1.1: the server ends the TCP connection).
func (w *connects) cycle(i int) error {
	up, err := w.target.open(w.ctx, i%(perSource*sources))
	if err != nil {
		return err
	}
	defer up.Conn.Close()
	up.Conn.SetDeadline(time.Now().Add(openTimeout))
	defer context.AfterFunc(w.ctx, func() { up.Conn.SetDeadline(time.Unix(1, 0)) })()

	var out []byte
	for _, text := range w.FirstMessages {
		out = frame.AppendMasked(out, frame.Text, false, frame.NewMaskKey(), []byte(w.number(text, i)))
	}
	payload, err := frame.ClosePayload(1000, "")
	if err != nil {
		return err
	}
	if _, err := up.Conn.Write(frame.AppendMasked(out, frame.Close, false, frame.NewMaskKey(), payload)); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return readClose(io.MultiReader(bytes.NewReader(up.Buffered), up.Conn))
}

var errNoClose = errors.New("the server closed the TCP connection without a WebSocket close frame")

// readClose reads until the server's close frame and the end of the stream.
func readClose(r io.Reader) error {
	rules := frame.Rules{Client: true, MaxMessageBytes: 16 << 20}
	var reader frame.Reader
	b := make([]byte, 512)
	for closed := false; ; {
		n, err := r.Read(b)
		for p := b[:n]; len(p) > 0 && !closed; {
			event, taken, fault := reader.Next(p, &rules)
			if fault != nil {
				return fault
			}
			closed, p = event.Op == frame.Close, p[taken:]
		}
		switch {
		case err != nil && closed:
			return nil
		case err == io.EOF:
			return errNoClose
		case err != nil:
			return err
		}
	}
}

func (w *connects) stop()              { w.stopped.Store(true) }
func (w *connects) missing() int64     { return w.live.Load() }
func (w *connects) count() int64       { return w.done.Load() }
func (w *connects) connections() int64 { return w.live.Load() }

func (w *connects) close() {
	w.end(nil)
	w.workers.Wait()
}

func (w *connects) report(r *Result) {
	r.Sent = w.next.Load()
	r.Latency = latencyOf(&w.latency, "from the first SYN to the end of the closing handshake")
}
