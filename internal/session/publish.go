package session

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"

	"maru.example/maru"
)

type publish struct {
	Channel        string          `json:"channel"`
	Data           json.RawMessage `json:"data"`
	Kind           string          `json:"kind"`
	Key            string          `json:"key"`
	IdempotencyKey string          `json:"idempotency_key"`
	Version        uint64          `json:"version"`
	Transient      bool            `json:"transient"`
}

type published struct {
	Channel  string `json:"channel"`
	Epoch    string `json:"epoch"`
	Offset   uint64 `json:"offset,omitempty"` // transient: none
	Replayed bool   `json:"replayed,omitempty"`
	Stale    bool   `json:"stale,omitempty"`
}

// publish hands a publication to the broker, and answers when it has its place.
func (s *Session) publish(c *command, who Identity) {
	p, err := c.Publish.publication()
	if err == nil {
		err = who.MayPublish(c.Publish.Channel)
	}
	o := maru.PublishOptions{IdempotencyKey: c.Publish.IdempotencyKey, Publisher: who.Publisher(), Version: c.Publish.Version, Transient: c.Publish.Transient}
	if err == nil {
		err = o.Check()
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	p.User = who.User()
	s.begin()
	s.options.Submit(c.Publish.Channel, p, o, func(done maru.Published, err error) {
		s.done()
		if err != nil {
			s.fail(c, err)
			return
		}
		s.answer(c, reply{Publish: &published{c.Publish.Channel, done.Epoch, done.Offset, done.Replayed, done.Stale}})
	})
}

// publication is what the command publishes.
func (c *publish) publication() (*maru.Publication, error) {
	if err := maru.CheckChannel(c.Channel); err != nil {
		return nil, err
	}
	kind := c.Kind
	if kind == "" {
		kind = "json"
		if len(c.Data) > 0 && c.Data[0] == '"' {
			kind = "text"
		}
	}
	p := &maru.Publication{Key: c.Key}
	var err error
	switch {
	case len(c.Data) == 0:
		err = maru.NewError(maru.CodeBadRequest, "publish wants data")
	case kind == "text":
		p.Kind = maru.Text
		p.Data, err = text(c.Data)
	case kind == "json":
		p.Kind = maru.JSON
		var compact bytes.Buffer
		err = json.Compact(&compact, c.Data)
		p.Data = compact.Bytes()
	case kind == "binary":
		p.Kind = maru.Binary
		p.Data, err = binary(c.Data)
	default:
		err = maru.NewError(maru.CodeBadRequest, "kind is text, json or binary")
	}
	return p, err
}

// text is the string that data is. encoding/json puts U+FFFD for half a surrogate
// pair, which no UTF-8 can hold: what is published is what was sent, or an error.
func text(data json.RawMessage) ([]byte, error) {
	var s string
	if json.Unmarshal(data, &s) != nil {
		return nil, maru.NewError(maru.CodeBadRequest, "data of kind text is a string")
	}
	const replacement = "\ufffd"
	if n := strings.Count(s, replacement); n > 0 && n != bytes.Count(data, []byte(replacement))+strings.Count(strings.ToLower(string(data)), `\ufffd`) {
		return nil, maru.NewError(maru.CodeBadText, "the string has half a surrogate pair")
	}
	return []byte(s), nil
}

func binary(data json.RawMessage) ([]byte, error) {
	var s string
	if json.Unmarshal(data, &s) != nil {
		return nil, maru.NewError(maru.CodeBadRequest, "data of kind binary is a string")
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, maru.NewError(maru.CodeBadRequest, "data of kind binary is base64")
	}
	return b, nil
}
