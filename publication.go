package maru

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// Kind says what the data of a publication is. Its zero value is Text.
type Kind uint8

const (
	Text   Kind = iota // valid UTF-8
	JSON               // one valid JSON value, compacted; travels as text
	Binary             // any bytes
)

var kindNames = [...]string{Text: "text", JSON: "json", Binary: "binary"}

// String is the kind's word on the wire: text, json or binary.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Publication is one item in a channel. Once published, it is shared by all readers and never
// changed.
type Publication struct {
	Offset uint64    // number in the namespace's history; rising in a channel, not consecutive; 0 before publishing and if transient
	Kind   Kind      // what Data is
	Data   []byte    // as published; JSON is compacted
	Key    string    // identifies the value, for conflation, byte for byte: at most MaxKeyBytes; may be empty
	Event  string    // the event that receivers get, see CheckEvent; empty: MessageEvent
	Time   time.Time // when the broker accepted it, UTC
	User   string    // the publisher, set by the server; empty for anonymous
}

// AppendJSON appends the publication in the shape of docs/contract.md §3:
//
//	{"offset":812,"kind":"text|json|binary","data":…,"key":"…","event":"…","time":"RFC 3339","user":"…"}
//
// data is a string for text, the JSON itself for json and base64 for binary. Absent fields are
// left out, as is the offset of a transient publication. AppendJSON does not escape <, > and &,
// so that text stays as it was typed.
func (p *Publication) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	if p.Offset != 0 {
		dst = append(strconv.AppendUint(append(dst, `"offset":`...), p.Offset, 10), ',')
	}
	dst = append(append(append(dst, `"kind":"`...), p.Kind.String()...), `","data":`...)
	switch p.Kind {
	case JSON:
		dst = append(dst, p.Data...)
	case Binary:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, p.Data)
		dst = append(dst, '"')
	default:
		dst = AppendString(dst, string(p.Data))
	}
	if p.Key != "" {
		dst = AppendString(append(dst, `,"key":`...), p.Key)
	}
	if p.Event != "" {
		dst = AppendString(append(dst, `,"event":`...), p.Event)
	}
	dst = p.Time.UTC().AppendFormat(append(dst, `,"time":"`...), time.RFC3339Nano)
	dst = append(dst, '"')
	if p.User != "" {
		dst = AppendString(append(dst, `,"user":`...), p.User)
	}
	return append(dst, '}')
}

// MarshalJSON is AppendJSON for encoding/json.
func (p *Publication) MarshalJSON() ([]byte, error) { return p.AppendJSON(nil), nil }

// UnmarshalJSON reads the shape that AppendJSON writes. Unknown fields are
// ignored, so that an older client understands a newer server.
func (p *Publication) UnmarshalJSON(data []byte) error {
	var wire struct {
		Offset uint64          `json:"offset"`
		Kind   string          `json:"kind"`
		Data   json.RawMessage `json:"data"`
		Key    string          `json:"key"`
		Event  string          `json:"event"`
		Time   time.Time       `json:"time"`
		User   string          `json:"user"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	*p = Publication{Offset: wire.Offset, Key: wire.Key, Event: wire.Event, Time: wire.Time, User: wire.User}
	switch wire.Kind {
	case "json":
		p.Kind, p.Data = JSON, wire.Data
		return nil
	case "binary":
		p.Kind = Binary
		return json.Unmarshal(wire.Data, &p.Data)
	case "text":
		var text string
		err := json.Unmarshal(wire.Data, &text)
		p.Kind, p.Data = Text, []byte(text)
		return err
	}
	return fmt.Errorf("maru: unmarshal publication: unknown kind %q; it must be text, json or binary", wire.Kind)
}

const hexDigits = "0123456789abcdef"

// AppendString appends s, which is valid UTF-8, as a JSON string. It escapes only the
// characters that RFC 8259 §7 requires.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(dst, s[start:]...), '"')
}

var errNoPublication = NewError(CodeBadRequest, "the publication is nil: pass one, which may be empty")

// Check reports whether the publication may be published: it must not be nil (CodeBadRequest),
// text must be valid UTF-8 (CodeBadText), the key must be valid UTF-8 of at most MaxKeyBytes
// (CodeBadRequest), and CheckEvent must accept the event. JSON must be one valid, compacted value;
// the caller has checked that.
func (p *Publication) Check() error {
	switch {
	case p == nil:
		return errNoPublication
	case p.Kind == Text && !utf8.Valid(p.Data):
		return NewError(CodeBadText, "the text is not valid UTF-8; publish other bytes as binary")
	case len(p.Key) > MaxKeyBytes || !utf8.ValidString(p.Key):
		return NewError(CodeBadRequest, "key must be valid UTF-8 of at most 255 bytes")
	}
	return CheckEvent(p.Event)
}
