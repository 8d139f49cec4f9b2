package handshake

import (
	"bufio"
	"cmp"
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
	Takeover     frame.Takeover // which side may keep its context; a server may insist on its own
	TLSConfig    *tls.Config    // for wss, and for a proxy with https; nil is the standard one

	// NetDial connects to the server or its proxy; nil is net.Dialer's DialContext.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Proxy returns the proxy for a request, or nil for none. The URL of the request has http
	// in place of ws, and https in place of wss. nil: with NetDial none, else that of the
	// environment.
	Proxy func(*http.Request) (*url.URL, error)
	// Timeout bounds all of Dial. Default 30 s; negative: no bound.
	Timeout time.Duration

	// UnderTLS wraps the connection below a wss connection; nil wraps nothing. It is not
	// called where TLSConfig allows renegotiation.
	UnderTLS func(net.Conn) net.Conn
}

const (
	// maxAnswerBytes bounds the header block of a server's answer, with those of the
	// informational answers before it.
	maxAnswerBytes = 64 << 10
	defaultTimeout = 30 * time.Second
)

// ErrBadHandshake is wrapped by every error that comes from the server's answer
// and not from the network. The response is then not nil.
var ErrBadHandshake = errors.New("bad handshake")

// Dial connects to a ws, wss, http or https URL and upgrades (RFC 6455 §4.1).
// ctx bounds all of it. The response, whose body is already read and closed, is
// there whenever the server has answered. An error of a proxy is a *ProxyError.
func Dial(ctx context.Context, rawURL string, o DialOptions) (*Upgraded, *http.Response, error) {
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, nil, err
	}
	if timeout := cmp.Or(o.Timeout, defaultTimeout); timeout > 0 {
		late := fmt.Errorf("no connection within %v: %w", timeout, context.DeadlineExceeded)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, late)
		defer cancel()
	}
	key := newKey()
	r := request(u, key, o).WithContext(ctx)
	nc, err := connect(ctx, r, o)
	if err != nil {
		return nil, nil, because(ctx, err)
	}
	up, resp, err := upgrade(ctx, nc, r, key, o)
	if err != nil {
		nc.Close()
		return nil, resp, err
	}
	return up, resp, nil
}

// because is the error of a step under ctx. It names the cause if ctx has ended the step.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
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
	if err := ASCIIHost(u); err != nil {
		return nil, fmt.Errorf("address %q: %w", rawURL, err)
	}
	return u, nil
}

func upgrade(ctx context.Context, nc net.Conn, r *http.Request, key string, o DialOptions) (*Upgraded, *http.Response, error) {
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	resp, br, err := exchange(nc, r)
	if err != nil {
		return nil, nil, because(ctx, err)
	}
	up, err := checkAnswer(resp, key, o)
	if err != nil {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		resp.Body.Close()
		resp.Body = io.NopCloser(strings.NewReader(string(body)))
		return nil, resp, err
	}
	if !stop() { // the deadline has been set, or is being set
		return nil, resp, fmt.Errorf("read handshake: %w", context.Cause(ctx))
	}
	up.Conn, up.Buffered = nc, unread(br)
	resp.Body = http.NoBody
	return up, resp, nil
}

// exchange sends a request and reads the answer up to its body. A server may send
// informational answers before it, such as 103 Early Hints (RFC 9110 §15.2).
func exchange(nc net.Conn, r *http.Request) (*http.Response, *bufio.Reader, error) {
	if err := r.Write(nc); err != nil {
		return nil, nil, fmt.Errorf("write handshake: %w", err)
	}
	br := bufio.NewReader(&bounded{nc, maxAnswerBytes})
	for {
		resp, err := http.ReadResponse(br, r)
		if err != nil {
			return nil, nil, fmt.Errorf("read handshake: %w", err)
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, br, nil
		}
	}
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
	p, ok, err := frame.CheckDeflateAnswer(h["Sec-Websocket-Extensions"], o.Takeover)
	switch {
	case err != nil:
		return nil, bad(err.Error())
	case ok && o.NoDeflate:
		return nil, bad("the server chose an extension that was not offered")
	case ok:
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
