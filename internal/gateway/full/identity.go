package full

import (
	"time"

	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/entry"
	"maru.example/maru/internal/session"
)

// Identity is somebody as a session sees them: what they may is the rules'.
func Identity(door *entry.Door, who auth.Identity) session.Identity {
	return &identity{door: door, who: who}
}

// Who is what Identity was made of.
func Who(i session.Identity) auth.Identity { return i.(*identity).who }

type identity struct {
	door *entry.Door
	who  auth.Identity
	conn *member // whose it is; nil until Connection.Identified
}

func (i *identity) User() string { return i.who.User }

func (i *identity) Publisher() string { return i.who.Publisher() }

func (i *identity) Expires() time.Time {
	if i.who.Grant == nil {
		return time.Time{}
	}
	return i.who.Grant.Expires
}

// Watch is of a channel's token; the connection's own end is member.attach's.
func (i *identity) Watch(end func(error)) (release func(), err error) {
	tie, err := i.door.Authenticator.Watch(&i.who, auth.CloseFunc(end))
	return tie.Release, err
}

func (i *identity) MaySubscribe(channel string) error    { return i.may(auth.Subscribe, channel) }
func (i *identity) MayReadHistory(channel string) error  { return i.may(auth.History, channel) }
func (i *identity) MayReadPresence(channel string) error { return i.may(auth.Presence, channel) }

// MayPublish also counts against the limits on publications a second: it is asked once
// for each.
func (i *identity) MayPublish(channel string) error {
	return i.door.MayPublish(i.who, i.conn.addr, &i.conn.pace, channel)
}

func (i *identity) may(do auth.Action, channel string) error {
	return i.door.Rules.Allow(i.who, do, channel)
}
