package handshake

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"maru.example/maru/internal/frame"
)

// Options are the options of a server's handshakes.
type Options struct {
	NoDeflate    bool           // decline permessage-deflate
	Takeover     frame.Takeover // which side may keep its context
	Subprotocols []string       // the server's, best first; the first of them that the client offers is chosen
	Header       http.Header    // for the 101 answer, beside the handshake's own
}

// Upgraded is a connection past its handshake.
type Upgraded struct {
	Conn        net.Conn
	Answer      []byte // Accept's: still to be written, before all else
	Buffered    []byte // read after the handshake and not used
	Subprotocol string // "" if none was agreed
	Compression frame.Compression

	wait func() // nil where the connection is its own
}

// Wait is called by the request's handler before it returns. A stream of HTTP/2 ends
// with its handler: there Wait returns when Conn is closed. Otherwise it does at once.
func (u *Upgraded) Wait() {
	if u.wait != nil {
		u.wait()
	}
}

// Error is the reason why a request is no WebSocket handshake, with the status of the
// answer.
type Error struct {
	Status  int
	Message string
}

func (e *Error) Error() string { return "websocket handshake: " + e.Message }

// IsUpgrade reports whether the request asks for a WebSocket, rightly or not: by
// Upgrade, or in HTTP/2 by extended CONNECT (RFC 8441 §4).
func IsUpgrade(r *http.Request) bool {
	return hasToken(r.Header["Upgrade"], "websocket") || isConnect(r)
}

func isConnect(r *http.Request) bool {
	return r.Method == http.MethodConnect && r.ProtoMajor >= 2 && len(r.Header[":protocol"]) > 0
}

// Request is a request for a WebSocket that was checked. Only Check makes one, and only such
// a one can be accepted.
type Request struct {
	request *http.Request
	offers  []frame.Extension
}

// Check checks a request by RFC 6455 §4.2.1, in HTTP/2 by RFC 8441 §5. The error is an
// *Error of status 400, 405 or 426, for Answer.
func Check(r *http.Request) (Request, error) {
	err := checkConnect(r)
	if !isConnect(r) {
		err = checkUpgrade(r)
	}
	if err != nil {
		return Request{}, err
	}
	offers, malformed := frame.ParseExtensions(r.Header["Sec-Websocket-Extensions"])
	if malformed != nil {
		return Request{}, errExtensions
	}
	return Request{r, offers}, nil
}

func checkUpgrade(r *http.Request) error {
	switch {
	case !IsUpgrade(r):
		return &Error{http.StatusUpgradeRequired, "this address speaks WebSocket: Upgrade: websocket is missing"}
	case r.Method != http.MethodGet:
		return &Error{http.StatusMethodNotAllowed, "the method is not GET"}
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return &Error{http.StatusBadRequest, "HTTP/1.1 is needed, or extended CONNECT in HTTP/2"}
	case !hasToken(r.Header["Connection"], "upgrade"):
		return &Error{http.StatusBadRequest, "Connection: Upgrade is missing"}
	case r.Host == "":
		return errNoHost
	case !isVersion13(r):
		return errVersion
	case !frame.ValidKey(only(r.Header["Sec-Websocket-Key"])):
		return &Error{http.StatusBadRequest, "Sec-WebSocket-Key is not base64 of 16 bytes"}
	case r.ContentLength > 0 || len(r.TransferEncoding) > 0:
		return errBody
	}
	return nil
}

// checkConnect: pseudo-header fields replace Upgrade and Connection of HTTP/1.1. There is
// no key, since a cache or a server without WebSocket cannot mistake the request (RFC 8441
// §5).
func checkConnect(r *http.Request) error {
	switch {
	case len(r.Header[":protocol"]) != 1 || r.Header[":protocol"][0] != "websocket":
		return &Error{http.StatusBadRequest, "the :protocol is not websocket"}
	case r.Host == "":
		return errNoHost
	case !isVersion13(r):
		return errVersion
	case r.ContentLength > 0:
		return errBody
	}
	return nil
}

var (
	errNoHost     = &Error{http.StatusBadRequest, "Host is missing"}
	errVersion    = &Error{http.StatusUpgradeRequired, "Sec-WebSocket-Version is not 13"}
	errExtensions = &Error{http.StatusBadRequest, "Sec-WebSocket-Extensions is malformed"}
	errBody       = &Error{http.StatusBadRequest, "a handshake has no body"}
)

func isVersion13(r *http.Request) bool {
	return only(r.Header["Sec-Websocket-Version"]) == "13"
}

// only is a field that may come once.
func only(lines []string) string {
	if len(lines) != 1 {
		return ""
	}
	return lines[0]
}

// Answer answers a request that Check refused, as plain text, with the headers that belong
// to the status. It does nothing for errors other than *Error.
func Answer(w http.ResponseWriter, r *http.Request, err error) {
	var e *Error
	if !errors.As(err, &e) {
		return
	}
	AnswerHeader(w.Header(), r, e)
	http.Error(w, e.Message, e.Status)
}

