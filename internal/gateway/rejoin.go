package gateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/session"
)

// maxResumeBytes bounds the data of the histories of one Resume, which are in memory together.
const maxResumeBytes = 16 << 20

var (
	errResumeGap   = maru.NewError(maru.CodeGap, "something of these channels is no longer retained")
	errResumeMode  = maru.NewError(maru.CodeGap, "the rules for how often a client gets publications of these channels have changed")
	errResumeLarge = maru.NewError(maru.CodeGap, fmt.Sprintf("more than %d bytes were missed", maxResumeBytes))
)

// Rejoin joins several channels together: see hub.AttachTogether. When nothing is missing it sends
// Resumed, then what was missed. An error after that closes the connection, whose client then comes back.
func (m *Multiplex) Rejoin(ctx context.Context, ref uint64, joins []session.Join) ([]session.Subscription, error) {
	if m.endpoint.Admission.Registry.Overloaded() {
		return nil, auth.ErrOverloaded
	}
	m.awaitOthers(ctx, joins)
	all, err := m.joinAll(ctx, joins)
	if err != nil {
		for i := range all {
			all[i].Cancel()
			all[i].channel.Release()
		}
		return nil, err
	}
	var to hub.Receiver
	r, watches := m.own.(rejoinWatcher)
	if watches {
		to = r.Rejoining()
	}
	m.own.Reply(ref, session.Resumed{})
	for i, a := range all {
		if joins[i].Presence && watches {
			here := a.channel.Follow(m.conn, a.socket.Form)
			a.follows = true
			r.Present(here)
		}
	}
	if n, err := attachAll(ctx, all, to); err != nil {
		for _, a := range all[n:] {
			a.Cancel()
			a.unfollow()
			a.channel.Release()
		}
		for _, a := range all[:n] {
			a.Leave()
		}
		m.own.Close(err)
		return nil, nil
	}
	subs := make([]session.Subscription, len(all))
	for i, o := range joins {
		k := slices.IndexFunc(all, func(a *resuming) bool { return a.channel.Name() == o.Channel })
		subs[i] = all[k].subscription
	}
	return subs, nil
}

// awaitOthers calls hub.AwaitOthers for the channels whose presence is asked for.
func (m *Multiplex) awaitOthers(ctx context.Context, joins []session.Join) {
	var all []string
	for _, o := range joins {
		if o.Presence {
			all = append(all, o.Channel)
		}
	}
	m.endpoint.Hub.AwaitOthers(ctx, all...)
}

// attachAll attaches those without a Mode together, and then each of the others. It changes the order:
// on an error the first n are attached.
func attachAll(ctx context.Context, all []*resuming, to hub.Receiver) (n int, err error) {
	slices.SortStableFunc(all, func(a, b *resuming) int {
		return cmp.Compare(conflation(a.socket.Mode), conflation(b.socket.Mode))
	})
	var together []hub.Attachment
	for _, a := range all {
		if conflation(a.socket.Mode) == 0 {
			a.To = to
			together = append(together, hub.Attachment{Joining: a.Joining, Socket: a.socket})
		}
	}
	if err := hub.AttachTogether(ctx, together); err != nil {
		return 0, err
	}
	n = len(together)
	for _, a := range all[n:] {
		if err := a.Attach(ctx, a.socket, nil); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func conflation(m hub.Mode) int {
	if m == (hub.Mode{}) {
		return 0
	}
	return 1
}

// A rejoinWatcher is a Carrier whose clients come back.
type rejoinWatcher interface {
	// Rejoining says what gets the publications of a Resume; nil: the connection.
	Rejoining() hub.Receiver
	// Present sends the presence from which the changes of a channel follow.
	Present(here maru.Presence)
}

// resuming is a subscription of a Resume that has not begun.
type resuming struct {
	hub.Joining
	*subscription
}

// settle removes the gap of a channel in which nothing was published up to a position of its history
// that is from another channel: what a client has of several channels is one position.
func settle(h *maru.History, since *maru.Position) {
	if h.Gap != nil && h.Epoch == since.Epoch && h.Head < since.Offset {
		h.Gap, h.Publications = nil, nil
	}
}

// joinAll begins the subscriptions. On an error it returns those that have begun.
func (m *Multiplex) joinAll(ctx context.Context, joins []session.Join) ([]*resuming, error) {
	var all []*resuming
	bytes := 0
	for _, o := range joins {
		r := &resuming{subscription: m.subscription(o)}
		mode := r.socket.Mode
		if o.Conflated != (mode != hub.Mode{}) {
			r.channel.Release()
			return all, errResumeMode
		}
		j, err := r.channel.Join(ctx, mode, &o.Replay)
		if err != nil {
			r.channel.Release()
			return all, err
		}
		settle(&j.History, o.Replay.Since)
		r.Joining = j
		all = append(all, r)
		if j.History.Gap != nil {
			return all, errResumeGap
		}
		for _, p := range j.History.Publications {
			if bytes += len(p.Data); bytes > maxResumeBytes {
				return all, errResumeLarge
			}
		}
	}
	return all, nil
}
