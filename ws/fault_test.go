package ws_test

import (
	"bytes"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/ws"
)

// Faults of a client: the server answers each with its code, calls OnError and OnClose, and
// ends the stream. Bytes after the fault are not processed.
func TestFaults(t *testing.T) {
	t.Parallel()
	zeros, err := frame.Deflate(nil, make([]byte, 1<<20), 15)
	if err != nil {
		t.Fatal(err)
	}
	header := func(op frame.Opcode, length int64) []byte {
		return frame.AppendHeader(nil, frame.Header{Fin: true, Masked: true, Op: op, Length: length})
	}
	set := func(b []byte, bits byte) []byte { b[0] |= bits; return b }
	const limit = 100_000
	tests := map[string]struct {
		bytes []byte
		code  int
	}{
		"unmasked":                       {frame.AppendFrame(nil, frame.Text, false, []byte("x")), 1002},
		"RSV1 without compression":       {set(masked(frame.Text, "x"), 0x40), 1002},
		"RSV2":                           {set(masked(frame.Text, "x"), 0x20), 1002},
		"RSV3":                           {set(masked(frame.Text, "x"), 0x10), 1002},
		"reserved opcode":                {set(masked(0, "x"), 0x03), 1002},
		"reserved control opcode":        {set(masked(0, ""), 0x0b), 1002},
		"continuation of nothing":        {masked(frame.Continuation, "x"), 1002},
		"message within a message":       {slices.Concat(part(frame.Text, false, "x"), masked(frame.Text, "y")), 1002},
		"fragmented ping":                {part(frame.Ping, false, ""), 1002},
		"ping of 126 bytes":              {masked(frame.Ping, string(make([]byte, 126))), 1002},
		"close of 126 bytes":             {masked(frame.Close, "\x03\xe8"+string(make([]byte, 124))), 1002},
		"length not minimal":             {[]byte{0x81, 0xfe, 0, 5, 0, 0, 0, 0}, 1002},
		"length negative":                {[]byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 1002},
		"close of 1 byte":                {masked(frame.Close, "\x03"), 1002},
		"close with 1005":                {masked(frame.Close, "\x03\xed"), 1002},
		"close with 999":                 {masked(frame.Close, "\x03\xe7"), 1002},
		"close reason not UTF-8":         {masked(frame.Close, "\x03\xe8\xff"), 1007},
		"text not UTF-8":                 {masked(frame.Text, "\xc3\x28"), 1007},
		"text cut in a character":        {masked(frame.Text, "\xec\x95"), 1007},
		"not UTF-8 amid a frame":         {masked(frame.Text, "abc\xffabc")[:11], 1007},
		"not UTF-8 amid a message":       {part(frame.Text, false, "abc\xff"), 1007},
		"not UTF-8 across fragments":     {slices.Concat(part(frame.Text, false, "\xec"), part(frame.Continuation, false, "x")), 1007},
		"too big, as declared":           {header(frame.Binary, limit+1), 1009},
		"too big, as declared, by far":   {header(frame.Binary, 1<<62), 1009},
		"too big in sum":                 {slices.Concat(part(frame.Binary, false, string(make([]byte, limit))), header(frame.Continuation, 1)), 1009},
		"too big when inflated":          {frame.AppendMasked(nil, frame.Binary, true, [4]byte{}, zeros), 1009},
		"corrupt compression":            {frame.AppendMasked(nil, frame.Binary, true, [4]byte{}, []byte{0xff, 0xff, 0xff}), 1007},
		"compressed text not UTF-8":      {frame.AppendMasked(nil, frame.Text, true, [4]byte{}, deflated(t, "\xff")), 1007},
		"compressed continuation":        {slices.Concat(part(frame.Text, false, "x"), set(masked(frame.Continuation, "y"), 0x40)), 1002},
		"HTTP in place of frames":        {[]byte("GET / HTTP/1.1\r\n\r\n"), 1002},
		"fault behind a whole message":   {slices.Concat(masked(frame.Text, "received"), []byte{0xff, 0xff}), 1002},
		"fault amid a partial message":   {slices.Concat(part(frame.Binary, false, "partly"), []byte{0xff}), 1002},
		"message of the limit, then one": {slices.Concat(masked(frame.Binary, string(make([]byte, limit))), header(frame.Binary, limit+1)), 1009},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			everyDriver(t, func(t *testing.T, r *rig) {
				server := r.ends()
				r.MaxMessageBytes = limit
				r.start()
				deflate := "Sec-WebSocket-Extensions: permessage-deflate"
				if name == "RSV1 without compression" {
					deflate = "Sec-WebSocket-Extensions: x-unknown"
				}
				c := r.upgraded(deflate)
				c.write(bytes.Clone(test.bytes))
				c.wantClose(test.code)
				c.wantEnd()
				c.nc.Close()
				if got := next(t, server.closed); got.code != test.code {
					t.Errorf("server: closed with %v", got)
				}
				server.wantError(t, true)
			})
		})
	}
}

