package loop_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// Content types and messages of TLS 1.3 (RFC 8446 §4, §5.1, §6).
const (
	alertRecord       = 21
	handshakeRecord   = 22
	applicationRecord = 23
)

var (
	keyUpdate        = []byte{24, 0, 0, 1, 0} // §4.6.3: update_not_requested
	keyUpdateRequest = []byte{24, 0, 0, 1, 1}
	closeNotify      = []byte{1, 0}
)

// recordPeer is a TLS 1.3 client that makes its records by hand after the
// handshake: crypto/tls never asks for new keys.
type recordPeer struct {
	t       testing.TB
	nc      net.Conn
	out, in direction
	reader  frame.Reader
	unread  []byte
	updated int // keys of the server's
}

// direction is one half of the record layer (RFC 8446 §5.2, §7.2, §7.3), for
// TLS_AES_128_GCM_SHA256.
type direction struct {
	secret   []byte
	sequence uint64
	aead     cipher.AEAD
	iv       []byte
}

func expand(secret []byte, label string, length int) []byte {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(length))
	info = append(append(append(info, byte(len(label))), label...), 0)
	b, err := hkdf.Expand(func() hash.Hash { return sha256.New() }, secret, string(info), length)
	if err != nil {
		panic(err)
	}
	return b
}

func (d *direction) use(secret []byte) {
	block, err := aes.NewCipher(expand(secret, "key", 16))
	if err != nil {
		panic(err)
	}
	d.secret, d.sequence, d.iv = secret, 0, expand(secret, "iv", 12)
	if d.aead, err = cipher.NewGCM(block); err != nil {
		panic(err)
	}
}

func (d *direction) update() { d.use(expand(d.secret, "traffic upd", 32)) }

func (d *direction) nonce() []byte {
	n := bytes.Clone(d.iv)
	for i := range 8 {
		n[4+i] ^= byte(d.sequence >> (56 - 8*i))
	}
	d.sequence++
	return n
}

func (d *direction) record(contentType byte, data []byte) []byte {
	length := len(data) + 1 + d.aead.Overhead()
	header := []byte{applicationRecord, 3, 3, byte(length >> 8), byte(length)}
	return d.aead.Seal(bytes.Clone(header), d.nonce(), append(bytes.Clone(data), contentType), header)
}

// secrets receives the keys that crypto/tls logs for debuggers.
type secrets struct{ strings.Builder }

func (s *secrets) of(t testing.TB, label string) []byte {
	for line := range strings.Lines(s.String()) {
		if f := strings.Fields(line); f[0] == label {
			b, err := hex.DecodeString(f[2])
			if err == nil {
				return b
			}
		}
	}
	t.Fatalf("no %s", label)
	return nil
}

// recordConn opens a connection whose far end is a recordPeer, with buffers of the
// usual size or small ones.
func (r *rig) recordConn(small bool) (loop.Conn, *ears, *recordPeer) {
	r.t.Helper()
	plain := &rig{t: r.t}
	near, far := plain.pair()
	if small { // sooner full, but slower
		near.(*net.TCPConn).SetWriteBuffer(4 << 10)
	}
	server := tls.Server(loop.NewTLSTransport(near), &tls.Config{Certificates: []tls.Certificate{certificate()}, SessionTicketsDisabled: true})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	log := new(secrets)
	client := tls.Client(far, &tls.Config{InsecureSkipVerify: true, KeyLogWriter: log})
	if err := client.Handshake(); err != nil {
		r.t.Fatal(err)
	}
	if err := await(r.t, done); err != nil {
		r.t.Fatal(err)
	}
	if suite := client.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		r.t.Fatalf("the test does not know %s", tls.CipherSuiteName(suite))
	}
	p := &recordPeer{t: r.t, nc: far}
	p.out.use(log.of(r.t, "CLIENT_TRAFFIC_SECRET_0"))
	p.in.use(log.of(r.t, "SERVER_TRAFFIC_SECRET_0"))
	ears := newEars()
	c, err := r.start().Open(server, nil, loop.Params{}, func(loop.Conn) loop.Handler { return ears })
	if err != nil {
		r.t.Fatal(err)
	}
	return c, ears, p
}

