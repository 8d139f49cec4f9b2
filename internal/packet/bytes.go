package packet

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"unicode/utf8"

	"maru.example/maru/internal/strict"
)

// Attachments are the binary messages of a packet, in the order of their numbers.
type Attachments [][]byte

var (
	errMany = fmt.Errorf("a Socket.IO packet may have at most %d attachments", MaxAttachments)
	errNum  = errors.New("the packet has no attachment of this number")
)

// Add adds an attachment and returns its placeholder.
func (a *Attachments) Add(b []byte) (placeholder []byte, err error) {
	if len(*a) >= MaxAttachments {
		return nil, errMany
	}
	*a = append(*a, b)
	return AppendPlaceholder(nil, len(*a)-1), nil
}

// Encode is JSON, but a byte slice anywhere inside becomes an attachment, unless it is nil, or it or
// what holds it has its own MarshalJSON or MarshalText.
func (a *Attachments) Encode(v any) ([]byte, error) {
	return a.EncodeWith(v, func(*Attachments, any) ([]byte, error) { return nil, nil })
}

// EncodeWith is Encode, but own is asked first, for each value inside of v too. It gets a pointer to
// the value and returns its JSON; nil: it is encoded as usual. It is asked only if v holds a byte slice.
func (a *Attachments) EncodeWith(v any, own func(a *Attachments, pointer any) ([]byte, error)) ([]byte, error) {
	if !mayHaveBytes(reflect.ValueOf(v), 0) {
		return JSON(v) // four times as fast
	}
	return strict.EncodeHook(v, func(pointer any) ([]byte, error) {
		if value, err := own(a, pointer); value != nil || err != nil {
			return value, err
		}
		if v := reflect.ValueOf(pointer).Elem(); isBytes(v.Type()) && !v.IsNil() {
			return a.Add(v.Bytes())
		}
		return nil, nil
	})
}

// JSON encodes a value as encoding/json does, without its escapes of <, > and &, as JSON.stringify has
// none. Byte slices are base64.
func JSON(v any) ([]byte, error) {
	if s, is := v.(string); is && plain(s) {
		return append(append(append(make([]byte, 0, len(s)+2), '"'), s...), '"'), nil // four times as fast
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// plain reports whether a text is its own JSON, between quotes.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			return false
		}
	}
	return utf8.ValidString(s)
}

// Plain returns what a JSON text is that has no escapes. It reports false for all other values.
func Plain(value []byte) (text string, is bool) {
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return "", false
	}
	text = string(value[1 : len(value)-1])
	return text, plain(text)
}

// Decode decodes a value into what v points to as encoding/json does. A placeholder anywhere inside
// goes as its attachment, which is not copied, into a byte slice or an any. It does not fit into
// other types, but an UnmarshalJSON gets it as it is.
func (a Attachments) Decode(value []byte, v any) error {
	return strict.DecodeHook(value, v, func(rest []byte, pointer any) func([]byte) error {
		num, is := leading(rest)
		if !is {
			return nil
		}
		to := reflect.ValueOf(pointer).Elem()
		switch t := to.Type(); {
		case num >= len(a):
			return func([]byte) error { return errNum }
		case isBytes(t):
			return func([]byte) error { to.SetBytes(a[num]); return nil }
		case t == reflect.TypeFor[any]():
			return func([]byte) error { to.Set(reflect.ValueOf(a[num])); return nil }
		case t.Kind() == reflect.Pointer, t.Kind() == reflect.Interface, hasMethods(t, unmarshalers):
			return nil
		default:
			return func([]byte) error { return fmt.Errorf("bytes do not fit into %v", t) }
		}
	})
}

// Move moves the attachments of a value that was received to those of a packet that is sent. It
// returns the value with the new placeholders.
func (a *Attachments) Move(value []byte, from Attachments) ([]byte, error) {
	var failed error
	moved, err := strict.Replace(value, func(rest []byte) []byte {
		num, is := leading(rest)
		if !is || failed != nil {
			return nil
		}
		if num >= len(from) {
			failed = errNum
			return nil
		}
		var placeholder []byte
		placeholder, failed = a.Add(from[num])
		return placeholder
	})
	return moved, errors.Join(failed, err)
}

// leading reports whether a placeholder is the value that JSON begins with, and of which attachment.
// A placeholder has no object inside, and is short.
func leading(rest []byte) (num int, is bool) {
	if len(rest) == 0 || rest[0] != '{' {
		return 0, false
	}
	end := bytes.IndexByte(rest[:min(len(rest), 100)], '}')
	return Placeholder(rest[:end+1])
}

var (
	marshalers   = []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()}
	unmarshalers = []reflect.Type{reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[encoding.TextUnmarshaler]()}
)

// isBytes reports whether encoding/json has a type in base64.
func isBytes(t reflect.Type) bool {
	if t.Kind() != reflect.Slice || t.Elem() != reflect.TypeFor[byte]() {
		return false
	}
	return t.Name() == "" || !hasMethods(t, marshalers) && !hasMethods(t, unmarshalers)
}

func hasMethods(t reflect.Type, of []reflect.Type) bool {
	pointer := reflect.PointerTo(t)
	return pointer.Implements(of[0]) || pointer.Implements(of[1])
}

// mayHaveBytes reports whether there is a byte slice in a value, or it is too deep to be sure.
func mayHaveBytes(v reflect.Value, depth int) bool {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		return depth > 100 || mayHaveBytes(v.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			return isBytes(v.Type())
		}
		return holds(v.Type()) && (depth > 100 || anyHasBytes(v, depth))
	case reflect.Map:
		if !holds(v.Type()) {
			return false
		}
		for values := v.MapRange(); values.Next(); {
			if depth > 100 || mayHaveBytes(values.Value(), depth+1) {
				return true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			encoded := f.CanInterface() || f.Kind() == reflect.Struct || f.Kind() == reflect.Pointer // exported, or maybe embedded
			if encoded && mayHaveBytes(f, depth+1) {
				return true
			}
		}
	}
	return false
}

// holds reports whether the elements of a type may hold byte slices.
func holds(t reflect.Type) bool {
	switch t.Elem().Kind() {
	case reflect.Interface, reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map, reflect.Struct:
		return true
	}
	return false
}

func anyHasBytes(list reflect.Value, depth int) bool {
	for i := range list.Len() {
		if mayHaveBytes(list.Index(i), depth+1) {
			return true
		}
	}
	return false
}
