package frame

import (
	"errors"
	"strconv"
	"strings"
)

// Extension is one element of a Sec-WebSocket-Extensions header.
type Extension struct {
	Name   string
	Params []Param // in their order
}

// Param is one parameter of an extension. Value is without its quotes.
type Param struct {
	Name, Value string
	HasValue    bool
}

// ErrExtensions is the error for a Sec-WebSocket-Extensions header that does not follow the
// grammar. RFC 6455 §9.1: the receiver must fail the connection.
var ErrExtensions = errors.New("frame: malformed Sec-WebSocket-Extensions")

// ParseExtensions reads the values of all Sec-WebSocket-Extensions headers of a
// request or response, in their order (RFC 6455 §9.1):
//
//	extension-list  = 1#extension
//	extension       = extension-token *( ";" extension-param )
//	extension-param = token [ "=" ( token | quoted-string ) ]
//
// A quoted string must be a token once its quotes and escapes are gone. Spaces
// and tabs may stand between all parts, and elements of the list may be empty
// (RFC 2616 §2.1). No values, and values without a single extension, are no extension and
// no error: the grammar asks for one, but servers and proxies send the header empty.
func ParseExtensions(values []string) ([]Extension, error) {
	var list []Extension
	for _, value := range values {
		s := scanner{value}
		for {
			s.spaces()
			if !s.skip(',') {
				if s.rest == "" {
					break
				}
				extension, ok := s.extension()
				if !ok {
					return nil, ErrExtensions
				}
				list = append(list, extension)
				if s.rest != "" && !s.skip(',') {
					return nil, ErrExtensions
				}
			}
		}
	}
	return list, nil
}

// scanner reads the parts of a header's value from the front of rest.
type scanner struct{ rest string }

func (s *scanner) spaces() { s.rest = strings.TrimLeft(s.rest, " \t") }

