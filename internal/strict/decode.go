package strict

import (
	"errors"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxLoose is how many Raws of one value may need the slow way of again. A command has one.
const maxLoose = 4

var (
	refuseUnknown = json.RejectUnknownMembers(true)
	ignoreUnknown = json.RejectUnknownMembers(false)
)

// Decode decodes one JSON value into what v points to, which should be zero. A name that v does
// not know is an error. Errors are *Error.
func Decode(data []byte, v any) error { return decode(data, v, refuseUnknown) }

// DecodeKnown is Decode, but ignores names that v does not know. Their values must be strict, too.
func DecodeKnown(data []byte, v any) error { return decode(data, v, ignoreUnknown) }

func decode(data []byte, v any, unknown json.Options) error {
	err := json.Unmarshal(data, v, unknown)
	if err == nil {
		return nil
	}
	if loose := new(looseError); errors.As(err, &loose) {
		if data, err = again(data, v, unknown, err); err == nil {
			return nil
		}
	}
	return errorOf(data, err)
}

// again decodes a value in which a Raw is not strict, which is rare. The library applies one
// set of options to a whole value, so again puts null in the place of that Raw, decodes the rest
// strictly, and lets the Raw have its bytes. It returns the data that it decoded last.
func again(data []byte, v any, unknown json.Options, err error) ([]byte, error) {
	cut := make(map[int][]byte) // by the place of its null
	raws := json.WithUnmarshalers(json.UnmarshalFromFunc(func(d *jsontext.Decoder, r *Raw) error {
		if value, found := cut[next(data, d)]; found {
			*r = value
			return d.SkipValue()
		}
		return r.UnmarshalJSONFrom(d)
	}))
	for loose := new(looseError); len(cut) < maxLoose && errors.As(err, &loose); {
		start := int(loose.start) + separators(data[loose.start:])
		value, bad := readLoose(data[start:])
		if bad != nil {
			return data, err
		}
		cut[start] = append([]byte{}, value...)
		rest := data[start+len(value):]
		data = append(append(append(make([]byte, 0, start+len(rest)+4), data[:start]...), "null"...), rest...)
		reflect.ValueOf(v).Elem().SetZero()
		err = json.Unmarshal(data, v, unknown, raws)
	}
	return data, err
}

// next returns the place of the value that the decoder reads next.
func next(data []byte, d *jsontext.Decoder) int {
	start := int(d.InputOffset())
	return start + separators(data[start:])
}

// separators counts what precedes a value: white space, and the colon or comma.
func separators(data []byte) (n int) {
	for ; n < len(data); n++ {
		switch data[n] {
		case ' ', '\t', '\r', '\n', ':', ',':
		default:
			return n
		}
	}
	return n
}
