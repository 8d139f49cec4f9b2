package maru

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"
	"unicode/utf8"
)

// A Broker numbers publications, keeps their history, and carries them to the
// nodes of a server. The package maru.example/maru/broker/brokertest tests a broker
// against this contract. A broker must guarantee:
//
//   - Numbers. A namespace has one epoch and one number that rises with each
//     publication; a publication's offset is that number. So offsets rise in a
//     channel and are not consecutive.
//   - Order. The broker hands each publication to the Sink exactly once, in each
//     channel in the order of offsets, and before it calls done. Publications that
//     one caller submits to a channel keep their order, and so do the calls of done.
//   - Agreement. Handing a publication to the Sink and showing it in History is one
//     step: no History is answered between the two. So a subscriber that registers
//     for the Sink and then asks for History misses nothing.
//   - Retention. History keeps a limited number of publications in each channel, up
//     to a limited age, and a limited number of bytes in each namespace (the oldest
//     publications of the namespace are removed first). For each retained
//     publication the broker knows the channel's offset before it, and for each
//     channel its head, the highest offset it ever had.
//   - Gaps. History from a position S reports a gap if S is less than the offset
//     before the first retained publication after S; with none retained after S,
//     if S is less than the head; for a channel no longer known, if S is less
//     than the highest offset ever removed from such channels. A position of
//     another epoch, or beyond the head (of the channel; of the namespace for a
//     channel no longer known), is a gap of unknown extent, and everything that
//     is retained follows it. History before a position B reports a gap if it reaches the
//     first retained publication before B, and the channel had publications before that: then
//     nothing older can be read. Before a position of another epoch, nothing is known:
//     the answer is a gap of unknown extent and no publications.
//   - Repeats. A publication with an idempotency key is accepted once. The same key
//     again, from the same publisher in the same channel, within IdempotencyAge,
//     returns the position of the first publication and delivers nothing. If kind,
//     data or publication key differ, the error is CodeIdempotencyConflict.
//   - Versions. A publication is stale if it has a version and that is not above the
//     highest version the channel has. It then returns the channel's head and
//     delivers nothing. The highest version is part of the head: it is known for as long
//     as the head is, also when the publication that had it is no longer retained.
//   - Transients. A transient publication has no number and is not retained. It is
//     handed to the Sink in the channel's order, at a position with offset 0.
//
// All methods are safe for concurrent use. A broker may also be a HeldReporter, a Shrinker,
// a HealthReporter, a MetricsReporter, a Keeper, BatchKeeper or SharedKeeper, an Archiver, and a Membership.
type Broker interface {
	// Submit assigns Offset and Time, stores the publication, hands it to the Sink,
	// and then calls done once, before Submit returns or later from another
	// goroutine. done must not block and must not call the broker. Submit does not
	// block either; the caller limits how many submissions are in progress. Submit
	// takes ownership of p and p.Data. A nil p is an error, CodeBadRequest: Publication.Check
	// reports it. A caller that can block uses Publish.
	Submit(channel string, p *Publication, o PublishOptions, done func(Published, error))

	// History returns the retained publications of the channel that q asks for, in
	// ascending order.
	History(ctx context.Context, channel string, q HistoryQuery) (History, error)

	// Close waits for submissions in progress and frees what the broker holds. When it
	// returns, no call of the Sink is running, and none follows. Submit and History then
	// fail with CodeShuttingDown. A second Close does nothing.
	Close() error
}

// OpenBroker opens a broker for a server: see server.Options.Broker. It may take
// seconds, for example to read a history from disk. Packages below
// maru.example/maru/broker return such functions; a program can bring its own:
//
//	server.Options{Broker: func(o maru.BrokerOptions) (maru.Broker, error) {
//		return mybroker.Open("db.example.org", o.Retention, o.Sink)
//	}}
//
// The error should say which directory, address or file cannot be used, and why.
type OpenBroker func(BrokerOptions) (Broker, error)

