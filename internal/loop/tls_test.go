package loop_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maru.example/maru/internal/frame"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru/internal/loop"
)

// certificate is a self-signed certificate.
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// secure makes a TLS connection over a pair of connections. A loop can take over the near
// end.
func secure(t testing.TB, near, far net.Conn, version uint16) (*tls.Conn, *tls.Conn) {
	t.Helper()
	server := tls.Server(loop.NewTLSTransport(near), &tls.Config{Certificates: []tls.Certificate{certificate()}})
	client := tls.Client(far, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := await(t, done); err != nil {
		t.Fatal(err)
	}
	return server, client
}

// everyTLS runs body over the versions of TLS.
func everyTLS(t *testing.T, body func(t *testing.T, r *rig)) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body(t, &rig{t: t, tls: version, options: loop.Options{Loops: 1}})
		})
	}
}

// dripping is a connection that returns one byte at a time, and otherwise that there is
// nothing to read yet, as a loop's socket does.
type dripping struct {
	net.Conn // its Write
	come     []byte
	turn     bool
}

func (d *dripping) Read(p []byte) (int, error) {
	if d.turn = !d.turn; d.turn || len(d.come) == 0 {
		return 0, notYet{}
	}
	n := copy(p[:1], d.come)
	d.come = d.come[n:]
	return n, nil
}

type notYet struct{}

func (notYet) Error() string   { return "not yet" }
func (notYet) Timeout() bool   { return true }
func (notYet) Temporary() bool { return true }

// switched is first one connection and then another.
type switched struct{ net.Conn }

// The loops depend on this: if the connection below returns a net.Error whose deprecated
// method Temporary reports true, crypto/tls keeps its part of a record, and reads on later.
// If a release of Go breaks it, TLS connections must go back to goroutines: takeSocket must
// then return -1 for them.
func TestAgainIsKept(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, far := net.Pipe()
			defer near.Close()
			defer far.Close()
			below := &switched{near}
			server := tls.Server(below, &tls.Config{Certificates: []tls.Certificate{certificate()}, SessionTicketsDisabled: true})
			above := &switched{far}
			client := tls.Client(above, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
			done := make(chan error, 1)
			go func() { done <- server.Handshake() }()
			if err := client.Handshake(); err != nil {
				t.Fatal(err)
			}
			if err := await(t, done); err != nil {
				t.Fatal(err)
			}
			var wire bytes.Buffer
			above.Conn = collecting{far, &wire}
			want := bytes.Repeat([]byte("0123456789"), 4000)
			if _, err := client.Write(want); err != nil {
				t.Fatal(err)
			}
			below.Conn = &dripping{Conn: near, come: wire.Bytes()}
			var got []byte
			again, b := 0, make([]byte, 1<<16)
			for len(got) < len(want) && again < 1<<20 {
				n, err := server.Read(b)
				got = append(got, b[:n]...)
				if err == (notYet{}) {
					again++
				} else if err != nil {
					t.Fatalf("after %d bytes and %d times nothing: %v", len(got), again, err)
				}
			}
			if !bytes.Equal(got, want) || again < len(want) {
				t.Errorf("%d bytes came of %d, %d times nothing", len(got), len(want), again)
			}
		})
	}
}

type collecting struct {
	net.Conn
	wire *bytes.Buffer
}

func (c collecting) Write(p []byte) (int, error) { return c.wire.Write(p) }

// Bytes that were read and decrypted before the loop took the connection over come first,
// whether or not they were a whole record, and whether or not the connection was paused.
func TestTLSOpenedBefore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		paused bool
		size   int // nothing is left in the socket of a small one
	}{{false, 10}, {true, 10}, {false, 40_000}, {true, 40_000}} {
		everyTLS(t, func(t *testing.T, r *rig) {
			e := r.start()
			near, far := r.pair()
			p := newPeer(t, far, loop.Params{})
			first, large := p.frame(frame.Text, "first"), strings.Repeat("x", c.size)
			p.write(slices.Concat(first, p.frame(frame.Text, "second"), p.frame(frame.Text, large), p.frame(frame.Text, "half")[:3]))
			begun := make([]byte, 2)
			if _, err := io.ReadFull(near, begun); err != nil {
				t.Fatal(err)
			}
			ears := newEars()
			conn, err := e.Open(near, begun, loop.Params{Paused: c.paused}, func(loop.Conn) loop.Handler { return ears })
			if err != nil {
				t.Fatal(err)
			}
			if c.paused {
				conn.Resume()
			}
			ears.want(t, frame.Text, "first")
			ears.want(t, frame.Text, "second")
			ears.want(t, frame.Text, large)
			p.write(p.frame(frame.Text, "half")[3:])
			ears.want(t, frame.Text, "half")
		})
	}
}

