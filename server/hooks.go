package server

import (
	"net/http"
	"time"

	"maru.example/maru/internal/auth"
)

// Caller is the identity of a client. The zero Caller is anonymous.
type Caller struct {
	User string // the person; empty: anonymous, or a back end
	// Channels are those that the person's token names, for the rule maru.ByToken: NAME, or
	// PREFIX:* for all channels with that prefix.
	Channels []string
	// Expires is when the client's live connections are closed with token_expired; zero: never.
	Expires time.Time
	// BackEnd reports a back end with an API key.
	BackEnd bool
}

// Action is what a client does in a channel.
type Action = auth.Action

const (
	Subscribe    = auth.Subscribe // receive new publications
	Publish      = auth.Publish   // publish
	ReadHistory  = auth.History   // read earlier publications, and recover missed ones
	ReadPresence = auth.Presence  // see who is subscribed
)

// Hooks let the program that embeds the server decide about clients.
type Hooks struct {
	// Identify identifies requests without a token, ticket or API key, instead of nicknames and
	// the connect webhook. The channel is empty if the request is not about one. Identify may
	// wait; it runs in a goroutine of the request. An error refuses the request: a *maru.Error
	// is sent as it is, any other is logged and sent as internal.
	Identify func(r *http.Request, channel string) (Caller, error)
	// Allow may refuse what Namespaces allow (without Namespaces: everything). It is called for
	// each subscription, publication, history and presence, but not for Server.Publish. It
	// refuses with a *maru.Error, usually of CodeNotAllowed. It must not wait: it is called on
	// the loops.
	Allow func(who Caller, do Action, channel string) error
}

// program adapts Hooks.Identify to package auth.
func (h Hooks) program() func(*http.Request, string) (auth.Identity, error) {
	if h.Identify == nil {
		return nil
	}
	return func(r *http.Request, channel string) (auth.Identity, error) {
		who, err := h.Identify(r, channel)
		if err != nil {
			return auth.Identity{}, err
		}
		identity := auth.Identity{User: who.User}
		if len(who.Channels) > 0 || !who.Expires.IsZero() {
			identity.Grant = &auth.Grant{Channels: who.Channels, Expires: who.Expires}
		}
		return identity, nil
	}
}

// allow adapts Hooks.Allow to package auth.
func (h Hooks) allow() func(auth.Identity, auth.Action, string) error {
	if h.Allow == nil {
		return nil
	}
	return func(who auth.Identity, do auth.Action, channel string) error {
		return h.Allow(callerOf(who), do, channel)
	}
}

func callerOf(who auth.Identity) Caller {
	c := Caller{User: who.User, BackEnd: who.Server()}
	if g := who.Grant; g != nil {
		c.Channels, c.Expires = g.Channels, g.Expires
	}
	return c
}
