package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"maru.example/maru/internal/handshake"
)

// openPolling opens connection i as socket.io-client does where nothing else is chosen:
//
//	GET   → 0{"sid":…}       the session
//	POST  ← 40               the namespace
//	GET   → 40{"sid":…}
//	GET   …                  polls on
//	           WebSocket     2probe, 3probe
//	      → 6                the poll ends
//	           WebSocket     5
//
// Requests share one TCP connection, which is the least that a client needs.
func (t *target) openPolling(ctx context.Context, i int, at string) (*handshake.Upgraded, error) {
	p, err := t.startPolling(ctx, i, at)
	if err != nil {
		return nil, err
	}
	defer p.close()
	sid, err := p.begin()
	if err != nil {
		return nil, p.because(err)
	}
	up, err := t.dial(ctx, i, engineURL(at, WebSocket, sid))
	if err != nil {
		return nil, err
	}
	return talked(ctx, up, func(d *dialog) error {
		if err := d.ask(packetProbe, packetProbed); err != nil {
			return err
		}
		if _, err := p.answer(packetNoop); err != nil {
			return p.because(err)
		}
		return d.send(packetUpgrade)
	})
}

// polls is the TCP connection of a session that polls.
type polls struct {
	ctx     context.Context
	conn    net.Conn
	release func() bool
	answers *bufio.Reader
	url     string // with http
	header  http.Header
}

func (t *target) startPolling(ctx context.Context, i int, at string) (*polls, error) {
	conn, err := t.connect(ctx, i)
	if err != nil {
		return nil, err
	}
	return &polls{
		ctx: ctx, conn: conn, answers: bufio.NewReaderSize(conn, 1<<10),
		release: context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) }),
		url:     engineURL("http"+strings.TrimPrefix(at, "ws"), Polling, ""), header: t.options.Header,
	}, nil
}

func (p *polls) close() {
	p.release()
	p.conn.Close()
}

// because is the error of a step, or why ctx ended it.
func (p *polls) because(err error) error {
	if cause := context.Cause(p.ctx); cause != nil {
		return cause
	}
	return fmt.Errorf("long polling: %w", err)
}

// begin opens the session, connects to the namespace, and polls once more.
func (p *polls) begin() (sid string, err error) {
	opening, err := p.ask(http.MethodGet, "", packetOpen)
	if err != nil {
		return "", err
	}
	if sid, err = sessionID(opening); err != nil {
		return "", err
	}
	p.url += "&sid=" + sid
	if _, err := p.ask(http.MethodPost, packetConnect, "ok"); err != nil {
		return "", err
	}
	if _, err := p.ask(http.MethodGet, "", packetConnect); err != nil {
		return "", err
	}
	return sid, p.request(http.MethodGet, "")
}

var errNoSession = errors.New("the handshake of Engine.IO has no sid of letters, digits, - and _")

// sessionID is the id in the handshake. All servers that are known use letters that neither JSON
// nor a query escapes.
func sessionID(opening string) (string, error) {
	_, rest, _ := strings.Cut(opening, `"sid":"`)
	sid, _, ended := strings.Cut(rest, `"`)
	if !ended || sid == "" || url.QueryEscape(sid) != sid {
		return "", fmt.Errorf("%w: %.200q", errNoSession, opening)
	}
	return sid, nil
}

func (p *polls) ask(method, body, packet string) (answer string, err error) {
	if err := p.request(method, body); err != nil {
		return "", err
	}
	return p.answer(packet)
}

func (p *polls) request(method, body string) error {
	r, err := http.NewRequest(method, p.url, strings.NewReader(body))
	if err != nil {
		return err
	}
	for name, values := range p.header {
		r.Header[name] = values
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	return r.Write(p.conn)
}

// answer reads an answer, whose body must begin with a packet.
func (p *polls) answer(packet string) (string, error) {
	resp, err := http.ReadResponse(p.answers, nil)
	if err != nil {
		return "", fmt.Errorf("wait for the packet %s: %w", packet, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxSize))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the server answered %s: %.200q", resp.Status, body)
	}
	return string(body), expected(packet, string(body))
}
