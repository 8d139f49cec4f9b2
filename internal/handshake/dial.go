package handshake

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"maru.example/maru/internal/frame"
)

// DialOptions are the options of Dial. The zero value is a plain client.
type DialOptions struct {
	Header       http.Header    // sent with the request; Host sets the Host
	Subprotocols []string       // offered, best first
	NoDeflate    bool           // do not offer permessage-deflate
	Takeover     frame.Takeover // which side may keep its context
	TLSConfig    *tls.Config    // for wss; nil is the standard one
	NetDial      func(ctx context.Context, network, addr string) (net.Conn, error)

	// UnderTLS wraps the connection below a wss connection; nil wraps nothing. It is not
	// called where TLSConfig allows renegotiation.
	UnderTLS func(net.Conn) net.Conn
}

// maxAnswerBytes bounds the header block of a server's answer.
const maxAnswerBytes = 64 << 10

// ErrBadHandshake is wrapped by every error that comes from the server's answer
// and not from the network. The response is then not nil.
var ErrBadHandshake = errors.New("bad handshake")

// Dial connects to a ws, wss, http or https URL and upgrades (RFC 6455 §4.1).
// ctx bounds all of it. The response, whose body is already read and closed, is
// there whenever the server has answered.
func Dial(ctx context.Context, rawURL string, o DialOptions) (*Upgraded, *http.Response, error) {
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, nil, err
	}
	nc, err := connect(ctx, u, o)
	if err != nil {
		return nil, nil, err
	}
	up, resp, err := upgrade(ctx, nc, u, o)
	if err != nil {
		nc.Close()
		return nil, resp, err
	}
	return up, resp, nil
}

func parseURL(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("parse address: %w", err)
	}
	switch u.Scheme {
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	case "http", "https":
	default:
		return nil, fmt.Errorf("address %q: the scheme is not ws or wss", rawURL)
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("address %q: no host", rawURL)
	}
	if u.Fragment != "" { // RFC 6455 §3
		return nil, fmt.Errorf("address %q: a WebSocket address has no fragment", rawURL)
	}
	return u, nil
}

func connect(ctx context.Context, u *url.URL, o DialOptions) (net.Conn, error) {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	dial := o.NetDial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	nc, err := dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if u.Scheme == "http" {
		return nc, nil
	}
	config := o.TLSConfig.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	if config.ServerName == "" {
		config.ServerName = u.Hostname()
	}
	config.NextProtos = []string{"http/1.1"}
	if o.UnderTLS != nil && config.Renegotiation == tls.RenegotiateNever {
		nc = o.UnderTLS(nc)
	}
	tc := tls.Client(nc, config)
	if err := tc.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return tc, nil
}

func upgrade(ctx context.Context, nc net.Conn, u *url.URL, o DialOptions) (*Upgraded, *http.Response, error) {
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	inTime := func(doing string, err error) error {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("%s: %w", doing, err)
	}

	key := newKey()
	r := request(u, key, o).WithContext(ctx)
	if err := r.Write(nc); err != nil {
		return nil, nil, inTime("write handshake", err)
	}
	br := bufio.NewReader(&bounded{nc, maxAnswerBytes})
	resp, err := http.ReadResponse(br, r)
	if err != nil {
		return nil, nil, inTime("read handshake", err)
	}
	up, err := checkAnswer(resp, key, o)
	if err != nil {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		resp.Body.Close()
		resp.Body = io.NopCloser(strings.NewReader(string(body)))
		return nil, resp, err
	}
	if !stop() { // the deadline has been set, or is being set
		return nil, resp, inTime("read handshake", ctx.Err())
	}
	up.Conn, up.Buffered = nc, unread(br)
	resp.Body = http.NoBody
	return up, resp, nil
}

func request(u *url.URL, key string, o DialOptions) *http.Request {
	h := o.Header.Clone()
	if h == nil {
		h = make(http.Header)
	}
	h.Set("Upgrade", "websocket")
	h.Set("Connection", "Upgrade")
	h.Set("Sec-WebSocket-Version", "13")
	h.Set("Sec-WebSocket-Key", key)
	if !o.NoDeflate {
		h.Set("Sec-WebSocket-Extensions", frame.OfferDeflate(o.Takeover))
	}
	if len(o.Subprotocols) > 0 {
		h.Set("Sec-WebSocket-Protocol", strings.Join(o.Subprotocols, ", "))
	}
	r := &http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: h, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	if host := h.Get("Host"); host != "" {
		r.Host = host
		h.Del("Host")
	}
	if u.User != nil && h.Get("Authorization") == "" {
		password, _ := u.User.Password()
		r.SetBasicAuth(u.User.Username(), password)
	}
	return r
}

// checkAnswer checks the server's answer by RFC 6455 §4.1.
func checkAnswer(resp *http.Response, key string, o DialOptions) (*Upgraded, error) {
	bad := func(why string) error { return fmt.Errorf("%w: %s", ErrBadHandshake, why) }
	h := resp.Header
	switch {
	case resp.StatusCode != http.StatusSwitchingProtocols:
		return nil, bad("the server answered " + resp.Status)
	case !hasToken(h["Upgrade"], "websocket"):
		return nil, bad("Upgrade: websocket is missing")
	case !hasToken(h["Connection"], "upgrade"):
		return nil, bad("Connection: Upgrade is missing")
	case h.Get("Sec-WebSocket-Accept") != frame.AcceptKey(key):
		return nil, bad("Sec-WebSocket-Accept is wrong")
	}
	up := &Upgraded{Subprotocol: h.Get("Sec-WebSocket-Protocol")}
	if up.Subprotocol != "" && !slices.Contains(o.Subprotocols, up.Subprotocol) || len(h["Sec-Websocket-Protocol"]) > 1 {
		return nil, bad("the server chose a subprotocol that was not offered")
	}
	answer := h["Sec-Websocket-Extensions"]
	if o.NoDeflate && len(answer) > 0 {
		return nil, bad("the server chose an extension that was not offered")
	}
	if p, ok, err := frame.CheckDeflateAnswer(answer, o.Takeover); err != nil {
		return nil, bad(err.Error())
	} else if ok {
		up.Compression.DeflateBits, up.Compression.Takeover = uint8(p.ClientBits), !p.ClientNoTakeover
		if !p.ServerNoTakeover {
			up.Compression.PeerBits = uint8(p.ServerBits)
		}
	}
	return up, nil
}

func newKey() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return base64.StdEncoding.EncodeToString(b[:])
}

// bounded is a reader that fails when the header block is too long. Bytes after the
// handshake are read from the connection itself.
type bounded struct {
	r    io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("%w: header block over %d bytes", ErrBadHandshake, maxAnswerBytes)
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