func (p *recordPeer) write(b []byte) {
	p.t.Helper()
	p.nc.SetWriteDeadline(time.Now().Add(patience))
	if _, err := p.nc.Write(b); err != nil {
		p.t.Fatalf("peer writes: %v", err)
	}
}

func (p *recordPeer) record(op frame.Opcode, payload string) []byte {
	return p.out.record(applicationRecord, frame.AppendMasked(nil, op, false, [4]byte{1, 2, 3, 4}, []byte(payload)))
}

// update renews the keys of what we send, and asks for new ones perhaps.
func (p *recordPeer) update(message []byte) []byte {
	b := p.out.record(handshakeRecord, message)
	p.out.update()
	return b
}

// read reads one record.
func (p *recordPeer) read() (contentType byte, data []byte, err error) {
	p.nc.SetReadDeadline(time.Now().Add(patience))
	header := make([]byte, 5)
	if _, err := io.ReadFull(p.nc, header); err != nil {
		return 0, nil, err
	}
	sealed := make([]byte, binary.BigEndian.Uint16(header[3:]))
	if _, err := io.ReadFull(p.nc, sealed); err != nil {
		return 0, nil, err
	}
	data, err = p.in.aead.Open(nil, p.in.nonce(), sealed, header)
	if err != nil {
		return 0, nil, fmt.Errorf("record: %w", err)
	}
	data = bytes.TrimRight(data, "\x00")
	return data[len(data)-1], data[:len(data)-1], nil
}

// expect reads the next message or control frame, and follows updates of the server's keys.
func (p *recordPeer) expect(op frame.Opcode, payload string) {
	p.t.Helper()
	rules := frame.Rules{Client: true}
	for {
		for len(p.unread) > 0 {
			ev, n, err := p.reader.Next(p.unread, &rules)
			p.unread = p.unread[n:]
			if err != nil {
				p.t.Fatal(err)
			}
			if ev.Op == 0 {
				continue
			}
			if ev.Op != op || string(ev.Payload) != payload {
				p.t.Fatalf("want %v %q, got %v %q", op, short(payload), ev.Op, short(string(ev.Payload)))
			}
			return
		}
		kind, data, err := p.read()
		switch {
		case err != nil:
			p.t.Fatal(err)
		case kind == applicationRecord:
			p.unread = data
		case kind == handshakeRecord && bytes.Equal(data, keyUpdate):
			p.in.update()
			p.updated++
		default:
			p.t.Fatalf("record of type %d: %x", kind, data)
		}
	}
}

// expectGoodbye reads close_notify and the end of the stream.
func (p *recordPeer) expectGoodbye() {
	p.t.Helper()
	if kind, data, err := p.read(); err != nil || kind != alertRecord || !bytes.Equal(data, closeNotify) {
		p.t.Fatalf("want close_notify, got record of type %d: %x, %v", kind, data, err)
	}
	if _, _, err := p.read(); err != io.EOF {
		p.t.Fatalf("want the end of the stream, got %v", err)
	}
}

// The peer may renew its keys and have ours renewed, at any time and in any pieces,
// also while our socket is full.
func TestTLSKeyUpdate(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, options: loop.Options{Loops: 1, BacklogBytes: 1 << 30, BacklogMessages: 1 << 30}}
	c, ears, p := r.recordConn(false)
	for i, message := range [][]byte{keyUpdate, keyUpdateRequest, keyUpdateRequest, keyUpdate} {
		m := fmt.Sprint("message ", i)
		p.write(append(p.update(message), p.record(frame.Text, m)...))
		ears.want(t, frame.Text, m)
		c.Send(text(m))
		p.expect(frame.Text, m)
	}
	if p.updated != 2 {
		t.Errorf("%d updates of two asked for", p.updated)
	}

	for _, b := range p.update(keyUpdateRequest) { // nothing else follows: the answer comes by itself
		p.write([]byte{b})
	}
	if kind, data, err := p.read(); err != nil || kind != handshakeRecord || !bytes.Equal(data, keyUpdate) {
		t.Fatalf("record of type %d: %x, %v", kind, data, err)
	}
	p.in.update()

	large := strings.Repeat("x", 1<<20)
	for i := range 20 {
		c.Send(text(large))
		p.write(append(p.update(keyUpdateRequest), p.record(frame.Text, fmt.Sprint(i))...))
		ears.want(t, frame.Text, fmt.Sprint(i))
	}
	if c.Buffered() == 0 {
		t.Error("the socket was not full")
	}
	for range 20 {
		p.expect(frame.Text, large)
	}
	c.Send(text("end"))
	p.expect(frame.Text, "end")
	if p.updated != 22 {
		t.Errorf("%d updates of 22 asked for", p.updated)
	}
}