// Records may come in any pieces.
func TestTLSByteByByte(t *testing.T) {
	t.Parallel()
	everyTLS(t, func(t *testing.T, r *rig) {
		e := r.start()
		plain := &rig{t: t}
		near, middle := plain.pair()
		inner, outer := plain.pair()
		ended := make(chan struct{}, 2)
		go func() { drip(middle, inner); ended <- struct{}{} }()
		go func() { drip(inner, middle); ended <- struct{}{} }()
		server, client := secure(t, near, outer, r.tls)
		ears := newEars()
		c, err := e.Open(server, nil, loop.Params{}, func(loop.Conn) loop.Handler { return ears })
		if err != nil {
			t.Fatal(err)
		}
		p := newPeer(t, client, loop.Params{})
		for _, size := range []int{0, 1, 125, 126, 5000, 20_000} {
			m := strings.Repeat("m", size)
			p.send(frame.Text, m)
			ears.want(t, frame.Text, m)
			c.Send(text(m))
			p.expect(frame.Text, m)
		}
		p.sendClose(1000, "")
		p.expectClose(1000, "")
		p.expectEnd()
		ears.wantEnd(t, 1000, "", false)
		outer.Close()
		for range 2 {
			await(t, ended)
		}
	})
}

// drip passes bytes on one at a time.
func drip(to, from net.Conn) {
	defer to.(*net.TCPConn).CloseWrite()
	to.(*net.TCPConn).SetNoDelay(true)
	in := bufio.NewReader(from)
	for {
		b, err := in.ReadByte()
		if err != nil {
			return
		}
		if _, err := to.Write([]byte{b}); err != nil {
			return
		}
	}
}

// A socket may be full for long: the peer then reads whole messages in order, by connection
// or by group, small or large.
func TestTLSFullSocket(t *testing.T) {
	t.Parallel()
	everyTLS(t, func(t *testing.T, r *rig) {
		r.options.BacklogBytes, r.options.BacklogMessages, r.options.SendBytes = 1<<30, 1<<30, 1<<30
		c, ears, p := r.conn(loop.Params{})
		g := r.engine.NewGroup()
		g.Add(c)
		const n = 1200
		message := func(i int) string {
			return fmt.Sprintf("%06d", i) + strings.Repeat("x", i*7919%[]int{100, 3000, 70_000}[i%3])
		}
		sent := int64(0)
		for i := range n {
			if m := message(i); i%2 == 0 {
				g.Append(text(m))
			} else if err := c.Send(text(m)); err != nil {
				t.Fatal(err)
			}
			sent += int64(len(message(i)))
			p.send(frame.Text, "meanwhile")
			ears.want(t, frame.Text, "meanwhile")
		}
		if left := c.Buffered(); left == 0 || left > sent+n*10 {
			t.Errorf("%d bytes wait of %d", left, sent)
		}
		for i := range n {
			p.expect(frame.Text, message(i))
		}
		until(t, "nothing is buffered", func() bool { return c.Buffered() == 0 })
		c.Close(1000, "done")
		p.expectClose(1000, "done")
		p.sendClose(1000, "done")
		p.expectEnd()
		ears.wantEnd(t, 1000, "done", false)
	})
}

// A peer that ends TLS, and not even TCP, without a close frame has vanished.
func TestTLSCloseNotifyAlone(t *testing.T) {
	t.Parallel()
	everyTLS(t, func(t *testing.T, r *rig) {
		c, ears, p := r.conn(loop.Params{})
		p.send(frame.Text, "last")
		p.shut()
		ears.want(t, frame.Text, "last")
		ears.wantEnd(t, 1006, "", true)
		if c.Open() {
			t.Error("it is still open")
		}
		until(t, "it is gone", func() bool { return r.engine.Len() == 0 })
		p.expectEnd()
	})
}

// A record that was tampered with ends the connection.
func TestTLSTampered(t *testing.T) {
	t.Parallel()
	everyTLS(t, func(t *testing.T, r *rig) {
		_, ears, p := r.conn(loop.Params{})
		p.nc.(*tls.Conn).NetConn().Write(append([]byte{23, 3, 3, 0, 40}, make([]byte, 40)...))
		ears.wantEnd(t, 1006, "", true)
		var alert *net.OpError
		if _, err := p.event(); !errors.As(err, &alert) || alert.Op != "remote error" {
			t.Errorf("the peer received %v", err)
		}
	})
}
