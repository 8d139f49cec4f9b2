package socketio_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/gateway/socketio"
	ws "maru.example/maru/internal/handshake"
	"maru.example/maru/server"
)

// far is a client by WebSocket, frame by frame, which compresses all that it sends.
type far struct {
	net.Conn
	t        *testing.T
	up       *ws.Upgraded
	reader   frame.Reader
	deflater *frame.Deflater // nil: each message alone
	unread   []byte
	received int
}

func (p *polls) far(takeover bool) *far {
	p.t.Helper()
	up, _, err := ws.Dial(p.t.Context(), "ws://"+p.host+"/socket.io/?"+strings.Replace(p.query, "polling", "websocket", 1),
		ws.DialOptions{Takeover: frame.Takeover{Server: takeover, Client: takeover}})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { up.Conn.Close() })
	f := &far{Conn: up.Conn, t: p.t, up: up, unread: up.Buffered, reader: frame.Reader{Inflater: up.Compression.Inflater()}}
	if up.Compression.Takeover {
		f.deflater = frame.NewDeflater(int(up.Compression.DeflateBits))
	}
	f.SetDeadline(time.Now().Add(patience))
	return f
}

func (f *far) says(text string) (size int) {
	f.t.Helper()
	deflate := func(dst, b []byte) ([]byte, error) { return frame.Deflate(dst, b, int(f.up.Compression.DeflateBits)) }
	if f.deflater != nil {
		deflate = f.deflater.Deflate
	}
	b, err := deflate(nil, []byte(text))
	if err == nil {
		_, err = f.Write(frame.AppendMasked(nil, frame.Text, true, [4]byte{1, 2, 3, 4}, b))
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return len(b)
}

// wants the next message, which may be a ping, and returns its size on the wire.
func (f *far) wants(text string) int {
	f.t.Helper()
	before := f.received
	b := make([]byte, 1<<16)
	for {
		for len(f.unread) > 0 {
			ev, n, err := f.reader.Next(f.unread, &frame.Rules{Client: true, Deflate: true})
			if err != nil {
				f.t.Fatal(err)
			}
			f.unread = f.unread[n:]
			f.received += n
			if ev.Op == frame.Text && string(ev.Payload) != "2" {
				matches(f.t, string(ev.Payload), text)
				return f.received - before
			}
		}
		n, err := f.Read(b)
		if err != nil {
			f.t.Fatalf("%v, want %q", err, text)
		}
		f.unread = b[:n]
	}
}

// A WebSocket that began with polling is compressed as any other: the probe may come compressed, what
// waited comes first, and the rest is compressed, with contexts if they were negotiated.
func TestUpgradeIsCompressed(t *testing.T) {
	t.Parallel()
	for name, takeover := range map[string]bool{"each message alone": false, "with contexts": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, server.Options{ServerContextTakeover: takeover, ClientContextTakeover: takeover}, socketio.Options{})
			p := w.polling()
			p.post("40\x1e" + `420["subscribe","hall"]`)
			p.wants(`40{"sid":…`, `430[{"channel":"hall",…`)
			f := p.far(takeover)
			if f.up.Compression.DeflateBits == 0 || f.up.Compression.Takeover != takeover {
				t.Fatalf("negotiated %+v", f.up.Compression)
			}
			f.says("2probe")
			f.wants("3probe")
			long := strings.Repeat("all is well ", 100)
			w.publish("hall", "waits "+long)
			f.says("5")
			f.wants(`42["message","hall","waits ` + long + `",…`)
			for range 2 {
				w.publish("hall", long)
				if n := f.wants(`42["message","hall","` + long + `",…`); n > len(long)/4 {
					t.Errorf("%d bytes came as %d", len(long), n)
				}
			}
			const mine = `42["publish","hall","of my own"]`
			f.says(mine)
			f.wants(`42["message","hall","of my own",…`)
			if n := f.says(mine); takeover && n > 10 {
				t.Errorf("%q is sent as %d bytes: there is no context", mine, n)
			}
			f.wants(`42["message","hall","of my own",…`)
		})
	}
}

// A probe is short: what is longer ends it, also inflated, and the client polls on.
func TestProbeIsShort(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	p := w.polling()
	f := p.far(false)
	f.says("2probe" + strings.Repeat("x", 1000))
	if _, err := f.Read(make([]byte, 1)); err == nil {
		t.Error("it was answered")
	}
	p.post("40")
	p.wants(`40{"sid":…`)
}
