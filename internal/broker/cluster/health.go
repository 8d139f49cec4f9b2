package cluster

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru"

	nats "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// health is what a node knows of how NATS does.
type health struct {
	reconnects atomic.Uint64
	appends    atomic.Uint64 // batches that were stored
	appendTime atomic.Int64  // that they took in all
	sign       atomic.Int64  // how long the last sign of life took, until a majority had it
	stored     atomic.Int64  // bytes that JetStream has of the account
	limit      atomic.Int64  // that it may have; 0: no limit
	odd        atomic.Uint64 // replicas that had lost or changed entries when they were read
	lost       atomic.Uint64 // entries that all of them had lost or changed, at least, and new epochs
	failures   [faults]atomic.Uint64

	mu    sync.Mutex
	cause error     // why the last sign of life failed; nil: it did not
	full  error     // why the last append failed, if NATS had no room
	since time.Time // of full
	conn  string    // what the connection reported since it broke
}

// A fault is a kind of error of NATS, which the metrics count.
type fault int

const (
	faultAway    fault = iota // no connection, or no server that answers
	faultTimeout              // no answer in time
	faultFull                 // no room
	faultOther
	faults
)

var faultNames = [faults]string{"away", "timeout", "full", "other"}

// Errors of JetStream without a constant: no room for the account, on the server, in its store.
const (
	accountFull = 10002
	noResources = 10023
	storageFull = 10047
	storeFailed = 10077
)

// faultOf says of which kind an error of NATS is.
func faultOf(err error) fault {
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api) && (api.Code == http.StatusInsufficientStorage || api.ErrorCode == accountFull ||
		api.ErrorCode == noResources || api.ErrorCode == storageFull || api.ErrorCode == storeFailed):
		return faultFull
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout), errors.Is(err, jetstream.ErrAsyncPublishTimeout):
		return faultTimeout
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrReconnectBufExceeded),
		errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrDisconnected), errors.Is(err, errAway):
		return faultAway
	}
	return faultOther
}

// failed counts an error of NATS.
func (h *health) failed(err error) {
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, errOvertaken) {
		h.failures[faultOf(err)].Add(1)
	}
}

// appended notes how a batch ended that was sent at a time.
func (h *health) appended(begin time.Time, err error) {
	h.failed(err)
	if err == nil {
		h.appends.Add(1)
		h.appendTime.Add(int64(time.Since(begin)))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.full, h.since = nil, time.Now(); faultOf(err) == faultFull {
		h.full = err
	}
}

// signed notes how a sign of life ended, and reports whether that is news.
func (h *health) signed(begin time.Time, err error) (news bool) {
	h.failed(err)
	if err == nil {
		h.sign.Store(int64(time.Since(begin)))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	news = (err == nil) != (h.cause == nil)
	h.cause = err
	return news
}

// connFailed notes why there is no connection, and reports whether that is news.
func (h *health) connFailed(why string) (news bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	news = h.conn != why
	h.conn = why
	return news
}

// fullFor is for how long an append that failed for lack of room says that there is none.
const fullFor = 30 * time.Second

// away is the error for callers while this node cannot publish: the cause is in it.
func (b *Broker) away() error {
	b.health.mu.Lock()
	defer b.health.mu.Unlock()
	switch cause := b.health.cause; {
	case !b.conn.IsConnected():
		why := ""
		if b.health.conn != "" {
			why = " (" + b.health.conn + ")"
		}
		return maru.NewError(maru.CodeUnavailable, "this node has no connection to NATS"+why+"; try again later")
	case cause == nil:
		return errAway
	default:
		return public(cause)
	}
}

// public is what a caller gets for an error of NATS.
func public(err error) error {
	var known *maru.Error
	var api *jetstream.APIError
	switch kind := faultOf(err); {
	case errors.As(err, &known):
		return known
	case kind == faultFull && errors.As(err, &api):
		return maru.NewError(maru.CodeStorageFull, "NATS has no room: "+api.Description)
	case kind == faultTimeout:
		return maru.NewError(maru.CodeUnavailable, "NATS does not store in time: it is slow, has no majority, or cannot write to its disk, as its log says; try again later")
	case kind == faultAway:
		return errAway
	}
	return errNotAvailable
}

// Err implements maru.HealthReporter: CodeUnavailable while this node is cut off from NATS or its
// majority, CodeStorageFull while NATS has no room.
func (b *Broker) Err() error {
	if !b.peers.holds() {
		return b.away()
	}
	b.health.mu.Lock()
	defer b.health.mu.Unlock()
	if b.health.full != nil && time.Since(b.health.since) < fullFor {
		return public(b.health.full)
	}
	return nil
}

// watchConn logs when the connection breaks and is back, and what it reports meanwhile.
func (b *Broker) watchConn() {
	b.conn.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { b.reported(err) })
	b.conn.SetDisconnectErrHandler(func(c *nats.Conn, err error) {
		if b.ctx.Err() == nil {
			b.options.Logger.Warn("the connection to NATS is lost; publishing fails until it is back", slog.Any("err", err))
		}
	})
	b.conn.SetReconnectHandler(func(c *nats.Conn) {
		b.health.reconnects.Add(1)
		b.health.connFailed("")
		b.options.Logger.Info("the connection to NATS is back", slog.String("server", c.ConnectedUrlRedacted()))
	})
}

// reported logs an error that the connection reports beside answers: an attempt to connect that was
// refused, each kind once, and messages that found no room.
func (b *Broker) reported(err error) {
	log := b.options.Logger
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked), errors.Is(err, nats.ErrAccountAuthExpired):
		if b.health.connFailed("the credentials are refused") {
			log.Error("NATS refuses the credentials of this server; a new file with them is read at the next attempt", slog.Any("err", err))
		}
	case errors.Is(err, nats.ErrSlowConsumer):
		log.Warn("messages of other servers come faster than this one takes them; what is lost is read again", slog.Any("err", err))
	default:
		log.Debug("an error of the connection to NATS", slog.Any("err", err))
	}
}