func (s *scanner) skip(c byte) bool {
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// extension reads one extension and the spaces after it.
func (s *scanner) extension() (e Extension, ok bool) {
	if e.Name, ok = s.token(); !ok {
		return Extension{}, false
	}
	for s.spaces(); s.skip(';'); s.spaces() {
		s.spaces()
		var p Param
		if p.Name, ok = s.token(); !ok {
			return Extension{}, false
		}
		s.spaces()
		if p.HasValue = s.skip('='); p.HasValue {
			s.spaces()
			if p.Value, ok = s.value(); !ok {
				return Extension{}, false
			}
		}
		e.Params = append(e.Params, p)
	}
	return e, true
}

func (s *scanner) token() (string, bool) {
	n := 0
	for n < len(s.rest) && isTokenByte(s.rest[n]) {
		n++
	}
	token := s.rest[:n]
	s.rest = s.rest[n:]
	return token, n > 0
}

// value reads a token, quoted or not.
func (s *scanner) value() (string, bool) {
	if !s.skip('"') {
		return s.token()
	}
	var value []byte
	for s.rest != "" {
		c := s.rest[0]
		s.rest = s.rest[1:]
		if c == '"' {
			return string(value), len(value) > 0
		}
		if c == '\\' && s.rest != "" {
			c = s.rest[0]
			s.rest = s.rest[1:]
		}
		if !isTokenByte(c) {
			return "", false
		}
		value = append(value, c)
	}
	return "", false
}

// isTokenByte reports whether a token may contain the byte (RFC 2616 §2.2, RFC 9110
// §5.6.2).
func isTokenByte(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' ||
		c != 0 && strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// Names of RFC 7692 §7.1.
const (
	deflateName      = "permessage-deflate"
	serverNoTakeover = "server_no_context_takeover"
	clientNoTakeover = "client_no_context_takeover"
	serverBits       = "server_max_window_bits"
	clientBits       = "client_max_window_bits"
)

// DeflateParams are the negotiated parameters of permessage-deflate.
type DeflateParams struct {
	ServerBits, ClientBits             int  // the window of each sender, 8 to 15
	ServerNoTakeover, ClientNoTakeover bool // that each of its messages stands alone
}

// AcceptDeflate is the server's part of the negotiation (RFC 7692 §5.1, §7.1). It accepts
// the first offer of permessage-deflate that it can obey, and returns the answer for
// Sec-WebSocket-Extensions. It declines an offer with a parameter that is unknown, doubled
// or has a wrong value, and tries the next one. ok is false if it accepts none; then no
// extension is answered.
//
// A side keeps its context if keep allows it and the client does not ask for the
// contrary; §7.1.1 allows a server to refuse it unasked. A window that the client
// wants of us is obeyed. Windows are limited further where contexts are kept, as far as
// the client allows it; otherwise how large the client's is makes no difference to
// Inflate.
func AcceptDeflate(offers []Extension, keep Takeover) (p DeflateParams, answer string, ok bool) {
	for _, offer := range offers {
		asked, ok := deflateParams(offer)
		if !ok || asked.hasServerBits && asked.ServerBits == 0 {
			continue
		}
		p = DeflateParams{
			ServerBits: maxWindowBits, ClientBits: maxWindowBits,
			ServerNoTakeover: !keep.Server || asked.ServerNoTakeover,
			ClientNoTakeover: !keep.Client || asked.ClientNoTakeover,
		}
		answer = deflateName
		if p.ServerNoTakeover {
			answer += "; " + serverNoTakeover
		}
		if p.ClientNoTakeover {
			answer += "; " + clientNoTakeover
		}
		if asked.hasServerBits {
			p.ServerBits = asked.ServerBits
		}
		if !p.ServerNoTakeover {
			p.ServerBits = min(p.ServerBits, takeoverBits) // unasked, too: §7.1.2.1
		}
		if asked.hasServerBits || p.ServerBits < maxWindowBits {
			answer += "; " + serverBits + "=" + strconv.Itoa(p.ServerBits)
		}
		if asked.hasClientBits && !p.ClientNoTakeover { // only then may we: §7.1.2.2
			p.ClientBits = takeoverBits
			if asked.ClientBits > 0 {
				p.ClientBits = min(asked.ClientBits, takeoverBits)
			}
			answer += "; " + clientBits + "=" + strconv.Itoa(p.ClientBits)
		}
		return p, answer, true
	}
	return DeflateParams{}, "", false
}

// OfferDeflate is a client's Sec-WebSocket-Extensions: it states which side may keep its
// context, and that the server may limit our window. If the server shall not keep its
// context, a second offer lets it: a server that insists on it declines the first, and some
// then refuse the handshake (npm ws with serverNoContextTakeover: false).
func OfferDeflate(keep Takeover) string {
	offer := ""
	if !keep.Client {
		offer = "; " + clientNoTakeover
	}
	offer += "; " + clientBits
	if keep.Server {
		return deflateName + offer
	}
	return deflateName + "; " + serverNoTakeover + offer + ", " + deflateName + offer
}

// ErrDeflateAnswer is the error for a server that accepted more than OfferDeflate offered.
// RFC 7692 §5.1, §7.1: the client must fail the connection.
var ErrDeflateAnswer = errors.New("frame: extensions answered that were not offered")

// CheckDeflateAnswer reads a server's answer to OfferDeflate from the values of
// its Sec-WebSocket-Extensions headers. ok is false if it declined, which is no
// error. Errors, upon which the client must fail the handshake: ErrExtensions,
// ErrDeflateAnswer.
func CheckDeflateAnswer(values []string, offered Takeover) (p DeflateParams, ok bool, err error) {
	list, err := ParseExtensions(values)
	if err != nil || len(list) == 0 {
		return DeflateParams{}, false, err
	}
	if len(list) > 1 {
		return DeflateParams{}, false, ErrDeflateAnswer
	}
	answer, ok := deflateParams(list[0])
	switch {
	case !ok,
		// In an answer both windows have a value (§7.1.2).
		answer.hasServerBits && answer.ServerBits == 0,
		answer.hasClientBits && answer.ClientBits == 0:
		return DeflateParams{}, false, ErrDeflateAnswer
	}
	p = answer.DeflateParams
	if !offered.Client {
		p.ClientNoTakeover = true // we offered it and do it, whether or not the answer repeats it (§7.1.1.2)
	}
	if !answer.hasServerBits {
		p.ServerBits = maxWindowBits
	}
	if !answer.hasClientBits {
		p.ClientBits = maxWindowBits
	}
	return p, true, nil
}

// statedParams are the parameters of an offer or answer as they stand there.
// Bits are 0 without a value.
type statedParams struct {
	DeflateParams
	hasServerBits, hasClientBits bool
}

// deflateParams reads the parameters of permessage-deflate. ok is false if e is
// another extension, or has a parameter that is unknown, doubled or has a value
// that it cannot have.
func deflateParams(e Extension) (p statedParams, ok bool) {
	if e.Name != deflateName {
		return p, false
	}
	for _, param := range e.Params {
		var seen *bool
		bits := 0
		switch param.Name {
		case serverNoTakeover:
			seen = &p.ServerNoTakeover
		case clientNoTakeover:
			seen = &p.ClientNoTakeover
		case serverBits:
			seen = &p.hasServerBits
			bits = windowBits(param.Value)
			p.ServerBits = bits
		case clientBits:
			seen = &p.hasClientBits
			bits = windowBits(param.Value)
			p.ClientBits = bits
		default:
			return p, false
		}
		if param.HasValue && bits == 0 || *seen {
			return p, false
		}
		*seen = true
	}
	return p, true
}

// windowBits reads the value of a window parameter: 8 to 15 without a leading
// zero (RFC 7692 §7.1.2). 0 for anything else.
func windowBits(value string) int {
	for bits := minWindowBits; bits <= maxWindowBits; bits++ {
		if value == strconv.Itoa(bits) {
			return bits
		}
	}
	return 0
}

// Compression is the negotiated permessage-deflate of one connection. The zero value is
// none.
type Compression struct {
	DeflateBits uint8 // our LZ77 window, 8 to 15; 0: no compression
	Takeover    bool  // our messages may refer to those before them (RFC 7692 §7.1.1)
	PeerBits    uint8 // the peer's window, if its messages may; 0: they do not
}

// Inflater makes the context of the peer's messages; nil: they stand alone.
func (c Compression) Inflater() *Inflater {
	if c.PeerBits == 0 {
		return nil
	}
	return NewInflater(int(c.PeerBits))
}