// BrokerOptions are what a server gives to the broker that it opens.
type BrokerOptions struct {
	// Retention returns what a namespace keeps. Fields can be zero: see
	// Retention.WithDefaults. A broker asks once for each namespace, when it first needs
	// it, and goes on with that answer: the answer may change when the server's rules are
	// reloaded. nil: every namespace has the defaults.
	Retention func(namespace string) Retention
	// Listed reports whether the operator has named the namespace. All others share one
	// pool: one number, one epoch, and one Retention (that of the namespace ""), so that
	// clients that invent names cannot evict, slow or fill a namespace that is listed. The
	// answer may change when the server's rules are reloaded. nil: every namespace is listed.
	Listed func(namespace string) bool
	// Sink receives each publication; see Sink. nil: publications are not delivered.
	Sink Sink
	// Logger receives what an operator should know. nil: nothing is logged.
	Logger *slog.Logger
}

// WithDefaults returns o with its nil fields set, so that a broker need not test them.
func (o BrokerOptions) WithDefaults() BrokerOptions {
	if o.Retention == nil {
		o.Retention = func(string) Retention { return Retention{} }
	}
	if o.Listed == nil {
		o.Listed = func(string) bool { return true }
	}
	if o.Sink == nil {
		o.Sink = func(string, Position, *Publication) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// A HeldReporter is a Broker that knows how much it retains. A server shows it as the
// metrics maru_history_publications and maru_history_bytes. Without the method, what the
// broker retains is not counted there.
type HeldReporter interface {
	// Held returns how much is retained now, in all namespaces. It is called for each
	// scrape of the metrics and must be quick. It may count publications that are too
	// old and not yet removed. It is safe for concurrent use, also after Close.
	Held() Held
}

// Held is how much a broker retains.
type Held struct {
	Channels     int   // channels that are known, also those that retain nothing
	Publications int   // retained publications
	Bytes        int64 // what these count towards Retention.Bytes
	Memory       int64 // bytes of memory that all of it takes, about: publications, heads of channels, idempotency keys

	// Forgotten is how many channels were forgotten since the start because there were too
	// many that retain nothing. Whoever returns to one may receive a gap without a loss.
	Forgotten uint64
}

// Plus returns the sum of both.
func (h Held) Plus(other Held) Held {
	return Held{h.Channels + other.Channels, h.Publications + other.Publications, h.Bytes + other.Bytes, h.Memory + other.Memory, h.Forgotten + other.Forgotten}
}

// A Shrinker is a Broker that can give memory back. A server calls it near its memory
// ceiling (server.Options.MaxMemory), before it refuses new connections. Without the method
// the broker's memory shrinks only by its own limits.
type Shrinker interface {
	// Shrink removes retained publications until it has freed that many bytes, counted as
	// Held.Memory counts them, or until none is left: first the oldest publications of namespaces
	// that are not listed (BrokerOptions.Listed), then the oldest of all. It returns how many
	// bytes it has freed. A removed publication is a gap for those that miss it, as one that
	// is removed because of Retention.Bytes; heads, versions and idempotency keys stay. A broker
	// on disk frees its copies in memory before anything else.
	//
	// bytes is above 0. Shrink may hold up publishing for milliseconds, and not for seconds:
	// it may return early, and is called again. It is safe for concurrent use; after Close it
	// frees nothing.
	Shrink(bytes int64) (freed int64)
}

// A HealthReporter is a Broker that can be unable to take publications for a time,
// for example while a disk is full. A server shows it as the metric
// maru_history_failing. It does not stop publishing to a broker that is failing: Submit
// then returns an error for each publication.
type HealthReporter interface {
	// Err returns why publishing fails at the moment, or nil if it does not. It is called
	// for each scrape of the metrics and must be quick. It is safe for concurrent use,
	// also after Close.
	Err() error
}

// A Follower is a Broker that carries publications from other nodes, and only those of channels that
// have subscribers on this one. A server calls it for each channel with its first subscriber, and
// after its last one has gone. A broker without the methods delivers everything.
type Follower interface {
	// Follow says that the channel has a subscriber. What is published after it, and what is later
	// than the answer of a History that is called after it, is handed to the Sink. Calls are
	// counted: each ends with one Unfollow. Neither may wait, call the Sink, or call back: the
	// server holds locks. Both are safe for concurrent use.
	Follow(channel string)
	Unfollow(channel string)
}

// A LossReporter is a Follower that notices when publications cannot be handed to the Sink any more: they
// were acknowledged and are gone, or were removed before this node had them.
type LossReporter interface {
	// OnLoss sets the function that is called then with the channel, in place of the Sink and under its
	// rules. The publications that follow belong behind a gap. It is called once, before any Follow.
	OnLoss(func(channel string))
}

// An Orderer is a Follower that can hand the channels of a namespace to the Sink in one order, that of
// their offsets: no publication of one channel comes before a lower offset of another one that is
// followed. Clients with one position of all their channels need that. A broker without the method
// does so anyway.
type Orderer interface {
	Follower
	// InOrder begins with it, in all namespaces and for good. What is published after it and after
	// the answer of a History that is called after it is in order. It does not wait, and calls after
	// the first one cost nothing. It is safe for concurrent use.
	InOrder()
}

// A Yielder is a Broker of several nodes in which one node does something for the others, for example
// decides about the publications of some channels.
type Yielder interface {
	// Yield hands this over to other nodes and takes no more of it, and returns when they have it.
	// It is called once, at the beginning of a drain, which may be long before Close. Until Close
	// everything works as before; publications that come meanwhile wait, and none fails because of it.
	// Without other nodes it does nothing. It returns an error of ctx, or says what was not
	// handed over: Close then does it.
	Yield(ctx context.Context) error
}

// A DiskReporter is a Broker that knows how much space it takes on disk. A server shows it as the
// metric maru_history_disk_bytes.
type DiskReporter interface {
	// DiskBytes is called for each scrape of the metrics and must be quick. It is safe for
	// concurrent use, also after Close.
	DiskBytes() int64
}

// A Keeper is a Broker that also keeps small records of its server over restarts:
// revocations, sessions, tickets. Without the methods these end with the process.
// All methods are safe for concurrent use.
type Keeper interface {
	// Keep stores value under kind and key until a time, and replaces what is there. When it
	// returns, the record survives a loss of power. kind is a short word of the caller; key
	// and value are at most 64 KiB together. Errors: CodeBadRequest for more,
	// CodeStorageFull, CodeUnavailable, CodeShuttingDown.
	Keep(ctx context.Context, kind, key string, value []byte, until time.Time) error
	// Forget removes a record, at once and for good. It does nothing if there is none. The
	// errors are those of Keep.
	Forget(ctx context.Context, kind, key string) error
	// Kept calls each for every record of the kind that has not reached its time, in the
	// order of keys, and stops when each returns false. each must not call the Keeper.
	Kept(ctx context.Context, kind string, each func(key string, value []byte, until time.Time) bool) error
}

// A BatchKeeper is a Keeper that makes many changes at once. The server keeps with it what changes too
// often to wait for the disk each time, such as the channels of clients that may come back. Without it
// these end with the process.
type BatchKeeper interface {
	Keeper
	// KeepAll makes changes to records of one kind in order, all or none of them, in one commit. When it
	// returns, they survive the end of the process, kill -9 included. A loss of power undoes at most
	// the newest calls, and a call in the middle only with all that follow. A broker of several
	// machines may make more than 1,000 changes in several commits, some of which may have been made
	// when it returns an error. Kinds and records have the bounds of Keep, and all changes together
	// that of MaxKeepAllBytes. Errors: those of Keep.
	KeepAll(ctx context.Context, kind string, changes []KeptChange) error
}

// KeptChange is a change of one record.
type KeptChange struct {
	Key   string
	Value []byte    // nil: the record is removed, if it is there
	Until time.Time // as for Keep
}

// A SharedKeeper is a Keeper whose records several servers share. A server then takes what another one
// has kept: people that are signed in, tickets, revocations. All methods are safe for concurrent use,
// and their errors are those of Keep.
type SharedKeeper interface {
	Keeper
	// Lookup returns a record as the last change of any server has left it; a nil value: there is none.
	Lookup(ctx context.Context, kind, key string) (value []byte, until time.Time, err error)
	// Swap makes the change if the record has the value old, or, for a nil old, if there is none. It
	// reports whether it did: of several that change the same record at once, one does. After an error
	// the change may have been made.
	Swap(ctx context.Context, kind string, old []byte, c KeptChange) (done bool, err error)
	// WatchKept calls each for all records of the kind, and returns. From then on it calls each for
	// every change, in the order of changes of a record, until ctx ends or the broker is closed: also
	// for changes of this server, and maybe more than once. Of several changes of one record it may
	// leave out all but the last one. A record that reaches its time is not a change. each must not
	// call the Keeper, and the calls do not overlap.
	WatchKept(ctx context.Context, kind string, each func(KeptChange)) error
}

// MaxKeepAllBytes is the most bytes that the keys and values of one KeepAll have together.
const MaxKeepAllBytes = 4 << 20

// An Archiver is a Broker that can copy what it stores while it is in use.
type Archiver interface {
	// Backup writes everything that is stored to w, as it is at one moment. It returns an error
	// of ctx or of w as it is; CodeUnavailable if the store cannot be read, CodeShuttingDown
	// after Close. What was written before an error is no backup. It is safe for concurrent use.
	Backup(ctx context.Context, w io.Writer) error
}

// PublishOptions say how a publication is treated.
type PublishOptions struct {
	// IdempotencyKey makes a retry safe, within IdempotencyAge. It belongs to the channel and
	// to Publisher. It is valid UTF-8 of at most MaxIdempotencyKeyBytes, compared byte for
	// byte; empty means none.
	IdempotencyKey string
	// Publisher is the owner of the key: a user, an API key, or whatever else identifies a
	// client over its connections. Two publishers never share a key.
	Publisher string
	// Share says how many keys the publisher may have. A broker that has its keys in memory
	// bounds those of each publisher, and then refuses new ones with CodeRateLimited: within
	// IdempotencyAge no key is forgotten.
	Share KeyShare
	// Version, if not 0, is compared with the channel's; see Broker.
	Version uint64
	// Wait says that a publication waits while the broker is unavailable, until the caller's
	// context ends. Only server.Server.PublishWith knows it. If there is no IdempotencyKey it makes
	// one, so that each attempt is the same publication.
	Wait bool
	// Transient publications only reach current subscribers: they are not retained and
	// have no number. Version is ignored.
	Transient bool
}

// KeyShare says which bounds of idempotency keys apply to a publisher.
type KeyShare uint8

const (
	OneShare  KeyShare = iota // the bound of each publisher, and that of all together
	AllShares                 // only that of all together: the publisher may be many people
	NoShare                   // none: an API key, or the program itself
)

const (
	// IdempotencyAge is for how long an idempotency key is remembered.
	IdempotencyAge = 10 * time.Minute
	// MaxIdempotencyKeyBytes is the length of the longest idempotency key.
	MaxIdempotencyKeyBytes = 255
)

// Check reports invalid options. The error's code is CodeBadRequest for an idempotency
// key that is too long or not valid UTF-8.
func (o PublishOptions) Check() error {
	if !utf8.ValidString(o.IdempotencyKey) {
		return NewError(CodeBadRequest, "the idempotency key is not valid UTF-8")
	}
	if n := len(o.IdempotencyKey); n > MaxIdempotencyKeyBytes {
		return NewError(CodeBadRequest, fmt.Sprintf("the idempotency key has %d bytes; at most %d are allowed", n, MaxIdempotencyKeyBytes))
	}
	return nil
}

// Published is the result of publishing.
type Published struct {
	Position      // of the publication; of the first one if Replayed; the channel's head if Stale
	Replayed bool // the idempotency key was used before: nothing was delivered
	Stale    bool // the version was not new: nothing was delivered
}

// Publish submits p and waits until the broker is done with it, or until ctx ends. If
// ctx ends first, the publication may still be accepted: retry with an idempotency key.
// If ctx has already ended, Publish does nothing and returns its error. A nil p is an error,
// CodeBadRequest.
func Publish(ctx context.Context, b Broker, channel string, p *Publication, o PublishOptions) (Published, error) {
	if err := ctx.Err(); err != nil {
		return Published{}, err
	}
	if p == nil {
		return Published{}, errNoPublication
	}
	type result struct {
		Published
		err error
	}
	results := make(chan result, 1)
	b.Submit(channel, p, o, func(done Published, err error) { results <- result{done, err} })
	select {
	case r := <-results:
		return r.Published, r.err
	case <-ctx.Done():
		return Published{}, ctx.Err()
	}
}

// Retention is what a namespace keeps. In the first three fields zero means the
// default, and a negative value means that nothing is retained: positions still rise,
// and gaps are still reported.
type Retention struct {
	Publications int           // the most in a channel; default 100
	Age          time.Duration // a publication of this age is removed; default 24 h
	Bytes        int64         // the most in the namespace, including the cost of a publication beside its data; default 64 MiB
	Durability   Durability    // default: Sync where the server has a broker that stores, else InMemory
}

// Or returns r with its zero fields taken from other.
func (r Retention) Or(other Retention) Retention {
	r.Publications = cmp.Or(r.Publications, other.Publications)
	r.Age = cmp.Or(r.Age, other.Age)
	r.Bytes = cmp.Or(r.Bytes, other.Bytes)
	r.Durability = cmp.Or(r.Durability, other.Durability)
	return r
}

// WithDefaults returns r with its zero fields set to their defaults, except Durability.
func (r Retention) WithDefaults() Retention {
	r.Publications = cmp.Or(r.Publications, 100)
	r.Age = cmp.Or(r.Age, 24*time.Hour)
	r.Bytes = cmp.Or(r.Bytes, 64<<20)
	return r
}

// Retains reports whether a publication that counts size bytes can be retained at
// all. The zero fields of r must be set: see WithDefaults.
func (r Retention) Retains(size int64) bool {
	return r.Publications > 0 && r.Age > 0 && size <= r.Bytes
}

// Durability says what an acknowledged publication survives. A server keeps the
// namespaces that are InMemory in memory, and gives all others to its broker.
type Durability uint8

const (
	UnsaidDurability Durability = iota // not set: the default of the place where it is used
	InMemory                           // nothing: a restart begins a new epoch
	Interval                           // the end of the process; a loss of power costs at most the last seconds
	Sync                               // a loss of power
)

// A Sink receives publications from a broker, in order for each channel. It must
// not block and must not call the broker: it is called while the broker holds the lock
// that orders the channel.
type Sink func(channel string, at Position, p *Publication)

// HistoryQuery asks for a part of a channel's history.
type HistoryQuery struct {
	// Since, if not nil, asks for the first Limit publications after this position. An
	// empty Epoch means the current one. nil asks for the newest Limit publications.
	Since *Position
	// Before, if not nil, asks for the newest Limit publications before this position, so
	// that a history can be read backwards, page by page. An empty Epoch means the current
	// one. It cannot be given together with Since: see Check.
	Before *Position
	// Limit is the most publications to return. 0 asks for none (only the head and the
	// gap), a negative Limit for all that are retained.
	Limit int
}

var errBothEnds = NewError(CodeBadRequest, "since and before cannot be given together: ask for one direction")

// Check reports a query that has no answer: CodeBadRequest if both Since and Before are set.
// A broker need not check; it may ignore Before then.
func (q HistoryQuery) Check() error {
	if q.Since != nil && q.Before != nil {
		return errBothEnds
	}
	return nil
}

// History is the answer to a HistoryQuery.
type History struct {
	Epoch        string         // of the namespace
	Head         uint64         // the channel's highest offset ever; of a channel no longer known, the highest offset removed from any such channel; 0 if there was none
	Publications []*Publication // in ascending order; they are shared and must not be changed
	Gap          *Gap           // nil: nothing is missing between Since and the first publication; see Broker for Before
}

// Start returns the position that a subscriber has before it receives the publications
// of h, the answer to q, and then live publications.
func (h History) Start(q HistoryQuery) Position {
	at := Position{Epoch: h.Epoch, Offset: h.Head}
	switch {
	case q.Since != nil && h.Gap == nil:
		at.Offset = q.Since.Offset
	case len(h.Publications) > 0:
		// A position is exclusive. The number just below the first offset serves as well
		// as the offset of the publication before it, which is not known here.
		at.Offset = h.Publications[0].Offset - 1
	}
	return at
}
