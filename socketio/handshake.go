package socketio

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// Handshake is how a client has come in. Headers, Query and URL are those of the connection's first
// request: a client that begins with long polling may send others later. They are shared by the
// sockets of the connection, and must not be changed.
type Handshake struct {
	Auth json.RawMessage // the client's auth payload; {} without one
	User string          // as the server has identified the client; empty: anonymous
	Addr netip.Addr      // the client's
	Time time.Time       // of the connect to the namespace

	Headers http.Header // with Host, and with cookies and other secrets
	Query   url.Values  // with EIO and transport of the client, and its own
	URL     string      // path and query
	Secure  bool        // the client used TLS, maybe to a trusted proxy
	XDomain bool        // the request has an Origin, as those of browsers from other sites
}

// Transport is how the client is connected now: "polling" or "websocket".
func (s *Socket) Transport() string {
	if s.conn.Polls() {
		return "polling"
	}
	return "websocket"
}

// first keeps what a Handshake has of a connection's first request.
func first(r *http.Request, secure bool) Handshake {
	h := Handshake{Headers: r.Header.Clone(), Query: r.URL.Query(), URL: r.URL.RequestURI(), Secure: secure}
	h.Headers.Set("Host", r.Host)
	h.XDomain = h.Headers.Get("Origin") != ""
	return h
}
