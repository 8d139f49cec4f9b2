package admission

import (
	"context"
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

// retryAfter is how long, in seconds, a refused caller should wait.
const retryAfter = "5"

// Admission lets live connections in, lists them, and keeps the log of their beginnings
// and ends. The exported fields are set before use; all but Drain are needed.
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

// Transport makes a way in which connections come.
func (a *Admission) Transport(name string) *Transport {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := &Transport{name: name}
	a.transports = append(a.transports, t)
	return t
}

// Transports are all of them, in the order in which they were made.
func (a *Admission) Transports() []*Transport {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.transports)
}

// Allow says who sent the request, if all of that is allowed to them in the channel:
// else CodeNotAllowed, or the error of Authenticator.Identify. It may wait.
func (a *Admission) Allow(r *http.Request, channel string, actions ...auth.Action) (auth.Identity, error) {
	who, err := a.Authenticator.Identify(r, channel)
	if err != nil {
		return who, err
	}
	for _, do := range actions {
		if err := a.Rules.Allow(who, do, channel); err != nil {
			return who, err
		}
	}
	return who, nil
}

// Admit counts in a live connection that wants to do all of that in a channel, and says
// who is at its other end. Errors: CodeShuttingDown, those of Allow, CodeRateLimited,
// CodeTooManyConnections, CodeOverloaded. What is admitted is given back by Registry.Remove, once.
func (a *Admission) Admit(r *http.Request, channel string, actions ...auth.Action) (auth.Identity, Reservation, error) {
	if a.Drain.Begun() {
		return auth.Identity{}, Reservation{}, errShuttingDown
	}
	who, err := a.Allow(r, channel, actions...)
	if err != nil {
		return auth.Identity{}, Reservation{}, err
	}
	addr := auth.CallerFrom(r.Context()).Addr
	if err := a.Rates.Connect(who, addr); err != nil {
		return auth.Identity{}, Reservation{}, err
	}
	res, err := a.Registry.Reserve(addr)
	return who, res, err
}

// MayPublish says whether somebody may publish in a channel now. own is the
// connection's pace, nil where there is none. It does not wait. Errors:
// CodeNotAllowed, CodeRateLimited.
func (a *Admission) MayPublish(who auth.Identity, addr netip.Addr, own *Pace, channel string) error {
	if err := a.Rules.Allow(who, auth.Publish, channel); err != nil {
		return err
	}
	return a.Rates.Publish(who, addr, own)
}

// Refuse answers a request for a live connection with err, and logs why: not
// the query, which may hold a secret.
func (a *Admission) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := maru.ErrorOf(err)
	level, reason := slog.LevelWarn, e.Message
	if e.Code == maru.CodeInternal {
		level, reason = slog.LevelError, err.Error()
	}
	a.Log.LogAttrs(r.Context(), level, "refused",
		slog.String("code", string(e.Code)), slog.String("reason", reason),
		slog.String("addr", auth.CallerFrom(r.Context()).Addr.String()),
		slog.String("method", r.Method), slog.String("path", r.URL.Path))
	if e.Code == maru.CodeShuttingDown && a.Drain.Begun() {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(a.Drain.Left().Seconds())))))
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

// Opened counts and logs the beginning of a live connection.
func (a *Admission) Opened(t *Transport, live Live) {
	t.begin()
	if a.logs() {
		a.Log.LogAttrs(context.Background(), slog.LevelDebug, "connected", attrs(live)...)
	}
}

// Closed counts and logs the end of a live connection: its close code, 0 where the
// transport has none, and why.
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

// logs is asked first: a connection that is not logged costs the log nothing. To write
// both lines takes longer than to shake hands, and they help to find a fault only.
func (a *Admission) logs() bool { return a.Log.Enabled(context.Background(), slog.LevelDebug) }

func attrs(live Live) []slog.Attr {
	info := live.Info()
	all := make([]slog.Attr, 0, 7)
	channel := ""
	if len(info.Channels) == 1 {
		channel = info.Channels[0]
	}
	all = append(all, slog.String("transport", info.Transport),
		slog.String("channel", channel), slog.String("addr", info.Addr.String()))
	if info.User != "" {
		all = append(all, slog.String("user", info.User))
	}
	return all
}