// AnswerHeader sets the headers that belong to a refused handshake's status. Those
// about the connection have no place in HTTP/2 (RFC 9113 §8.2.2).
func AnswerHeader(h http.Header, r *http.Request, e *Error) {
	switch {
	case e.Status == http.StatusUpgradeRequired: // RFC 6455 §4.4
		h.Set("Sec-WebSocket-Version", "13")
	case e.Status == http.StatusMethodNotAllowed:
		h.Set("Allow", http.MethodGet)
	}
	if r.ProtoMajor > 1 {
		return
	}
	switch e.Status {
	case http.StatusBadRequest: // do not wait for an announced body
		h.Set("Connection", "close")
	case http.StatusUpgradeRequired: // RFC 9110 §15.5.22
		h.Set("Upgrade", "websocket")
		h.Set("Connection", "Upgrade")
	}
}

// Accept is Check, then Request.Accept or, on a refusal, Answer. It is for callers that
// decide nothing in between.
func Accept(w http.ResponseWriter, r *http.Request, o Options) (*Upgraded, error) {
	q, err := Check(r)
	if err != nil {
		Answer(w, r, err)
		return nil, err
	}
	return q.Accept(w, o)
}

// Accept takes over the connection of the request and makes the 101 answer (200 in HTTP/2).
// The caller writes it, and can first register the connection, so that a client misses
// nothing once it is connected. If the connection cannot be taken over, or a middleware would
// compress the frames of a stream in HTTP/2, Accept has answered 500.
func (q Request) Accept(w http.ResponseWriter, o Options) (*Upgraded, error) {
	r := q.request
	u := &Upgraded{Subprotocol: choose(o.Subprotocols, r.Header["Sec-Websocket-Protocol"])}
	extension := ""
	if !o.NoDeflate {
		if p, answer, ok := frame.AcceptDeflate(q.offers, o.Takeover); ok {
			u.Compression.DeflateBits, u.Compression.Takeover, extension = uint8(p.ServerBits), !p.ServerNoTakeover, answer
			if !p.ClientNoTakeover {
				u.Compression.PeerBits = uint8(p.ClientBits)
			}
		}
	}

	if isConnect(r) {
		if w.Header().Get("Content-Encoding") != "" {
			http.Error(w, "a middleware compresses this response, so it cannot become a WebSocket", http.StatusInternalServerError)
			return nil, errEncoded
		}
		u.accept(w, r, extension, o.Header)
		return u, nil
	}
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "this server cannot upgrade the connection: a middleware or framework around it hides http.Hijacker", http.StatusInternalServerError)
		return nil, fmt.Errorf("take over connection: %w", err)
	}
	nc.SetDeadline(time.Time{}) // the HTTP server's own
	u.Conn, u.Buffered = nc, unread(rw.Reader)
	u.Answer = answer101(r, u.Subprotocol, extension, o.Header)
	return u, nil
}

// errEncoded: what is written to the stream would not be what the client receives.
var errEncoded = errors.New("take over stream: a middleware has set Content-Encoding, and compresses what is written")

// accept makes the stream of an extended CONNECT the connection.
func (u *Upgraded) accept(w http.ResponseWriter, r *http.Request, extension string, extra http.Header) {
	h := w.Header()
	h["Content-Type"] = nil // or net/http guesses one
	if u.Subprotocol != "" {
		h.Set("Sec-WebSocket-Protocol", u.Subprotocol)
	}
	if extension != "" {
		h.Set("Sec-WebSocket-Extensions", extension)
	}
	for name, values := range extra {
		h[http.CanonicalHeaderKey(name)] = values
	}
	s := newStream(w, r)
	u.Conn, u.Answer, u.wait = s, []byte(standIn), s.wait
}

// answer101 is the answer of RFC 6455 §4.2.2.
func answer101(r *http.Request, subprotocol, extension string, extra http.Header) []byte {
	b := make([]byte, 0, 256)
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	b = frame.AppendAcceptKey(b, only(r.Header["Sec-Websocket-Key"]))
	if subprotocol != "" {
		b = append(append(b, "\r\nSec-WebSocket-Protocol: "...), subprotocol...)
	}
	if extension != "" {
		b = append(append(b, "\r\nSec-WebSocket-Extensions: "...), extension...)
	}
	b = append(b, "\r\n"...)
	for name, values := range extra {
		for _, value := range values {
			b = append(b, oneLine.Replace(name)+": "+oneLine.Replace(value)+"\r\n"...)
		}
	}
	return append(b, "\r\n"...)
}

// oneLine keeps a header from becoming two (RFC 9110 §5.5).
var oneLine = strings.NewReplacer("\r", " ", "\n", " ")

// Offers reports whether the request offers a subprotocol.
func Offers(r *http.Request, subprotocol string) bool {
	return choose([]string{subprotocol}, r.Header["Sec-Websocket-Protocol"]) != ""
}

// choose is the first of ours that is among the offered; a server that knows
// none of them chooses none and goes on (RFC 6455 §4.2.2).
func choose(ours, offered []string) string {
	var theirs []string
	for _, line := range offered {
		for part := range strings.SplitSeq(line, ",") {
			theirs = append(theirs, strings.TrimSpace(part))
		}
	}
	for _, p := range ours {
		if slices.Contains(theirs, p) {
			return p
		}
	}
	return ""
}

func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// unread is a copy of the bytes in the reader, which goes back to its pool.
func unread(r *bufio.Reader) []byte {
	n := r.Buffered()
	if n == 0 {
		return nil
	}
	b := make([]byte, n)
	r.Read(b) // cannot fail: it is there
	return b
}
