package entry

import (
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"strconv"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// retryAfter is how long, in seconds, a refused caller should wait.
const retryAfter = "5"

// Door says who comes and what they may, lets live connections in, counts them, and
// keeps the log of their coming and going. All fields but the last two are needed.
type Door struct {
	Limiter       *auth.Limiter
	Authenticator *auth.Authenticator
	Rules         *auth.Rules
	Rates         *auth.Rates
	Log           *slog.Logger
	Drain         Drain
	Counts        Counts
}

// Visitor is who is at the other end of a connection.
type Visitor struct {
	Addr     netip.Addr
	Identity auth.Identity
}

// Allow says who sent the request, if all of that is allowed to them in the channel:
// else CodeNotAllowed, or what Authenticator.Identify has against them. It may wait.
func (d *Door) Allow(r *http.Request, channel string, actions ...auth.Action) (auth.Identity, error) {
	who, err := d.Authenticator.Identify(r, channel)
	if err != nil {
		return who, err
	}
	for _, do := range actions {
		if err := d.Rules.Allow(who, do, channel); err != nil {
			return who, err
		}
	}
	return who, nil
}

// Admit counts a live connection in that wants to do all of that in a channel.
// Errors: CodeShuttingDown, those of Allow, CodeRateLimited, CodeTooManyConnections. Who was
// admitted leaves by Leave, once.
func (d *Door) Admit(r *http.Request, channel string, actions ...auth.Action) (Visitor, error) {
	if d.Drain.Begun() {
		return Visitor{}, errShuttingDown
	}
	who, err := d.Allow(r, channel, actions...)
	if err != nil {
		return Visitor{}, err
	}
	addr := auth.CallerFrom(r.Context()).Addr
	if err := d.Rates.Connect(who, addr); err != nil {
		return Visitor{}, err
	}
	if err := d.Limiter.Enter(addr); err != nil {
		return Visitor{}, err
	}
	return Visitor{Addr: addr, Identity: who}, nil
}

// MayPublish says whether who may publish in a channel now. own is the connection's
// pace, nil where there is none. It does not wait. Errors: CodeNotAllowed,
// CodeRateLimited.
func (d *Door) MayPublish(who auth.Identity, addr netip.Addr, own *auth.Pace, channel string) error {
	if err := d.Rules.Allow(who, auth.Publish, channel); err != nil {
		return err
	}
	return d.Rates.Publish(who, addr, own)
}

// Leave counts the connection out.
func (d *Door) Leave(addr netip.Addr) { d.Limiter.Leave(addr) }

// Refuse answers a request for a live connection with err, and logs why: not
// the query, which may hold a secret.
func (d *Door) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := maru.ErrorOf(err)
	level, reason := slog.LevelWarn, e.Message
	if e.Code == maru.CodeInternal {
		level, reason = slog.LevelError, err.Error()
	}
	d.Log.LogAttrs(r.Context(), level, "refused",
		slog.String("code", string(e.Code)), slog.String("reason", reason),
		slog.String("addr", auth.CallerFrom(r.Context()).Addr.String()),
		slog.String("method", r.Method), slog.String("path", r.URL.Path))
	if e.Code == maru.CodeShuttingDown && d.Drain.Begun() {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(d.Drain.Left().Seconds())))))
	}
	WriteError(w, r, err)
}

// WriteError is auth.WriteError, with Retry-After where coming back helps.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	switch maru.ErrorOf(err).Code.Status() {
	case http.StatusServiceUnavailable:
		if w.Header().Get("Retry-After") == "" {
			w.Header().Set("Retry-After", retryAfter)
		}
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "1")
	}
	auth.WriteError(w, r, err)
}
