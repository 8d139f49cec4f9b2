package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"
	"unicode/utf8"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// Caller is the identity of a client. The zero Caller is anonymous.
type Caller struct {
	User string // the person; empty: anonymous, or a back end
	// Channels are those that the person's token names, for the rule maru.ByToken: NAME, or
	// PREFIX:* for all channels with that prefix.
	Channels []string
	// Expires is when this ends; zero: never. Live connections that Hooks.Identify has
	// identified are then closed with reconnect: they come back, and it is called again.
	Expires time.Time
	// BackEnd reports a back end with an API key.
	BackEnd bool
}

// Action is what a client does in a channel, or with a method.
type Action = auth.Action

const (
	Subscribe    = auth.Subscribe // receive new publications
	Publish      = auth.Publish   // publish
	ReadHistory  = auth.History   // read earlier publications, and recover missed ones
	ReadPresence = auth.Presence  // see who is subscribed
	Call         = auth.Call      // call a method of RPC; the method's name is in place of the channel's
)

// Hooks let the program that embeds the server decide about clients.
//
// All hooks, and Options.RPC, may wait, for up to 30 s: each runs in a goroutine, and holds up only
// the request or the connection that it is about. Its context ends with that request or connection, and after
// 30 s. A connection that is not read, because too much of it is in progress, ends unnoticed until
// then; so does a POST whose body has not been read yet. An error that is a *maru.Error reaches
// the client as it is; any other is logged, and reaches the client as internal. A panic counts as
// such an error, and the log has its stack. Shutdown waits for hooks in progress, and calls no
// more of them. Hooks are called by many goroutines at once.
type Hooks struct {
	// Identify identifies requests without a token, ticket or API key, instead of nicknames and
	// the connect webhook. The channel is empty if the request is not about one. The context is
	// that of the request. An error refuses the request.
	Identify func(r *http.Request, channel string) (Caller, error)
	// Allow may refuse what Namespaces allow (without Namespaces: everything). It is called for
	// each subscription, publication, history, presence and RPC, but not for Server.Publish. It
	// refuses with a *maru.Error, usually of CodeNotAllowed. It is not asked again while a
	// subscription lives: see Server.Unsubscribe and Server.Reconnect. Publications of one
	// connection are asked about one after another, also those that were received just before
	// its end.
	Allow func(ctx context.Context, who Caller, do Action, channel string) error
}

// hookTimeout is how long a hook may take. A hook that ignores its context may take longer.
const hookTimeout = 30 * time.Second

// errGone answers a request whose client is not there any more, so it is never seen.
var errGone = maru.NewError(maru.CodeUnavailable, "the client went away before the program had decided")

// call calls a hook: with a limited time, unless the server is shutting down, and so that a
// panic is an error.
func (s *Server) call(ctx context.Context, hook string, do func(context.Context) error) (err error) {
	if !s.requests.begin() {
		return errShuttingDown
	}
	defer s.requests.end()
	limited, cancel := context.WithTimeout(ctx, hookTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			s.options.Logger.LogAttrs(ctx, slog.LevelError, "hook panicked",
				slog.String("hook", hook), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("Options.%s panicked: %v", hook, p)
		}
	}()
	err = do(limited)
	if public := (*maru.Error)(nil); err != nil && ctx.Err() != nil && !errors.As(err, &public) {
		return errGone
	}
	return err
}

// identify adapts Hooks.Identify to package auth; nil: there is none.
func (s *Server) identify() func(*http.Request, string) (auth.Identity, error) {
	hook := s.options.Identify
	if hook == nil {
		return nil
	}
	return func(r *http.Request, channel string) (auth.Identity, error) {
		var identity auth.Identity
		err := s.call(r.Context(), "Identify", func(ctx context.Context) error {
			who, err := hook(r.WithContext(ctx), channel)
			if err != nil {
				return err
			}
			identity.User = who.User
			if len(who.Channels) > 0 || !who.Expires.IsZero() {
				identity.Grant = &auth.Grant{Channels: who.Channels, Expires: who.Expires}
			}
			return nil
		})
		return identity, err
	}
}

// allow adapts Hooks.Allow to package auth; nil: there is none.
func (s *Server) allow() func(context.Context, auth.Identity, auth.Action, string) error {
	hook := s.options.Allow
	if hook == nil {
		return nil
	}
	return func(ctx context.Context, who auth.Identity, do auth.Action, channel string) error {
		return s.call(ctx, "Allow", func(ctx context.Context) error { return hook(ctx, callerOf(who), do, channel) })
	}
}

// rpc adapts Options.RPC to sessions; nil: there is none.
func (s *Server) rpc() func(context.Context, auth.Identity, string, []byte) ([]byte, error) {
	hook := s.options.RPC
	if hook == nil {
		return nil
	}
	return func(ctx context.Context, who auth.Identity, method string, data []byte) (answer []byte, err error) {
		defer func(start time.Time) { s.called.Observe(time.Since(start)) }(time.Now())
		err = s.call(ctx, "RPC", func(ctx context.Context) error {
			answer, err = hook(ctx, callerOf(who), method, data)
			if err == nil && len(answer) > 0 && !(json.Valid(answer) && utf8.Valid(answer)) { // RFC 8259 §8.1
				err = fmt.Errorf("Options.RPC answered %q with invalid JSON", method)
			}
			return err
		})
		return answer, err
	}
}

func callerOf(who auth.Identity) Caller {
	c := Caller{User: who.User, BackEnd: who.Server()}
	if g := who.Grant; g != nil {
		c.Channels, c.Expires = g.Channels, g.Expires
	}
	return c
}
