package admission

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// Admission admits live connections, lists them, and logs when they open and close. The
// exported fields are set before use; all but Drain are needed.
type Admission struct {
	Registry      *Registry
	Authenticator *auth.Authenticator
	Rules         *auth.Rules
	Rates         *Rates
	Log           *slog.Logger
	Drain         Drain

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
			return who, err
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
	if a.Drain.Begun() {
		return in, errShuttingDown
	}
	if in.Who, err = a.Allow(r, channel, actions...); err != nil {
		return in, err
	}
	caller := auth.CallerFrom(r.Context())
	if err := a.Rates.Connect(in.Who, caller.Addr); err != nil {
		return in, err
	}
	in.Reservation, err = a.Registry.Reserve(caller.Holder(in.Who), caller.Addr)
	return in, err
}

// MayPublish reports whether a client may publish in a channel now. own is the connection's
// rate limiter, nil if it has none. It waits if the rules do. Errors: those of May,
// CodeRateLimited.
func (a *Admission) MayPublish(ctx context.Context, who auth.Identity, addr netip.Addr, own *Pace, channel string) error {
	if err := a.May(ctx, who, auth.Publish, channel); err != nil {
		return err
	}
	return a.Rates.Publish(who, addr, own)
}

// MayCall reports whether a client may call a method now. It waits if the rules do. Errors:
// those of May, CodeRateLimited.
func (a *Admission) MayCall(ctx context.Context, who auth.Identity, addr netip.Addr, method string) error {
	if err := a.May(ctx, who, auth.Call, method); err != nil {
		return err
	}
	return a.Rates.Call(who, addr)
}

// Refuse answers a request for a live connection with err, and logs the reason. The log leaves
// out the query, which may hold a secret.
func (a *Admission) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	a.logRefused(r, err)
	e := maru.ErrorOf(err)
	if e.Code == maru.CodeShuttingDown && a.Drain.Begun() {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(a.Drain.Left().Seconds())))))
	}
	auth.WriteError(w, r, err)
}

// Refused counts and logs a refusal that the caller answers.
func (a *Admission) Refused(r *http.Request, err error) {
	a.logRefused(r, err)
	auth.CallerFrom(r.Context()).CountRefusal(maru.ErrorOf(err).Code)
}

// logRefused logs the reason, unless the Authenticator has done so.
func (a *Admission) logRefused(r *http.Request, err error) {
	var token *auth.TokenError
	if errors.As(err, &token) {
		return
	}
	e := maru.ErrorOf(err)
	level, reason := slog.LevelWarn, e.Message
	if e.Code == maru.CodeInternal {
		level, reason = slog.LevelError, err.Error()
	}
	a.Log.LogAttrs(r.Context(), level, "refused",
		slog.String("code", string(e.Code)), slog.String("reason", reason),
		slog.String("addr", auth.CallerFrom(r.Context()).Addr.String()),
		slog.String("method", r.Method), slog.String("path", r.URL.Path))
}

// Opened counts and logs that a live connection was opened.
func (a *Admission) Opened(t *Transport, live Live) {
	t.begin()
	if a.logs() {
		a.Log.LogAttrs(context.Background(), slog.LevelDebug, "connected", attrs(live)...)
	}
}

// Closed counts and logs that a live connection was closed: its close code, 0 if the transport
// has none, and the reason.
func (a *Admission) Closed(t *Transport, live Live, code int, reason string) {
	t.end(code, reason)
	if !a.logs() {
		return
	}
	all := attrs(live)
	if code != 0 {
		all = append(all, slog.Int("code", code))
	}
	all = append(all, slog.String("reason", reason), slog.Duration("duration", a.Registry.Age(live.Entry()).Truncate(time.Millisecond)))
	a.Log.LogAttrs(context.Background(), slog.LevelDebug, "disconnected", all...)
}

// logs is checked first, so that a connection that is not logged costs nothing. Writing both
// lines takes longer than the handshake, and they only help to find a fault.
func (a *Admission) logs() bool { return a.Log.Enabled(context.Background(), slog.LevelDebug) }

func attrs(live Live) []slog.Attr {
	info := live.Info()
	all := make([]slog.Attr, 0, 8)
	channel := ""
	if len(info.Channels) == 1 {
		channel = info.Channels[0]
	}
	all = append(all, slog.Uint64("connection", info.ID), slog.String("transport", info.Transport),
		slog.String("channel", channel), slog.String("addr", info.Addr.String()))
	if info.User != "" {
		all = append(all, slog.String("user", info.User))
	}
	return all
}
