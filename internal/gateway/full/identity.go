package full

import (
	"time"

	"maru/internal/auth"
	"maru/internal/session"
)

// Identity is somebody as a session sees them: what they may is the rules'.
func Identity(rules *auth.Rules, who auth.Identity) session.Identity { return &identity{rules, who} }

type identity struct {
	rules *auth.Rules
	who   auth.Identity
}

func (i *identity) User() string { return i.who.User }

func (i *identity) Expires() time.Time {
	if i.who.Grant == nil {
		return time.Time{}
	}
	return i.who.Grant.Expires
}

func (i *identity) MaySubscribe(channel string) error    { return i.may(auth.Subscribe, channel) }
func (i *identity) MayPublish(channel string) error      { return i.may(auth.Publish, channel) }
func (i *identity) MayReadHistory(channel string) error  { return i.may(auth.History, channel) }
func (i *identity) MayReadPresence(channel string) error { return i.may(auth.Presence, channel) }

func (i *identity) may(do auth.Action, channel string) error {
	return i.rules.Allow(i.who, do, channel)
}
