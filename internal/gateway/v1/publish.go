package v1

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"

	"maru.example/maru"
	"maru.example/maru/internal/session"
	"maru.example/maru/internal/strict"
)

type publish struct {
	Channel        string     `json:"channel"`
	Data           strict.Raw `json:"data"`
	Kind           string     `json:"kind"`
	Key            string     `json:"key"`
	Event          string     `json:"event"`
	IdempotencyKey string     `json:"idempotency_key"`
	Version        *uint64    `json:"version"`
	Transient      bool       `json:"transient"`
}

var (
	errVersion   = maru.NewError(maru.CodeBadRequest, "version must be a whole number from 1")
	errTransient = maru.NewError(maru.CodeBadRequest, "a transient publication has no version: leave out one of the two")
	errNoData    = maru.NewError(maru.CodeBadRequest, "publish: the field data is missing")
	errKind      = maru.NewError(maru.CodeBadRequest, "kind must be text, json or binary")
	errText      = maru.NewError(maru.CodeBadRequest, "data of kind text must be a string")
	errSurrogate = maru.NewError(maru.CodeBadText, "data: the string has half a surrogate pair, which is not valid Unicode")
	errDeep      = maru.NewError(maru.CodeBadJSON, "data is nested too deep: at most 9,000 objects and arrays in each other are allowed")
	errBinary    = maru.NewError(maru.CodeBadRequest, "data of kind binary must be a string")
	errBase64    = maru.NewError(maru.CodeBadRequest, "data of kind binary must be base64")
)

const whiteSpace = " \t\r\n" // between tokens, RFC 8259 §2

// strictBase64 accepts one encoding of each value, RFC 4648 §3.5.
var strictBase64 = base64.StdEncoding.Strict()

func (c *publish) typed(ref uint64) session.Command {
	p := &maru.Publication{Key: c.Key, Event: c.Event}
	o := maru.PublishOptions{IdempotencyKey: c.IdempotencyKey, Transient: c.Transient}
	var err error
	p.Kind, p.Data, err = c.data()
	switch {
	case err != nil:
	case c.Version != nil && *c.Version == 0:
		err = errVersion
	case c.Version != nil && c.Transient:
		err = errTransient
	case c.Version != nil:
		o.Version = *c.Version
	}
	if err != nil {
		return invalid(ref, c.Channel, err)
	}
	return session.Publish{Ref: ref, Channel: c.Channel, Publication: p, Options: o}
}

// data returns the kind and the data to publish. Without a kind, a string is text, and anything
// else JSON. The decoder has checked and copied c.Data, so it may become the publication's.
func (c *publish) data() (kind maru.Kind, data []byte, err error) {
	isString := len(c.Data) > 0 && c.Data[0] == '"'
	switch {
	case len(c.Data) == 0:
		err = errNoData
	case c.Kind == "text", c.Kind == "" && isString:
		kind = maru.Text
		data, err = text(c.Data)
	case c.Kind == "json", c.Kind == "":
		kind = maru.JSON
		if data = compact(c.Data); strict.TooDeep(data) {
			err = errDeep
		}
	case c.Kind == "binary":
		kind = maru.Binary
		data, err = binary(c.Data)
	default:
		err = errKind
	}
	return kind, data, err
}

// text decodes a string. A Raw may have half a surrogate pair, which UTF-8 cannot represent.
func text(data strict.Raw) ([]byte, error) {
	if inside, plain := plainString(data); plain {
		return inside, nil
	}
	s, err := strict.String(data)
	if err == nil {
		return s, nil
	}
	if e := new(strict.Error); errors.As(err, &e) && e.Problem == strict.Text {
		return nil, errSurrogate
	}
	return nil, errText
}

// compact removes the white space between the tokens of one valid JSON value, in place; it
// saves the copy that json.Compact needs.
func compact(data []byte) []byte {
	if !bytes.ContainsAny(data, whiteSpace) {
		return data
	}
	kept, quoted := data[:0], false
	for i := 0; i < len(data); i++ {
		c := data[i]
		switch {
		case quoted && c == '\\': // and the escaped character, which may be a quote
			kept = append(kept, c)
			i++
			c = data[i]
		case c == '"':
			quoted = !quoted
		case !quoted && strings.IndexByte(whiteSpace, c) >= 0:
			continue
		}
		kept = append(kept, c)
	}
	return kept
}

func binary(data strict.Raw) ([]byte, error) {
	inside, plain := plainString(data)
	if !plain {
		var err error
		if inside, err = strict.String(data); err != nil {
			return nil, errBinary
		}
	}
	b, err := strictBase64.AppendDecode(nil, inside)
	if err != nil {
		return nil, errBase64
	}
	return b, nil
}

// plainString returns the content of a JSON string without escapes, a part of data.
func plainString(data strict.Raw) (inside []byte, plain bool) {
	if data[0] != '"' || bytes.IndexByte(data, '\\') >= 0 {
		return nil, false
	}
	return data[1 : len(data)-1 : len(data)-1], true
}
