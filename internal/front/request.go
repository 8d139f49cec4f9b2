package front

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"maru.example/maru/internal/loop"
)

// request is a request for a WebSocket with its URL and fields, in one piece of memory.
type request struct {
	http.Request
	url    url.URL
	fields http.Header
	values [16]string // of the first fields
}

// read fills r, which is new or cleared, from a header block that asks for a WebSocket as
// browsers and libraries do. It reports false for every other block: net/http handles all
// unusual and malformed requests, upgrades among them, and refuses where it must. A block
// that is read here means the same to net/http (RFC 9112 §2 to §5). The other fields of r
// are those of blank.
func (r *request) read(a *loop.Accepted, blank *http.Request) bool {
	const get, version = "GET ", " HTTP/1.1"
	line, fields, _ := strings.Cut(string(a.Head), "\n")
	target, isGet := strings.CutPrefix(strings.TrimSuffix(line, "\r"), get)
	target, is11 := strings.CutSuffix(target, version)
	if !isGet || !is11 || !strings.HasPrefix(target, "/") || strings.Contains(target, " ") {
		return false
	}
	r.Request = *blank
	if !r.setURL(target) || !r.setFields(fields) {
		return false
	}
	r.RemoteAddr = a.Remote.String()
	return true
}

// clear empties r and keeps its memory.
func (r *request) clear() {
	clear(r.fields)
	*r = request{fields: r.fields}
}

func (r *request) setURL(target string) bool {
	r.RequestURI, r.URL = target, &r.url
	if consistsOf(target, inPath) {
		r.url.Path = target
		return true
	}
	u, err := url.ParseRequestURI(target)
	if err == nil {
		r.url = *u
	}
	return err == nil
}

// setFields reports whether the fields are complete, well-formed, and ask for a
// WebSocket and nothing else: no body, no expectation, no end of the connection.
func (r *request) setFields(fields string) bool {
	r.Header = r.fields
	asks, hosts := false, 0
	for n := 0; ; n++ {
		line, rest, ok := strings.Cut(fields, "\n")
		if line = strings.TrimSuffix(line, "\r"); !ok || line == "" {
			return ok && asks && hosts == 1 && (r.Header["Pragma"] == nil || r.Header["Cache-Control"] != nil)
		}
		fields = rest
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !ok || name == "" || !consistsOf(name, inName) || !consistsOf(value, inValue) {
			return false
		}
		switch name = canonical(name); name {
		case "Host":
			if hosts++; value == "" || !consistsOf(value, inHost) {
				return false
			}
			r.Host = value
			continue
		case "Upgrade":
			asks = asks || strings.EqualFold(value, "websocket")
		case "Connection":
			if strings.Contains(strings.ToLower(value), "close") {
				return false
			}
		case "Content-Length", "Transfer-Encoding", "Trailer", "Expect":
			return false
		}
		if n < len(r.values) && r.Header[name] == nil {
			r.values[n] = value
			r.Header[name] = r.values[n : n+1 : n+1]
		} else {
			r.Header[name] = append(r.Header[name], value)
		}
	}
}

// canonical is textproto.CanonicalMIMEHeaderKey without an allocation for the fields of a
// usual handshake.
func canonical(name string) string {
	if c, ok := canonicals[name]; ok {
		return c
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}

var canonicals = func() map[string]string {
	all := make(map[string]string)
	for _, name := range []string{
		"Host", "Connection", "Upgrade", "Origin", "User-Agent", "Pragma", "Cache-Control", "Accept-Encoding", "Accept-Language",
		"Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol",
	} {
		c := textproto.CanonicalMIMEHeaderKey(name)
		all[name], all[c], all[strings.ToLower(name)] = c, c, c
	}
	return all
}()

// The classes of bytes, by the place where they are allowed.
const (
	inName  = 1 << iota // of a field: a token (RFC 9110 §5.6.2)
	inValue             // of a field; those beyond ASCII are rare (RFC 9110 §5.5)
	inHost              // RFC 3986 §3.2.2, without rare forms
	inPath              // RFC 3986 §3.3, without escapes
)

var classes = func() (classes [256]uint8) {
	set := func(bit uint8, chars string) {
		for _, c := range []byte(chars) {
			classes[c] |= bit
		}
	}
	for c := byte(' '); c < 0x7f; c++ {
		classes[c] |= inValue
	}
	set(inValue, "\t")
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	set(inName, letters+"!#$%&'*+-.^_`|~")
	set(inHost, letters+"-._~:[]")
	set(inPath, letters+"-._~/")
	return classes
}()

func consistsOf(s string, class uint8) bool {
	for i := range len(s) {
		if classes[s[i]]&class == 0 {
			return false
		}
	}
	return true
}
