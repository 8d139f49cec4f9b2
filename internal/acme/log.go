package acme

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"
)

// core writes certmagic's lines to a slog.Handler. Their fields are in a group, because they have
// names and types of their own.
type core struct{ to slog.Handler }

func newCore(to slog.Handler) core { return core{to.WithGroup("acme")} }

func level(l zapcore.Level) slog.Level {
	switch {
	case l >= zapcore.ErrorLevel:
		return slog.LevelError
	case l >= zapcore.WarnLevel:
		return slog.LevelWarn
	case l >= zapcore.InfoLevel:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

func (c core) Enabled(l zapcore.Level) bool { return c.to.Enabled(context.Background(), level(l)) }

func (c core) With(fields []zapcore.Field) zapcore.Core { return core{c.to.WithAttrs(attrs(fields))} }

func (c core) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return to.AddCore(e, c)
	}
	return to
}

func (c core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	r := slog.NewRecord(e.Time, level(e.Level), "acme: "+e.Message, 0)
	r.AddAttrs(attrs(fields)...)
	return c.to.Handle(context.Background(), r)
}

func (c core) Sync() error { return nil }

func attrs(fields []zapcore.Field) (all []slog.Attr) {
	for _, f := range fields {
		if f.Key == "cache" && f.Type == zapcore.StringType && strings.HasPrefix(f.String, "0x") {
			continue // certmagic's address of its cache, which says nothing to a reader
		}
		switch f.Type {
		case zapcore.ErrorType: // an error's text, without the structure beside it
			all = append(all, slog.Any("err", f.Interface))
			continue
		case zapcore.DurationType:
			all = append(all, slog.Float64(f.Key+"_seconds", time.Duration(f.Integer).Seconds()))
			continue
		}
		values := zapcore.NewMapObjectEncoder()
		f.AddTo(values)
		for key, value := range values.Fields {
			all = append(all, slog.Any(key, value))
		}
	}
	return all
}
