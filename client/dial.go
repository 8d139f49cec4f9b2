package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"maru.example/maru"
	"maru.example/maru/ws"
)

const subprotocol = "maru.v1"

// wire is a WebSocket. Its methods do not block.
type wire interface {
	Send(text []byte) error
	// Close starts the closing handshake, after the messages sent before.
	Close()
	// Terminate closes it without a handshake.
	Terminate()
}

// A dialer opens a WebSocket. It calls take of the connection for each message, one at a
// time, and closed at the end, once. If it fails, it calls neither.
type dialer func(ctx context.Context, header http.Header, to *connection) (wire, error)

// dialWebSocket is the dialer, except in tests.
func (c *Client) dialWebSocket(ctx context.Context, header http.Header, to *connection) (wire, error) {
	var seen error // set by OnError, which comes before OnClose
	conn, err := ws.Dial(ctx, c.url.String(), ws.DialOptions{
		Header: header, Subprotocols: []string{subprotocol}, TLSConfig: c.o.TLSConfig, NetDial: c.o.NetDial, Proxy: c.o.Proxy, Logger: c.log,
		HandshakeTimeout: -1, // ctx has it
		MaxMessageBytes:  c.o.MaxMessageBytes,
		PingInterval:     -1, // the protocol has its own
		// maxInFlightBytes bounds the data sent, and a ping finds a server that does not read.
		BacklogBytes: 1 << 30, BacklogMessages: 1 << 30, BacklogAge: time.Hour,
		OnMessage: func(_ *ws.Conn, m ws.Message) {
			if m.Type != ws.TextMessage {
				to.fail(ending{code: closeLost, err: errors.New("the server sent a binary message, which maru.v1 does not have")})
				return
			}
			to.receive(m.Data)
		},
		OnError: func(_ *ws.Conn, err error) { seen = err },
		OnClose: func(_ *ws.Conn, code int, reason string) {
			to.closed(ending{code: code, word: maru.Code(reason), err: seen})
		},
	})
	if err != nil {
		return nil, err
	}
	if conn.Subprotocol() != subprotocol {
		conn.Terminate()
		<-to.gone
		return nil, errNotMaru
	}
	return webSocket{conn}, nil
}

type webSocket struct{ *ws.Conn }

func (w webSocket) Send(text []byte) error {
	return w.Conn.Send(ws.Message{Type: ws.TextMessage, Data: text})
}
func (w webSocket) Close() { w.Conn.Close(maru.CloseNormal, "") }

// refused is the ending of an attempt without a WebSocket. An answer over HTTP has the same
// code words as a close.
func refused(err error) ending {
	e := ending{code: closeLost, err: err}
	var handshake *ws.HandshakeError
	if !errors.As(err, &handshake) {
		return e
	}
	var answer struct{ Error failure }
	body, _ := io.ReadAll(handshake.Response.Body)
	if json.Unmarshal(body, &answer) == nil && answer.Error.Code != "" {
		e.word, e.err = answer.Error.Code, &answer.Error
		e.code = e.word.CloseCode()
	}
	if seconds, err := strconv.ParseUint(handshake.Response.Header.Get("Retry-After"), 10, 32); err == nil { // RFC 9110 §10.2.3
		e.retryAfter = min(time.Duration(seconds)*time.Second, farthest)
	}
	return e
}
