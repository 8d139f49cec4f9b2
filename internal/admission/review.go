package admission

import (
	"context"

	"maru.example/maru/internal/auth"
)

// A subscription is a standing decision, and so is a connection: an identity was allowed an action,
// and continues it. May makes the decision. Review makes those that stand again, after one of the
// things that they may rest on has changed.
//
//	opening:   read Changes ─→ decide ─→ list the connection ─→ Changed? then Review it
//	a change:  replace rules, keys, … ─→ Registry.changes + 1 ─→ Review all that are listed
//
// Whichever comes first, a connection that was admitted by what is no longer in force is found:
// by the change if it was listed before, else by itself.

// May returns nil if the identity is still valid and the rules allow it the action in a channel,
// or with a method. If the rules wait, it asks again what may have changed
// meanwhile. Errors: those of auth.Authenticator.Check and of auth.Rules.Allow.
func (a *Admission) May(ctx context.Context, who auth.Identity, do auth.Action, channel string) error {
	err := a.Authenticator.Check(who)
	if err == nil {
		err = a.Rules.Allow(ctx, who, do, channel)
	}
	if err == nil && a.Rules.Wait() {
		err = a.may(who, do, channel)
	}
	return err
}

// may is May, without the part of the rules that may wait.
func (a *Admission) may(who auth.Identity, do auth.Action, channel string) error {
	if err := a.Authenticator.Check(who); err != nil {
		return err
	}
	return a.Rules.Permit(who, do, channel)
}

// Stands is May for a standing decision. It does not wait: the program is not asked again, since
// nothing says that its answer has changed.
func (a *Admission) Stands(d auth.Decision) error {
	if d.Channel == "" {
		return a.Authenticator.Check(d.Who)
	}
	return a.may(d.Who, d.Do, d.Channel)
}

// Review makes all standing decisions again. It is called after the rules, the keys or anything
// else that they rest on was replaced.
func (a *Admission) Review() {
	a.Registry.changes.Add(1)
	for live := range a.Registry.All() {
		live.Review(a.Stands)
	}
}

// Recheck makes the decisions of a connection again, if there was a change since Changes
// returned that number.
func (a *Admission) Recheck(live Live, changes uint64) {
	if a.Registry.Changes() != changes {
		live.Review(a.Stands)
	}
}

// Changes counts the changes by which standing decisions may fall.
func (r *Registry) Changes() uint64 { return r.changes.Load() }

// Close implements auth.Connections.
func (r *Registry) Close(x auth.Target, err error) (n int) {
	r.changes.Add(1) // a revocation comes before
	for live := range r.among(x) {
		if x.Is(live.Identity()) && in(live, x) {
			live.Close(err)
			n++
		} else if x.Token != "" {
			live.Review(func(d auth.Decision) error { return hit(d, x, false, err) })
		}
	}
	return n
}

// Unsubscribe implements auth.Connections.
func (r *Registry) Unsubscribe(x auth.Target, err error) (n int) {
	for live := range r.among(x) {
		theirs := x.Is(live.Identity())
		n += live.Review(func(d auth.Decision) error { return hit(d, x, theirs, err) })
	}
	return n
}

// hit returns err if the target means the subscription with that decision, or if the connection
// is theirs, the target's.
func hit(d auth.Decision, x auth.Target, theirs bool, err error) error {
	if d.Channel != "" && x.Covers(d.Channel) && (theirs || x.Is(d.Who)) {
		return err
	}
	return nil
}

// in reports whether the connection is in the target's channel.
func in(live Live, x auth.Target) bool {
	found := x.Channel == ""
	if !found {
		live.Review(func(d auth.Decision) error {
			found = found || d.Channel == x.Channel
			return nil
		})
	}
	return found
}

// among are the connections that the target may mean: one, or all.
func (r *Registry) among(x auth.Target) func(yield func(Live) bool) {
	id, any := x.ConnectionID()
	return func(yield func(Live) bool) {
		for live := range r.All() {
			if (any || live.Entry().ID() == id) && !yield(live) {
				return
			}
		}
	}
}
