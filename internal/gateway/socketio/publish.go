package socketio

import (
	"maru.example/maru"
	"maru.example/maru/internal/packet"
	"maru.example/maru/internal/session"
	"maru.example/maru/internal/strict"
)

var (
	errNoData    = maru.NewError(maru.CodeBadRequest, "publish: argument 2 must be the data: a string, bytes or JSON")
	errInside    = maru.NewError(maru.CodeBadRequest, "publish: bytes must be the whole data, not a part of it: a channel has text, JSON or binary")
	errDeep      = maru.NewError(maru.CodeBadJSON, "publish: the data is nested too deep")
	errSurrogate = maru.NewError(maru.CodeBadText, "publish: the string has half a surrogate pair, which is not valid Unicode")
)

func (a *arguments) publish(ref uint64) (session.Command, error) {
	var o struct {
		Key            string `json:"key"`
		Event          string `json:"event"`
		IdempotencyKey string `json:"idempotency_key"`
		Version        uint64 `json:"version"`
		Transient      bool   `json:"transient"`
	}
	channel, err := a.channel(3)
	if err == nil {
		err = a.options(2, &o)
	}
	p := &maru.Publication{Key: o.Key, Event: o.Event}
	if err == nil {
		err = a.data(p)
	}
	if err == nil {
		err = p.Check()
	}
	return session.Publish{Ref: ref, Channel: channel, Publication: p,
		Options: maru.PublishOptions{IdempotencyKey: o.IdempotencyKey, Version: o.Version, Transient: o.Transient}}, err
}

// data sets the kind and the data of a publication: a string is text, an attachment binary, and
// anything else JSON.
func (a *arguments) data(p *maru.Publication) (err error) {
	if len(a.values) < 2 {
		return errNoData
	}
	value := a.values[1]
	num, attached := packet.Placeholder(value)
	switch {
	case attached && num < len(a.binary):
		p.Kind, p.Data = maru.Binary, a.binary[num]
	case len(a.binary) > 0:
		return errInside
	case value[0] == '"':
		if p.Data, err = strict.String(value); err != nil {
			return errSurrogate
		}
	default:
		p.Kind = maru.JSON
		if p.Data, err = strict.Compact(value); err != nil {
			return errDeep
		}
	}
	return nil
}