// A peer that repeatedly asks for new keys and reads none of the replies is closed.
func TestTLSKeyUpdatesUnread(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, options: loop.Options{Loops: 1}}
	_, ears, p := r.recordConn(true)
	for len(ears.closed) == 0 {
		var b []byte
		for range 50 {
			b = append(append(b, p.update(keyUpdateRequest)...), p.record(frame.Text, "")...)
		}
		if _, err := p.nc.Write(b); err != nil {
			break
		}
	}
	ears.wantEnd(t, 1013, "slow", true)
}

// TLS is ended behind the close frame and before the stream, whoever begins, and
// also when the connection has failed.
func TestTLSGoodbye(t *testing.T) {
	t.Parallel()
	closed := func(p *recordPeer, code int, reason string) {
		payload, _ := frame.ClosePayload(code, reason)
		p.expect(frame.Close, string(payload))
	}
	bye := func(p *recordPeer) {
		payload, _ := frame.ClosePayload(1000, "")
		p.write(p.record(frame.Close, string(payload)))
	}
	tests := map[string]func(t *testing.T, c loop.Conn, e *ears, p *recordPeer){
		"closed here": func(t *testing.T, c loop.Conn, e *ears, p *recordPeer) {
			c.Close(1000, "")
			closed(p, 1000, "")
			bye(p)
			p.expectGoodbye()
			e.wantEnd(t, 1000, "", false)
		},
		"closed there": func(t *testing.T, c loop.Conn, e *ears, p *recordPeer) {
			bye(p)
			closed(p, 1000, "")
			p.expectGoodbye()
			e.wantEnd(t, 1000, "", false)
		},
		"closed there, and TLS": func(t *testing.T, c loop.Conn, e *ears, p *recordPeer) {
			bye(p)
			p.write(p.out.record(alertRecord, closeNotify))
			closed(p, 1000, "")
			p.expectGoodbye()
			e.wantEnd(t, 1000, "", false)
		},
		"at fault": func(t *testing.T, c loop.Conn, e *ears, p *recordPeer) {
			p.write(p.out.record(applicationRecord, []byte{0xff, 0xff}))
			closed(p, 1002, "bad_frame")
			p.expectGoodbye()
			p.nc.Close()
			e.wantEnd(t, 1002, "bad_frame", true)
		},
		"slow": func(t *testing.T, c loop.Conn, e *ears, p *recordPeer) {
			large := strings.Repeat("x", 1<<20)
			until(t, "it is slow", func() bool { c.Send(text(large)); return !c.Open() })
			for {
				kind, data, err := p.read()
				if err != nil || kind != applicationRecord {
					if err != nil || kind != alertRecord || !bytes.Equal(data, closeNotify) {
						t.Errorf("record of type %d: %x, %v", kind, data, err)
					}
					break
				}
			}
			if _, _, err := p.read(); err != io.EOF {
				t.Errorf("want the end of the stream, got %v", err)
			}
			p.nc.Close()
			e.wantEnd(t, 1013, "slow", true)
		},
		"terminated": func(t *testing.T, c loop.Conn, e *ears, p *recordPeer) {
			c.Terminate()
			p.expectGoodbye()
			e.wantEnd(t, 1006, "", true)
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &rig{t: t, options: loop.Options{Loops: 1}}
			c, e, p := r.recordConn(false)
			test(t, c, e, p)
		})
	}
}
