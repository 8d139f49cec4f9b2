package admission

import (
	"context"
	"errors"
	"log/slog"
	"math"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// End is how a live connection has ended.
type End struct {
	Reason    string // the word of an error code, Answered, ClientWent, or any other text: then it was lost
	Err       error  // the cause in full, for the log; nil: Reason is all
	CloseCode int    // of RFC 6455 §7.4; 0: the transport has none
	ByClient  bool   // it was the client's wish, whatever Reason says

	// Bytes and Messages waited for the client.
	Bytes, Messages int
}

// Opened counts and logs that a live connection was opened.
func (a *Admission) Opened(t *Transport, live Live) {
	t.begin()
	a.line(slog.LevelDebug, "connected", live)
}

// Identified logs that the client of an open connection has given its identity.
func (a *Admission) Identified(live Live) { a.line(slog.LevelDebug, "identified", live) }

// Closed counts and logs that a live connection was closed.
func (a *Admission) Closed(t *Transport, live Live, end End) {
	word := end.word()
	t.end(word)
	level := slog.LevelInfo
	if word == closedByClient || word == Answered {
		level = slog.LevelDebug
	}
	a.line(level, "disconnected", live, func(all []slog.Attr) []slog.Attr {
		all = append(all, slog.String("code", word), slog.String("reason", end.text()))
		if end.CloseCode != 0 {
			all = append(all, slog.Int("close_code", end.CloseCode))
		}
		lived := math.Round(a.Registry.Age(live.Entry()).Seconds()*1000) / 1000
		return append(all, slog.Float64("lived_seconds", lived),
			slog.Int("waiting_bytes", end.Bytes), slog.Int("waiting_messages", end.Messages))
	})
}

// Failed counts and logs an error that a command on a connection was answered with; the channel is
// empty if the command is about none. A decision is a warning, as a refused request is. What the client receives as internal is known only here.
func (a *Admission) Failed(live Live, command, channel string, err error) {
	e := maru.ErrorOf(err)
	if a.Failures != nil {
		a.Failures.Count(e.Code)
	}
	var token *auth.TokenError
	if errors.As(err, &token) { // the Authenticator has logged it
		return
	}
	level, message, reason := slog.LevelDebug, "refused", e.Message
	switch {
	case e.Code == maru.CodeInternal:
		level, message, reason = slog.LevelError, "command failed", err.Error()
	case decides(e.Code):
		level = slog.LevelWarn
	}
	a.line(level, message, live, func(all []slog.Attr) []slog.Attr {
		all = append(all, slog.String("code", string(e.Code)), slog.String("reason", reason), slog.String("command", command))
		if channel != "" {
			all = append(all, slog.String("channel", channel))
		}
		return all
	})
}

// text is the reason for people.
func (e *End) text() string {
	switch {
	case e.Reason == string(maru.CodeShuttingDown) && !e.ByClient:
		return errShuttingDown.Message
	case e.Err == nil, e.Reason == ClientWent:
		return e.Reason
	}
	if public := maru.ErrorOf(e.Err); public.Code != maru.CodeInternal {
		return public.Message
	}
	return e.Err.Error()
}

// line logs a line about a connection. Whether it is wanted is checked first, so that a line that
// is not costs nothing: a line takes longer than a handshake.
func (a *Admission) line(level slog.Level, message string, live Live, more ...func([]slog.Attr) []slog.Attr) {
	if !a.Log.Enabled(context.Background(), level) {
		return
	}
	all := Attrs(live.Info())
	for _, add := range more {
		all = add(all)
	}
	a.Log.LogAttrs(context.Background(), level, message, all...)
}

// mostNamed is how many channels of a connection a line names.
const mostNamed = 8

// Attrs describe a connection in a line of the log.
func Attrs(info Info) []slog.Attr {
	all := append(make([]slog.Attr, 0, 16), slog.String("connection", info.Name()), slog.String("transport", info.Transport))
	if info.Addr.IsValid() {
		all = append(all, slog.String("addr", info.Addr.String()))
	}
	if info.User != "" {
		all = append(all, slog.String("user", info.User))
	}
	all = append(all, slog.Any("channels", info.Channels[:min(len(info.Channels), mostNamed)]))
	if more := len(info.Channels) - mostNamed; more > 0 {
		all = append(all, slog.Int("more_channels", more))
	}
	return all
}
