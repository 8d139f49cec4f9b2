package auth

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"maru.example/maru"
)

// Action is something that a client can do in a channel, or with a method.
type Action uint8

const (
	Subscribe Action = iota // receive new publications
	Publish                 // publish
	History                 // read earlier publications: history, polls, and the replay of a subscription (since, last)
	Presence                // see the people in the channel
	Call                    // call a method: an RPC. The method's name stands where a channel's does
)

var actionNames = [...]string{Subscribe: "subscribe", Publish: "publish", History: "history", Presence: "presence", Call: "rpc"}

// String is the action's key in the configuration file.
func (a Action) String() string { return actionNames[a] }

// Allowed is a namespace's rule for each Action.
type Allowed [len(actionNames)]maru.Rule

// Rules decide who may do what. Allow waits only for Program. The zero value is open mode:
// everybody may do everything, except in channels that are reserved for the server.
type Rules struct {
	table atomic.Pointer[map[string]Allowed] // nil: open mode

	// Program, if not nil, may refuse what the rules allow. It may wait, until ctx ends. It is
	// set before the first use.
	Program func(ctx context.Context, who Identity, do Action, channel string) error
}

// Wait reports whether Allow may wait. Then it must not be called on a loop, nor with a lock held.
func (r *Rules) Wait() bool { return r.Program != nil }

// Set replaces the rules, for all decisions to come. A namespace that is not listed
// follows maru.DefaultNamespace, and without that everything in it is refused. A nil
// table is open mode. The table is not changed afterwards.
func (r *Rules) Set(table map[string]Allowed) {
	if table == nil {
		r.table.Store(nil)
		return
	}
	r.table.Store(&table)
}

// Open reports whether there are no rules.
func (r *Rules) Open() bool { return r.table.Load() == nil }

// Allow decides whether an identity may perform an action in a channel, whose name is valid, or by
// Call with a method. The namespace of a method is the part of its name before the first ":", as that of a
// channel. The error's code is CodeNotAllowed, and its message says what the rule requires; or it
// is an error of Program.
func (r *Rules) Allow(ctx context.Context, who Identity, do Action, channel string) error {
	if err := r.Permit(who, do, channel); err != nil || r.Program == nil {
		return err
	}
	return r.Program(ctx, who, do, channel)
}

// Permit is Allow without Program: it never waits.
func (r *Rules) Permit(who Identity, do Action, channel string) error {
	if do != Call && maru.Reserved(channel) {
		return errReserved
	}
	if rule := r.Of(do, channel); !who.meets(rule, channel) {
		return r.refusal(do, rule, channel)
	}
	return nil
}

// Of returns the rule of an action in a channel that is not reserved; maru.Anyone in open mode.
func (r *Rules) Of(do Action, channel string) maru.Rule {
	table := r.table.Load()
	if table == nil {
		return maru.Anyone
	}
	allowed, listed := (*table)[maru.Namespace(channel)]
	if !listed {
		allowed = (*table)[maru.DefaultNamespace]
	}
	return allowed[do]
}

// refusal says what the rule requires. The author of the rules may believe that [namespaces.news]
// is about the channel news too: the refusal of that channel says where it is.
func (r *Rules) refusal(do Action, rule maru.Rule, channel string) error {
	plain, table := refusals[do][min(rule, maru.ServerOnly)], r.table.Load()
	if table == nil || channel == maru.DefaultNamespace {
		return plain
	}
	if _, listed := (*table)[channel]; !listed {
		return plain
	}
	thing := "channel"
	if do == Call {
		thing = "method"
	}
	return maru.NewError(maru.CodeNotAllowed, maru.ErrorOf(plain).Message+fmt.Sprintf(
		"; the %[1]s %[2]s is in the namespace default, and the rules of the namespace %[2]s are for names with a colon, such as %[2]s:1", thing, channel))
}

// meets reports whether the rule is met for that channel.
func (who Identity) meets(rule maru.Rule, channel string) bool {
	switch {
	case rule == maru.Anyone:
		return true
	case rule == maru.Nobody:
		return false
	case who.Server():
		return true
	}
	switch rule {
	case maru.SignedIn:
		return who.User != ""
	case maru.Own:
		return who.User != "" && who.User == maru.Owner(channel)
	case maru.ByToken:
		return who.Grant != nil && who.Grant.names(channel)
	}
	return false
}

// names reports whether the token names the channel: exactly, or by PREFIX:*, which names
// all channels that begin with PREFIX and the colon. A star elsewhere has no meaning.
func (g *Grant) names(channel string) bool {
	return slices.ContainsFunc(g.Channels, func(pattern string) bool {
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok && strings.HasSuffix(prefix, ":") {
			return strings.HasPrefix(channel, prefix)
		}
		return pattern == channel
	})
}

var errReserved = maru.NewError(maru.CodeNotAllowed, "channel names that begin with $ are reserved for the server")

// refusals are made once, so that a refusal is cheap for the server.
var refusals = func() (table [len(actionNames)][maru.ServerOnly + 1]error) {
	wants := [...]string{
		maru.Nobody:     "no rule of the namespace allows it",
		maru.SignedIn:   "the rule of the namespace requires a signed-in person",
		maru.Own:        "the rule of the namespace allows only the person whom the channel names",
		maru.ByToken:    "the rule of the namespace requires a token that names the channel or method",
		maru.ServerOnly: "the rule of the namespace requires an API key",
	}
	for do, name := range actionNames {
		for rule, want := range wants {
			table[do][rule] = maru.NewError(maru.CodeNotAllowed, name+" is not allowed: "+want)
		}
	}
	return table
}()