func deflated(t *testing.T, s string) []byte {
	t.Helper()
	b, err := frame.Deflate(nil, []byte(s), 15)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Fragments, control frames between them, and bytes one at a time make the
// message that was meant.
func TestFragments(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.OnMessage = func(c *ws.Conn, m ws.Message) { c.Send(m) }
		c := r.start().upgraded()
		all := slices.Concat(
			part(frame.Text, false, "다\xeb"), masked(frame.Ping, "between"), part(frame.Continuation, false, ""),
			part(frame.Continuation, false, "\x9e"), masked(frame.Pong, "unasked"), masked(frame.Continuation, "\x8c쥐"))
		for _, b := range all {
			c.write([]byte{b})
		}
		c.want(frame.Pong, "between")
		c.want(frame.Text, "다람쥐")
		c.write(slices.Concat(all, masked(frame.Binary, "next")))
		c.want(frame.Pong, "between")
		c.want(frame.Text, "다람쥐")
		c.want(frame.Binary, "next")
	})
}

// Bytes that the client sends right behind its handshake are not lost.
func TestDataBehindHandshake(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.OnMessage = func(c *ws.Conn, m ws.Message) { c.Send(m) }
		c := r.start().connect()
		large := string(make([]byte, 20_000))
		c.write(slices.Concat([]byte(handshake(r.addr)), masked(frame.Text, "early"), masked(frame.Binary, large), masked(frame.Text, "half")[:7]))
		if resp := c.response(); resp.StatusCode != 101 {
			t.Fatalf("status %d", resp.StatusCode)
		}
		c.want(frame.Text, "early")
		c.want(frame.Binary, large)
		c.write(masked(frame.Text, "half")[7:])
		c.want(frame.Text, "half")
	})
}

// Faults of a server: our client answers them too.
func TestFaultsOfAServer(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		bytes []byte
		code  int
	}{
		"masked":          {masked(frame.Text, "x"), 1002},
		"text not UTF-8":  {frame.AppendFrame(nil, frame.Text, false, []byte{0xff}), 1007},
		"too big":         {frame.AppendHeader(nil, frame.Header{Fin: true, Op: frame.Binary, Length: 1 << 40}), 1009},
		"close of 1 byte": {frame.AppendFrame(nil, frame.Close, false, []byte{3}), 1002},
	}
	for name, test := range tests {
		for driver, goroutines := range map[string]bool{"loops": false, "goroutines": true} {
			t.Run(name+" "+driver, func(t *testing.T) {
				t.Parallel()
				r := &rig{t: t, Server: &ws.Server{Goroutines: goroutines}}
				url := r.fakeServer(func(c *raw) {
					c.write(bytes.Clone(test.bytes))
					if ev, err := c.event(); err != nil || ev.Code != test.code {
						t.Errorf("got %v %d, error %v; want close %d", ev.Op, ev.Code, err, test.code)
					}
				})
				c, err := r.tryDial(url, ws.DialOptions{CloseTimeout: patience})
				if err != nil {
					t.Fatal(err)
				}
				if got := next(t, c.closed); got.code != test.code {
					t.Errorf("closed with %v", got)
				}
				ends{errs: c.errs}.wantError(t, true)
			})
		}
	}
}

// fakeServer does the handshake with one client and then calls a function.
func (r *rig) fakeServer(then func(c *raw)) (url string) {
	r.t.Helper()
	return r.answering(func(c *raw, key string) {
		c.write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + frame.AcceptKey(key) + "\r\n\r\n"))
		then(c)
	})
}

// answering answers one request for a handshake in any way.
func (r *rig) answering(answer func(c *raw, key string)) (url string) {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan struct{})
	r.t.Cleanup(func() { l.Close(); <-ended })
	go func() {
		defer close(ended)
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		c := newRaw(r.t, nc)
		nc.SetDeadline(time.Now().Add(patience))
		req, err := http.ReadRequest(c.br)
		if err != nil {
			return
		}
		answer(c, req.Header.Get("Sec-WebSocket-Key"))
	}()
	return "ws://" + l.Addr().String()
}
