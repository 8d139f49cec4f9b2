package socketio

import (
	"cmp"
	"fmt"

	"maru.example/maru"
	"maru.example/maru/internal/packet"
	"maru.example/maru/internal/session"
	"maru.example/maru/internal/strict"
)

// command is the session's command of an event. Its ref is that of the ack; 0: none was asked for.
func command(p Packet) session.Command {
	ref := uint64(p.ID + 1) // NoID is -1
	all, err := packet.Args(p.Data)
	if err != nil {
		return session.Invalid{Ref: ref, Err: err}
	}
	name, err := strict.String(all[0])
	if err != nil {
		return session.Invalid{Ref: ref, Err: err}
	}
	a := arguments{event: string(name), values: all[1:], binary: p.Binary}
	c, err := a.command(ref)
	if err != nil {
		return session.Invalid{Ref: ref, Err: err}
	}
	return c
}

// arguments are those of an event behind its name.
type arguments struct {
	event  string
	values []strict.Raw
	binary [][]byte
}

func (a *arguments) command(ref uint64) (session.Command, error) {
	switch a.event {
	case "subscribe":
		return a.subscribe(ref)
	case "unsubscribe":
		channel, err := a.channel(1)
		return session.Unsubscribe{Ref: cmp.Or(ref, unackedRef), Channel: channel}, err
	case "publish":
		return a.publish(ref)
	case "history":
		return a.history(ref)
	case "presence":
		channel, err := a.channel(1)
		return session.Presence{Ref: ref, Channel: channel}, err
	case "refresh":
		token, err := a.text(0, "token")
		return session.Refresh{Ref: ref, Token: token}, err
	case "rpc":
		return a.rpc(ref)
	}
	return nil, maru.NewError(maru.CodeBadRequest, fmt.Sprintf(
		"there is no event %q: emit subscribe, unsubscribe, publish, history, presence, refresh or rpc (docs/socketio.md)", a.event))
}

// channel is the first argument. The event takes at most so many.
func (a *arguments) channel(most int) (string, error) {
	if len(a.values) > most {
		return "", maru.NewError(maru.CodeBadRequest, fmt.Sprintf("%s takes at most %d arguments and an ack", a.event, most))
	}
	return a.text(0, "channel")
}

func (a *arguments) text(i int, name string) (string, error) {
	var s []byte
	err := error(nil)
	if i < len(a.values) {
		s, err = strict.String(a.values[i])
	}
	if i >= len(a.values) || err != nil {
		return "", maru.NewError(maru.CodeBadRequest, fmt.Sprintf("%s: argument %d must be the %s, a string", a.event, i+1, name))
	}
	return string(s), nil
}

// options decodes the argument with options, if there is one.
func (a *arguments) options(i int, v any) error {
	if i >= len(a.values) || string(a.values[i]) == "null" {
		return nil
	}
	if err := strict.Decode(a.values[i], v); err != nil {
		return maru.NewError(maru.CodeBadRequest, fmt.Sprintf("%s: options: %v", a.event, err))
	}
	return nil
}

var (
	errDeliver    = maru.NewError(maru.CodeBadRequest, "subscribe: deliver must be all or latest")
	errDeliverAll = maru.NewError(maru.CodeBadRequest, "subscribe: max_hz needs deliver latest, not all")
	errNoData     = maru.NewError(maru.CodeBadRequest, "publish: argument 2 must be the data: a string, bytes or JSON")
	errInside     = maru.NewError(maru.CodeBadRequest, "publish: bytes must be the whole data, not a part of it: a channel has text, JSON or binary")
	errDeep       = maru.NewError(maru.CodeBadJSON, "publish: the data is nested too deep")
	errSurrogate  = maru.NewError(maru.CodeBadText, "publish: the string has half a surrogate pair, which is not valid Unicode")
)

func (a *arguments) subscribe(ref uint64) (session.Command, error) {
	var o struct {
		Since    string  `json:"since"`
		Last     int     `json:"last"`
		Deliver  string  `json:"deliver"`
		MaxHz    float64 `json:"max_hz"`
		Presence bool    `json:"presence"`
		Token    string  `json:"token"`
	}
	channel, err := a.channel(2)
	if err == nil {
		err = a.options(1, &o)
	}
	var since *maru.Position
	if err == nil {
		since, err = position(o.Since)
	}
	switch {
	case err != nil:
	case o.Deliver != "" && o.Deliver != "all" && o.Deliver != "latest":
		err = errDeliver
	case o.Deliver == "all" && o.MaxHz != 0:
		err = errDeliverAll
	}
	return session.Subscribe{Ref: ref, Channel: channel, Since: since, Last: o.Last,
		Latest: o.Deliver == "latest", MaxHz: o.MaxHz, Presence: o.Presence, Token: o.Token}, err
}

func (a *arguments) publish(ref uint64) (session.Command, error) {
	var o struct {
		Key            string `json:"key"`
		IdempotencyKey string `json:"idempotency_key"`
		Version        uint64 `json:"version"`
		Transient      bool   `json:"transient"`
	}
	channel, err := a.channel(3)
	if err == nil {
		err = a.options(2, &o)
	}
	p := &maru.Publication{Key: o.Key}
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

func (a *arguments) history(ref uint64) (session.Command, error) {
	var o struct {
		Since  string `json:"since"`
		Before string `json:"before"`
		Limit  int    `json:"limit"`
	}
	channel, err := a.channel(2)
	if err == nil {
		err = a.options(1, &o)
	}
	c := session.History{Ref: ref, Channel: channel, Limit: o.Limit}
	if err == nil {
		c.Since, err = position(o.Since)
	}
	if err == nil {
		c.Before, err = position(o.Before)
	}
	return c, err
}

func (a *arguments) rpc(ref uint64) (session.Command, error) {
	method, err := a.text(0, "method")
	c := session.RPC{Ref: ref, Method: method}
	if err == nil && len(a.values) > 1 {
		if c.Data, err = strict.Compact(a.values[1]); err != nil {
			err = errDeep
		}
	}
	return c, err
}

// position reads since or before; nil for an empty one.
func position(text string) (*maru.Position, error) {
	if text == "" {
		return nil, nil
	}
	p, err := maru.ParsePosition(text)
	return &p, err
}
