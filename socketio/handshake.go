package socketio

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// Handshake is how a client has come in. Headers, Query and URL are those of the connection's first
// request: a client that begins with long polling may send others later.
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

// Handshake returns how the client has come in. The headers and the query are made by each call, so
// that they take little memory.
func (s *Socket) Handshake() Handshake {
	h := s.handshake
	s.conn.first.describe(&h)
	return h
}

// first is what is kept of a connection's first request.
type first struct {
	url    string
	fields []string // names of headers, each with a value behind it
	secure bool
}

func firstOf(r *http.Request, secure bool) first {
	f := first{url: r.URL.RequestURI(), fields: make([]string, 0, 2*len(r.Header)+2), secure: secure}
	for name, values := range r.Header {
		if name == "Host" { // it is r.Host
			continue
		}
		for _, value := range values {
			f.fields = append(f.fields, name, value)
		}
	}
	f.fields = append(f.fields, "Host", r.Host)
	return f
}

// describe sets what a Handshake has of the request.
func (f *first) describe(h *Handshake) {
	h.URL, h.Secure, h.Headers, h.Query = f.url, f.secure, make(http.Header, len(f.fields)/2), url.Values{}
	for i := 0; i < len(f.fields); i += 2 {
		name := f.fields[i]
		h.Headers[name] = append(h.Headers[name], f.fields[i+1])
	}
	h.XDomain = h.Headers.Get("Origin") != ""
	if u, err := url.ParseRequestURI(f.url); err == nil {
		h.Query = u.Query()
	}
}
