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
