package bench

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
)

// A payload says which run it is of, who sent it and its number, all in
// hexadecimal, and goes on with letters that follow from those, up to its size:
//
//	5f0c91aa.000000.00000000002a.qrstuvwxyzabcdef…
//	run      source number       pattern
//
// It needs no escaping in JSON or in a URL.
const (
	runDigits    = 8
	sourceDigits = 6
	numberDigits = 12
	headBytes    = runDigits + 1 + sourceDigits + 1 + numberDigits + 1
	minSize      = 32
)

var (
	errNone    = errors.New("the message has no payload")
	errDamaged = errors.New("the bytes differ from those that were sent")
	errForeign = errors.New("the message is not of this run (--contains allows other messages)")
)

// codec makes and checks payloads. It is immutable: any goroutine may use it.
type codec struct {
	run      []byte // with its dot
	size     int
	contains bool
	message  string // with payloadMark in it
	plain    bool   // message is nothing but the payload
	groups   int64
	pattern  []byte // the alphabet again and again
}

func newCodec(o Options) *codec {
	var id [runDigits / 2]byte
	rand.Read(id[:]) // never fails (crypto/rand)
	const alphabet = "abcdefghijklmnopqrstuvwxyz"
	return &codec{
		run:      append(hex.AppendEncode(nil, id[:]), '.'),
		size:     o.Size,
		contains: o.Contains,
		message:  o.Message,
		plain:    o.Message == payloadMark,
		groups:   int64(o.groups()),
		pattern:  bytes.Repeat([]byte(alphabet), o.Size/len(alphabet)+2),
	}
}

// append adds a payload to b.
func (c *codec) append(b []byte, source, number int64) []byte {
	b = append(b, c.run...)
	b = append(appendHex(b, source, sourceDigits), '.')
	b = append(appendHex(b, number, numberDigits), '.')
	return append(b, c.tail(source, number)...)
}

// tail is the pattern of a payload.
func (c *codec) tail(source, number int64) []byte {
	from := int((source + number) % 26)
	return c.pattern[from : from+c.size-headBytes]
}

// wrap is the message with a payload in it. It may reuse b.
func (c *codec) wrap(b []byte, source, number int64) []byte {
	if c.plain {
		return c.append(b[:0], source, number)
	}
	return []byte(strings.NewReplacer(
		payloadMark, string(c.append(nil, source, number)),
		"{n}", strconv.FormatInt(number, 10),
		"{i}", strconv.FormatInt(source, 10),
		"{g}", strconv.FormatInt(number%c.groups, 10),
	).Replace(c.message))
}

// read takes the first payload of a message, and returns what follows it, in
// which there may be more. The errors: errNone, where there need be none;
// errForeign; errDamaged.
func (c *codec) read(message []byte) (source, number int64, rest []byte, err error) {
	if c.contains {
		at := bytes.Index(message, c.run)
		if at < 0 {
			return 0, 0, nil, errNone
		}
		message = message[at:]
		if len(message) < c.size {
			return 0, 0, nil, errDamaged
		}
		message, rest = message[:c.size], message[c.size:]
	}
	if len(message) == 0 && !c.contains || !bytes.HasPrefix(message, c.run) {
		return 0, 0, nil, errForeign
	}
	if len(message) != c.size {
		return 0, 0, nil, errDamaged
	}
	p := message[len(c.run):]
	source, ok1 := parseHex(p[:sourceDigits])
	p = p[sourceDigits+1:]
	number, ok2 := parseHex(p[:numberDigits])
	p = p[numberDigits+1:]
	head := message[:headBytes]
	if !ok1 || !ok2 || head[headBytes-1] != '.' || head[runDigits+1+sourceDigits] != '.' || !bytes.Equal(p, c.tail(source, number)) {
		return 0, 0, nil, errDamaged
	}
	return source, number, rest, nil
}

func appendHex(b []byte, v int64, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		b = append(b, "0123456789abcdef"[v>>shift&15])
	}
	return b
}

func parseHex(digits []byte) (v int64, ok bool) {
	for _, d := range digits {
		switch {
		case '0' <= d && d <= '9':
			d -= '0'
		case 'a' <= d && d <= 'f':
			d -= 'a' - 10
		default:
			return 0, false
		}
		v = v<<4 | int64(d)
	}
	return v, true
}
