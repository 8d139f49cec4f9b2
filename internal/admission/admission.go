package admission

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync"

	"maru.example/maru/internal/auth"
)

// Admission admits live connections, lists them, and logs when they open and close. The
// exported fields are set before use; all but Drain and Failures are needed.
type Admission struct {
	Registry      *Registry
	Authenticator *auth.Authenticator
	Rules         *auth.Rules
	Rates         *Rates
	Log           *slog.Logger
	Drain         Drain
	Failures      *auth.Refusals // counts commands that were answered with an error; nil: they are not counted

	mu         sync.Mutex
	transports []*Transport
}

// Transport returns the transport of a name, which is that of its connections in logs and metrics,
// and adds it if there is none. A protocol may have several addresses.
func (a *Admission) Transport(name string) *Transport {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range a.transports {
		if t.name == name {
			return t
		}
	}
	t := &Transport{name: name}
	a.transports = append(a.transports, t)
	return t
}

// Transports returns all transports, in the order in which they were added.
func (a *Admission) Transports() []*Transport {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.transports)
}

// Allow identifies the sender of a request, and checks that it may perform all the actions in
// the channel. Errors: CodeNotAllowed, those of Authenticator.Identify. It may wait.
func (a *Admission) Allow(r *http.Request, channel string, actions ...auth.Action) (auth.Identity, error) {
	who, err := a.Authenticator.Identify(r, channel)
	if err != nil {
		return who, err
	}
	for _, do := range actions {
		if err := a.Rules.Allow(r.Context(), who, do, channel); err != nil {
			return who, of(who, err)
		}
	}
	return who, nil
}

// Admitted is a live connection that may be opened.
type Admitted struct {
	Who         auth.Identity
	Reservation Reservation // Registry.Remove gives it back, once
	Changes     uint64      // Registry.Changes before anything was decided
}

// Admit admits a live connection that wants to perform the actions in a channel. Errors:
// CodeShuttingDown, those of Allow, CodeRateLimited, CodeTooManyConnections, CodeOverloaded.
func (a *Admission) Admit(r *http.Request, channel string, actions ...auth.Action) (in Admitted, err error) {
	in.Changes = a.Registry.Changes()
	if a.Drain.refuses() {
		return in, errShuttingDown
	}
	if in.Who, err = a.Allow(r, channel, actions...); err != nil {
		return in, err
	}
	caller := auth.CallerFrom(r.Context())
	if err := a.Rates.Connect(in.Who, caller.Addr); err != nil {
		return in, of(in.Who, err)
	}
	in.Reservation, err = a.Registry.Reserve(caller.Holder(in.Who), caller.Addr)
	return in, of(in.Who, err)
}

// MayPublish reports whether a client may publish in a channel now. own is the connection's
// rate limiter, nil if it has none. It waits if the rules do. Errors: those of May,
// CodeRateLimited.
func (a *Admission) MayPublish(ctx context.Context, who auth.Identity, addr netip.Addr, own *Pace, channel string) error {
	if err := a.May(ctx, who, auth.Publish, channel); err != nil {
		return of(who, err)
	}
	return of(who, a.Rates.Publish(who, addr, own))
}

// MayCall reports whether a client may call a method now. It waits if the rules do. Errors:
// those of May, CodeRateLimited.
func (a *Admission) MayCall(ctx context.Context, who auth.Identity, addr netip.Addr, method string) error {
	if err := a.May(ctx, who, auth.Call, method); err != nil {
		return err
	}
	return a.Rates.Call(who, addr)
}
