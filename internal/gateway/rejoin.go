package gateway

import (
	"context"
	"fmt"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/session"
)

// maxResumeBytes bounds the data of the histories of one Resume, which are in memory together.
const maxResumeBytes = 16 << 20

var (
	errResumeGap   = maru.NewError(maru.CodeGap, "something of these channels is no longer retained")
	errResumeLarge = maru.NewError(maru.CodeGap, fmt.Sprintf("more than %d bytes were missed", maxResumeBytes))
)

// Rejoin joins several channels of one history together: see hub.AttachTogether. When nothing is
// missing it sends Resumed, then what was missed. An error after that closes the connection, whose
// client then comes back.
func (m *Multiplex) Rejoin(ctx context.Context, ref uint64, joins []session.Join) ([]session.Subscription, error) {
	if m.endpoint.Admission.Registry.Overloaded() {
		return nil, auth.ErrOverloaded
	}
	all, err := m.joinAll(ctx, joins)
	if err != nil {
		for i := range all {
			all[i].Cancel()
			all[i].channel.Release()
		}
		return nil, err
	}
	if r, is := m.own.(rejoinWatcher); is {
		to := r.Rejoining()
		for _, a := range all {
			a.To = to
		}
	}
	m.own.Reply(ref, session.Resumed{})
	attachments := make([]hub.Attachment, len(all))
	for i, a := range all {
		attachments[i] = hub.Attachment{Joining: a.Joining, Socket: a.socket}
	}
	if err := hub.AttachTogether(ctx, attachments); err != nil {
		for i := range all {
			all[i].channel.Release()
		}
		m.own.Close(err)
		return nil, nil
	}
	subs := make([]session.Subscription, len(all))
	for i := range all {
		subs[i] = all[i].subscription
	}
	return subs, nil
}

// A rejoinWatcher is a Carrier that says what gets the publications of a Resume; nil: the connection.
type rejoinWatcher interface{ Rejoining() hub.Receiver }

// resuming is a subscription of a Resume that has not begun.
type resuming struct {
	hub.Joining
	*subscription
}

// joinAll begins the subscriptions. On an error it returns those that have begun.
func (m *Multiplex) joinAll(ctx context.Context, joins []session.Join) ([]*resuming, error) {
	var all []*resuming
	bytes := 0
	for _, o := range joins {
		r := &resuming{subscription: &subscription{
			channel: m.endpoint.Hub.Channel(o.Channel),
			socket:  hub.Socket{Conn: m.conn, Form: m.protocol.form, User: o.User},
		}}
		j, err := r.channel.Join(ctx, hub.Mode{}, &o.Replay)
		if err != nil {
			r.channel.Release()
			return all, err
		}
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
