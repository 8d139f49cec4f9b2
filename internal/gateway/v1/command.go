package v1

import (
	"maru.example/maru"
	"maru.example/maru/internal/session"
	"maru.example/maru/internal/strict"
)

// command is one message of a client: an id, and exactly one of the others. null stands for an
// absent name.
type command struct {
	ID          uint64     `json:"id"`
	Connect     *connect   `json:"connect"`
	Subscribe   *subscribe `json:"subscribe"`
	Unsubscribe *channel   `json:"unsubscribe"`
	Publish     *publish   `json:"publish"`
	History     *history   `json:"history"`
	Presence    *channel   `json:"presence"`
	Refresh     *token     `json:"refresh"`
	RPC         *rpc       `json:"rpc"`
	Ping        *empty     `json:"ping"`
}

type connect struct {
	Token  string `json:"token"`
	Secret string `json:"secret"`
}

type token struct {
	Token string `json:"token"`
}

type channel struct {
	Channel string `json:"channel"`
}

type subscribe struct {
	Channel  string  `json:"channel"`
	Since    string  `json:"since"`
	Last     int     `json:"last"`
	Deliver  string  `json:"deliver"`
	MaxHz    float64 `json:"max_hz"`
	Presence bool    `json:"presence"`
	Token    string  `json:"token"`
}

type history struct {
	Channel string `json:"channel"`
	Since   string `json:"since"`
	Before  string `json:"before"`
	Limit   int    `json:"limit"`
}

type rpc struct {
	Method string     `json:"method"`
	Data   strict.Raw `json:"data"`
}

type empty struct{}

// names returns the number of command names in the message.
func (c *command) names() (n int) {
	for _, there := range [...]bool{c.Connect != nil, c.Subscribe != nil, c.Unsubscribe != nil, c.Publish != nil,
		c.History != nil, c.Presence != nil, c.Refresh != nil, c.RPC != nil, c.Ping != nil} {
		if there {
			n++
		}
	}
	return n
}

// typed returns the session's command; c has one name.
func (c *command) typed() session.Command {
	switch {
	case c.Connect != nil:
		return session.Connect{Ref: c.ID, Token: c.Connect.Token, Secret: c.Connect.Secret}
	case c.Subscribe != nil:
		return c.Subscribe.typed(c.ID)
	case c.Unsubscribe != nil:
		return session.Unsubscribe{Ref: c.ID, Channel: c.Unsubscribe.Channel}
	case c.Publish != nil:
		return c.Publish.typed(c.ID)
	case c.History != nil:
		return c.History.typed(c.ID)
	case c.Presence != nil:
		return session.Presence{Ref: c.ID, Channel: c.Presence.Channel}
	case c.Refresh != nil:
		return session.Refresh{Ref: c.ID, Token: c.Refresh.Token}
	case c.RPC != nil && strict.TooDeep(c.RPC.Data):
		return session.Invalid{Ref: c.ID, Err: errDeep}
	case c.RPC != nil:
		return session.RPC{Ref: c.ID, Method: c.RPC.Method, Data: c.RPC.Data}
	}
	return session.Ping{Ref: c.ID}
}

var (
	errDeliver    = maru.NewError(maru.CodeBadRequest, "deliver must be all or latest")
	errDeliverAll = maru.NewError(maru.CodeBadRequest, "max_hz needs deliver latest, not all")
)

func (c *subscribe) typed(ref uint64) session.Command {
	switch {
	case c.Deliver != "" && c.Deliver != "all" && c.Deliver != "latest":
		return invalid(ref, c.Channel, errDeliver)
	case c.Deliver == "all" && c.MaxHz != 0:
		return invalid(ref, c.Channel, errDeliverAll)
	}
	since, err := position(c.Since)
	if err != nil {
		return invalid(ref, c.Channel, err)
	}
	return session.Subscribe{Ref: ref, Channel: c.Channel, Since: since, Last: c.Last,
		Latest: c.Deliver == "latest", MaxHz: c.MaxHz, Presence: c.Presence, Token: c.Token}
}

func (c *history) typed(ref uint64) session.Command {
	since, err := position(c.Since)
	if err != nil {
		return invalid(ref, c.Channel, err)
	}
	before, err := position(c.Before)
	if err != nil {
		return invalid(ref, c.Channel, err)
	}
	return session.History{Ref: ref, Channel: c.Channel, Since: since, Before: before, Limit: c.Limit}
}

// position reads since or before; nil for an empty one.
func position(text string) (*maru.Position, error) {
	if text == "" {
		return nil, nil
	}
	p, err := maru.ParsePosition(text)
	return &p, err
}

// invalid is a command about a channel that fails with err, or with the error of the channel
// name, which comes first in the message.
func invalid(ref uint64, channel string, err error) session.Command {
	if bad := maru.CheckChannel(channel); bad != nil {
		err = bad
	}
	return session.Invalid{Ref: ref, Err: err}
}
