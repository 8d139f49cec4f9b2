package acme

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"

	"go.uber.org/zap"
)

// Lines of certmagic come in the format and from the level of the server's log.
func TestLog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	handler := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	log := zap.New(core{handler}).With(zap.String("name", "push.example"))
	log.Debug("not this")
	log.Info("obtained", zap.Int("attempt", 2))
	log.Warn("slow", zap.Strings("names", []string{"a", "b"}))
	log.Error("failed", zap.Error(errors.New("no route")))
	want := `level=INFO msg="acme: obtained" name=push.example attempt=2
level=WARN msg="acme: slow" name=push.example names="[a b]"
level=ERROR msg="acme: failed" name=push.example error="no route"
`
	if out.String() != want {
		t.Errorf("the log has\n%swant\n%s", &out, want)
	}
}
