package bench

import (
	"context"
	"fmt"
	"strings"
	"time"

	"maru.example/maru/internal/engineio"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/handshake"
	"maru.example/maru/internal/loop"
)

// What a client and its server say before the first event. The first digit is a packet of
// Engine.IO, and a second one a packet of Socket.IO.
const (
	packetOpen    = "0"  // the handshake, with the session's id
	packetPing    = "2"  //
	packetPong    = "3"  //
	packetConnect = "40" // to the namespace /; the server answers with the same, and an id
	packetNoop    = "6"  // ends a poll
	packetUpgrade = "5"  //
	packetProbe   = packetPing + engineio.Probe
	packetProbed  = packetPong + engineio.Probe
)

// openSocketIO opens connection i as a Socket.IO client with WebSocket alone does, up to the
// answer of the namespace.
func (t *target) openSocketIO(ctx context.Context, i int, at string) (*handshake.Upgraded, error) {
	up, err := t.dial(ctx, i, engineURL(at, WebSocket, ""))
	if err != nil {
		return nil, err
	}
	return talked(ctx, up, func(d *dialog) error {
		if _, err := d.expect(packetOpen); err != nil {
			return err
		}
		return d.ask(packetConnect, packetConnect)
	})
}

// engineURL adds the query of Engine.IO to an address.
func engineURL(at string, by Transport, sid string) string {
	joint := "?"
	if strings.Contains(at, "?") {
		joint = "&"
	}
	at += joint + "EIO=" + engineio.Version + "&transport=" + string(by)
	if sid != "" {
		at += "&sid=" + sid
	}
	return at
}

// talked lets talk speak on a new WebSocket, with messages that it waits for, before the
// connection gets its handler. It closes the WebSocket if that fails.
func talked(ctx context.Context, up *handshake.Upgraded, talk func(*dialog) error) (*handshake.Upgraded, error) {
	stop := context.AfterFunc(ctx, func() { up.Conn.SetDeadline(time.Unix(1, 0)) })
	err := talk(&dialog{up})
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		up.Conn.Close()
		return nil, err
	}
	return up, nil
}

// dialog is a WebSocket on which one message follows another.
type dialog struct{ *handshake.Upgraded }

func (d *dialog) ask(packet, answer string) error {
	if err := d.send(packet); err != nil {
		return err
	}
	_, err := d.expect(answer)
	return err
}

func (d *dialog) send(packet string) error {
	_, err := d.Conn.Write(frame.AppendMasked(nil, frame.Text, false, frame.NewMaskKey(), []byte(packet)))
	return err
}

// expect reads the next message, which must begin with a packet. Bytes after it stay in Buffered.
func (d *dialog) expect(packet string) (message string, err error) {
	var reader frame.Reader
	rules := frame.Rules{Client: true, MaxMessageBytes: maxSize}
	b := make([]byte, 512)
	for {
		for len(d.Buffered) > 0 {
			event, n, err := reader.Next(d.Buffered, &rules)
			if err != nil {
				return "", err
			}
			d.Buffered = d.Buffered[n:]
			switch event.Op {
			case frame.Text:
				return string(event.Payload), expected(packet, string(event.Payload))
			case frame.Close:
				return "", fmt.Errorf("the server closed with %d %s, instead of the packet %s", event.Code, event.Reason, packet)
			}
		}
		n, err := d.Conn.Read(b)
		if n == 0 && err != nil {
			return "", fmt.Errorf("wait for the packet %s: %w", packet, err)
		}
		d.Buffered = b[:n]
	}
}

func expected(packet, message string) error {
	if !strings.HasPrefix(message, packet) {
		return fmt.Errorf("the server sent %.200q, not the packet %s", message, packet)
	}
	return nil
}

// answerer answers the pings of Engine.IO, and is otherwise its Handler.
type answerer struct {
	loop.Handler
	conn loop.Conn
}

func (a *answerer) Message(op frame.Opcode, message []byte) {
	if string(message) == packetPing && op == frame.Text {
		a.conn.Send(loop.NewMessage(frame.Text, []byte(packetPong)))
		return
	}
	a.Handler.Message(op, message)
}
