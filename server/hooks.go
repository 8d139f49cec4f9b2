package server

import (
	"net/http"
	"time"

	"maru.example/maru/internal/auth"
)

// Caller is who asks, by the server's word. The zero Caller is anonymous.
type Caller struct {
	User string // the person; empty: anonymous, or a back end
	// Channels are those that the person's token names, for the rule maru.ByToken: NAME,
	// or PREFIX:* for all that begin so.
	Channels []string
	// Expires is when a live connection of theirs ends, with token_expired; zero: never.
	Expires time.Time
	// BackEnd says that it is a back end with an API key.
	BackEnd bool
}

// Action is what somebody does in a channel.
type Action = auth.Action

const (
	Subscribe    = auth.Subscribe // get what is published from now on
	Publish      = auth.Publish   // publish
	ReadHistory  = auth.History   // read what was published before, and recover it
	ReadPresence = auth.Presence  // see who is there
)

// Hooks let the program that embeds the server decide.
type Hooks struct {
	// Identify says who sends a request that brings no token, ticket or API key; it
	// takes the place of nicknames and of the connect webhook. The channel is empty where
	// the request is about none. It may wait, and is called in a goroutine of the request.
	// An error refuses: a *maru.Error as it is, any other as internal, and it is logged.
	Identify func(r *http.Request, channel string) (Caller, error)
	// Allow is asked about what Namespaces allow, or everything without them, for each
	// subscription, publication, history and presence, and may refuse: with a *maru.Error, of
	// CodeNotAllowed mostly. Server.Publish is not asked about. It must not wait: it is
	// called on the loops.
	Allow func(who Caller, do Action, channel string) error
}

// program is Hooks.Identify, as package auth asks it.
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

// allow is Hooks.Allow, as package auth asks it.
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
