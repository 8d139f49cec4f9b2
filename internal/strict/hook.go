package strict

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"

	v2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	v1 "github.com/go-json-experiment/json/v1"
)

// asV1 are the rules of encoding/json, without its escapes of <, > and &. Its type Number is not known
// to the library.
var asV1 = v2.JoinOptions(v1.DefaultOptionsV1(), jsontext.EscapeForHTML(false))

// EncodeHook encodes v as encoding/json does, but asks hook for each value inside of v first, from
// the outermost inwards. The hook gets a pointer to the value, and returns the JSON that stands in
// its place; nil: the value is encoded as usual. What a json.Marshaler encodes itself is not seen.
func EncodeHook(v any, hook func(pointer any) (value []byte, err error)) ([]byte, error) {
	return v2.Marshal(v, asV1, v2.WithMarshalers(v2.MarshalToFunc(func(e *jsontext.Encoder, pointer any) error {
		if atName(e) {
			return errors.ErrUnsupported
		}
		value, err := hook(pointer)
		if n, is := pointer.(*json.Number); is && value == nil {
			value = []byte(cmp.Or(*n, "0"))
		}
		switch {
		case err != nil:
			return err
		case value == nil:
			return errors.ErrUnsupported
		}
		return e.WriteValue(value)
	})))
}

// DecodeHook decodes one JSON value into what v points to as encoding/json does, but asks hook for
// each value inside of it first. The hook gets what follows in data, from the value on, and a
// pointer to where it goes. It returns a function that takes the value; nil: it is decoded as usual.
// What a json.Unmarshaler decodes itself is not seen.
func DecodeHook(data []byte, v any, hook func(rest []byte, pointer any) (take func(value []byte) error)) error {
	return v2.Unmarshal(data, v, asV1, v2.WithUnmarshalers(v2.UnmarshalFromFunc(func(d *jsontext.Decoder, pointer any) error {
		if atName(d) {
			return errors.ErrUnsupported
		}
		take := hook(data[next(data, d):], pointer)
		if n, is := pointer.(*json.Number); is && take == nil && d.PeekKind() == '0' {
			take = func(value []byte) error { *n = json.Number(value); return nil }
		}
		if take == nil {
			return errors.ErrUnsupported
		}
		value, err := d.ReadValue()
		if err != nil {
			return err
		}
		return take(value)
	})))
}

// atName reports whether the name of a member comes next.
func atName(coder interface {
	StackDepth() int
	StackIndex(int) (jsontext.Kind, int64)
}) bool {
	kind, values := coder.StackIndex(coder.StackDepth())
	return kind == '{' && values%2 == 0
}

// Replace copies a JSON value, with another one in the place of each object inside of it for which
// replace returns one.
func Replace(data []byte, replace func(rest []byte) (value []byte)) ([]byte, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(data), loose...)
	var out []byte
	copied := 0
	for {
		if d.PeekKind() != '{' {
			if _, err := d.ReadToken(); err != nil {
				break
			}
			continue
		}
		start := next(data, d)
		value := replace(data[start:])
		if value == nil {
			if _, err := d.ReadToken(); err != nil {
				return nil, err
			}
			continue
		}
		if err := d.SkipValue(); err != nil {
			return nil, err
		}
		out = append(append(out, data[copied:start]...), value...)
		copied = int(d.InputOffset())
	}
	return append(out, data[copied:]...), nil
}
