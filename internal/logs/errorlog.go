package logs

import (
	"bytes"
	"context"
	"errors"
	"log"
	"log/slog"
	"strings"
)

// ErrorLog makes the log.Logger that net/http writes to. A handler's panic is an error, with the
// stack as an attribute. Everything else is debug: mostly TLS errors of strangers.
func ErrorLog(to *slog.Logger) *log.Logger { return log.New(errorLog{to}, "", 0) }

type errorLog struct{ to *slog.Logger }

func (l errorLog) Write(line []byte) (int, error) {
	text := string(bytes.TrimRight(line, "\n"))
	// net/http, conn.serve: "http: panic serving ADDRESS: VALUE\nSTACK"
	if what, panicked := strings.CutPrefix(text, "http: panic serving "); panicked {
		what, stack, _ := strings.Cut(what, "\n")
		l.to.LogAttrs(context.Background(), slog.LevelError, "handler panicked", slog.String("panic", what), slog.String("stack", stack))
		return len(line), nil
	}
	l.to.LogAttrs(context.Background(), slog.LevelDebug, "net/http reports an error", slog.Any("err", errors.New(text)))
	return len(line), nil
}
