package natsd

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// reports is the logger of the server of NATS. What it notes is of use to its developers: it is logged
// as debug. An error that repeats is logged once in a minute.
type reports struct {
	log     *slog.Logger
	cluster string

	removed atomic.Bool // the server was removed from its cluster

	mu    sync.Mutex
	last  map[string]time.Time // when an error was logged
	fatal error                // the first that would have ended the process
}

var _ server.Logger = (*reports)(nil)

// intended are warnings about what is as it should be here.
var intended = []string{
	"Plaintext passwords detected", // they are random, and known to this process only
	"Maximum payloads over",        // the limit of maru is its own
	"Waiting for routing to be established",
	"failed to be ready for connections", // nodes connect later
	"Metalayer blocking snapshot",
}

const (
	repeatAfter = time.Minute
	maxErrors   = 100 // remembered
)

func newReports(log *slog.Logger, cluster string) *reports {
	return &reports{log: log, cluster: cluster, last: make(map[string]time.Time)}
}

func (r *reports) Noticef(format string, v ...any) { r.debug(format, v...) }
func (r *reports) Debugf(format string, v ...any)  {}
func (r *reports) Tracef(format string, v ...any)  {}

func (r *reports) Warnf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if slices.ContainsFunc(intended, func(part string) bool { return strings.Contains(text, part) }) {
		r.log.Debug("the embedded server of NATS notes", slog.String("what", text))
		return
	}
	if r.isNew(text) {
		r.log.Warn("the embedded server of NATS warns", slog.String("what", text))
	}
}

func (r *reports) Errorf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if strings.Contains(text, "our server was removed from the cluster") {
		r.removed.Store(true)
	}
	if why := r.refusal(text); why != "" {
		if r.isNew(why) {
			r.log.Error("a node is refused", slog.String("why", why), slog.String("cluster", r.cluster), slog.Any("err", errors.New(text)))
		}
		return
	}
	if strings.Contains(text, "Error trying to connect to route") {
		if _, why, _ := strings.Cut(text, "): "); r.isNew(why) { // before it is the number of the attempt
			r.log.Warn("a node cannot be reached", slog.Any("err", errors.New(why)))
		}
		return
	}
	if r.isNew(text) {
		r.log.Error("the embedded server of NATS reports an error", slog.Any("err", errors.New(text)))
	}
}

// Fatalf does not end the process: Start returns the error.
func (r *reports) Fatalf(format string, v ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fatal == nil {
		r.fatal = fmt.Errorf("the embedded server of NATS: "+format, v...)
	}
}

func (r *reports) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fatal
}

func (r *reports) debug(format string, v ...any) {
	r.log.Debug("the embedded server of NATS notes", slog.String("what", fmt.Sprintf(format, v...)))
}

// refusal says in plain words why the handshake with another node fails; empty: it is something else.
func (r *reports) refusal(text string) string {
	if !strings.Contains(text, "TLS route handshake error") {
		return ""
	}
	switch {
	case strings.Contains(text, "unsupported application protocols"):
		_, theirs, _ := strings.Cut(text, protocolPrefix)
		theirs, _, _ = strings.Cut(theirs, `"`)
		return fmt.Sprintf("it is of the cluster %q, and this node is of %q", theirs, r.cluster)
	case strings.Contains(text, "no application protocol"):
		return fmt.Sprintf("it is of another cluster than %q", r.cluster)
	case strings.Contains(text, "certificate"):
		return "its secret, or the authority of its certificate, is not that of this node"
	}
	if strings.Contains(text, "does not look like a TLS handshake") {
		return "it does not speak TLS: it is no node of maru"
	}
	return "" // connections break off
}

func (r *reports) isNew(text string) bool {
	if _, rest, found := strings.Cut(text, " - "); found { // before it is the address, whose port differs
		text = rest
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if now.Sub(r.last[text]) < repeatAfter {
		return false
	}
	if len(r.last) >= maxErrors {
		clear(r.last)
	}
	r.last[text] = now
	return true
}
