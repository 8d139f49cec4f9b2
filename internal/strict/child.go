package strict

import (
	"bytes"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Child returns a member of an object or an element of an array by the reference token of a JSON
// pointer (RFC 6901 §4), or nil if there is none. It reads values as a Raw has them. The last of
// equal names counts, as for JSON.parse.
func Child(data []byte, token string) []byte {
	d := jsontext.NewDecoder(bytes.NewBuffer(data), loose...)
	var child []byte
	switch open, err := d.ReadToken(); {
	case err != nil:
		return nil
	case open.Kind() == '{':
		child = member(d, token)
	case open.Kind() == '[':
		child = element(d, token)
	}
	if child == nil {
		return nil
	}
	if _, err := d.ReadToken(); err != nil { // the closing bracket
		return nil
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil
	}
	return child
}

// member reads up to the end of an object.
func member(d *jsontext.Decoder, token string) (child []byte) {
	for d.PeekKind() == '"' {
		name, err := d.ReadValue()
		if err != nil {
			return nil
		}
		text, err := String(name)
		found := err == nil && string(text) == token
		if value, err := d.ReadValue(); err != nil {
			return nil
		} else if found {
			child = bytes.Clone(value)
		}
	}
	return child
}

// element reads up to the end of an array. 01, -1, and -, which is after the last element, are
// no index.
func element(d *jsontext.Decoder, token string) (child []byte) {
	index, err := strconv.ParseUint(token, 10, 31)
	if err != nil || strconv.FormatUint(index, 10) != token {
		return nil
	}
	for i := uint64(0); d.PeekKind() != ']'; i++ {
		if value, err := d.ReadValue(); err != nil {
			return nil
		} else if i == index {
			child = bytes.Clone(value)
		}
	}
	return child
}
