package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"maru.example/maru/internal/bench"
	"maru.example/maru/internal/frame"
)

// A reader is a screen with quotes: of each key it gets only newer values. The normal one
// reads all that comes, and gets each value as long as the machine lets it.
type reader struct {
	market *market
	slow   bool
	nc     net.Conn
	frames frame.Reader
	rules  frame.Rules
	last   []int64 // by key
	values uint64
	late   bench.Histogram
	buffer []byte
	rest   []byte // of buffer, not yet read
	err    error
}

func dial(addr string, m *market, slow bool) (*reader, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if slow {
		nc.(*net.TCPConn).SetReadBuffer(4 << 10)
	}
	fmt.Fprintf(nc, "GET /channels/quotes?deliver=latest HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", addr)
	in := bufio.NewReaderSize(nc, 4<<10)
	answer, err := http.ReadResponse(in, nil)
	if err == nil && answer.StatusCode != http.StatusSwitchingProtocols {
		err = fmt.Errorf("status %d", answer.StatusCode)
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	r := &reader{market: m, slow: slow, nc: nc, rules: frame.Rules{Client: true}, last: make([]int64, len(m.values)), buffer: make([]byte, 64<<10)}
	if n := in.Buffered(); n > 0 {
		b, _ := in.Peek(n)
		r.take(append([]byte(nil), b...), time.Now())
	}
	for key := range r.last {
		r.last[key] = m.values[key].Load()
	}
	return r, nil
}

func (r *reader) close() { r.nc.Close() }

func (r *reader) count() uint64 { return r.values }

func (r *reader) reset() { r.values, r.late = 0, bench.Histogram{} }

const (
	step     = 500 * time.Millisecond // between two looks whether it is over
	patience = 30 * time.Second       // for the final values, after the last change
)

// read reads until nothing changes any more, which done says, and it has the final
// value of each key.
func (r *reader) read(done chan struct{}) {
	var late time.Time
	var before uint64
	for r.err == nil {
		r.nc.SetReadDeadline(time.Now().Add(step))
		n, err := r.nc.Read(r.buffer)
		now := time.Now()
		r.take(r.buffer[:n], now)
		if timeout, ok := err.(net.Error); err != nil && !(ok && timeout.Timeout()) {
			r.err = err
		}
		select {
		case <-done:
		default:
			continue
		}
		if late.IsZero() {
			late, before = now.Add(patience), r.values
		}
		if r.behind() == 0 {
			return
		}
		if now.After(late) {
			r.err = fmt.Errorf("after %v %d of %d keys have not come to their final value; %d values came since", patience, r.behind(), len(r.last), r.values-before)
		}
	}
}

// behind is how many keys it has not the last value of.
func (r *reader) behind() (n int) {
	for key := range r.last {
		if r.last[key] != r.market.values[key].Load() {
			n++
		}
	}
	return n
}

// trickle reads so many bytes a second until stop.
func (r *reader) trickle(stop chan struct{}, bytesPerSecond int) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for r.err == nil {
		select {
		case <-tick.C:
		case <-stop:
			return
		}
		r.nc.SetReadDeadline(time.Now().Add(step))
		n, err := io.ReadAtLeast(r.nc, r.buffer[:bytesPerSecond/10], 1)
		r.take(r.buffer[:n], time.Now())
		if nerr, ok := err.(net.Error); err != nil && !(ok && nerr.Timeout()) {
			r.err = err
		}
	}
}

// take takes what has come in.
func (r *reader) take(b []byte, now time.Time) {
	for len(b) > 0 && r.err == nil {
		ev, n, fault := r.frames.Next(b, &r.rules)
		b = b[n:]
		if fault != nil {
			r.err = fault
			return
		}
		switch ev.Op {
		case frame.Text:
			r.value(ev.Payload, now)
		case frame.Close:
			r.err = fmt.Errorf("closed with %d %s", ev.Code, ev.Reason)
		case frame.Ping:
			if _, err := r.nc.Write(frame.AppendMasked(nil, frame.Pong, false, [4]byte{1, 2, 3, 4}, ev.Payload)); err != nil {
				r.err = err
			}
		}
	}
}

func (r *reader) value(b []byte, now time.Time) {
	key, n, at, err := parse(b)
	switch {
	case err != nil:
		r.err = err
	case n <= r.last[key]:
		r.err = fmt.Errorf("key %d went from %d to %d", key, r.last[key], n)
	}
	r.last[key] = n
	r.values++
	if !r.slow {
		r.late.Record(now.Sub(at))
	}
}
