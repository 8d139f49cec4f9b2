package acme

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/zap"
)

// Lines of certmagic come in the format and from the level of the server's log, without addresses in
// memory.
func TestLog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	handler := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	log := zap.New(newCore(handler)).With(zap.String("name", "push.example"), zap.String("cache", "0xc000123456"))
	log.Debug("not this")
	log.Info("obtained", zap.Int("attempt", 2), zap.Duration("took", 1500*time.Millisecond))
	log.Warn("slow", zap.Strings("names", []string{"a", "b"}))
	log.Error("failed", zap.Error(errors.New("no route")))
	want := `level=INFO msg="acme: obtained" acme.name=push.example acme.attempt=2 acme.took_seconds=1.5
level=WARN msg="acme: slow" acme.name=push.example acme.names="[a b]"
level=ERROR msg="acme: failed" acme.name=push.example acme.err="no route"
`
	if out.String() != want {
		t.Errorf("the log has\n%swant\n%s", &out, want)
	}
}
