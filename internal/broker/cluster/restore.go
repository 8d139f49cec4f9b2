package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"maru.example/maru"

	"github.com/nats-io/nats.go/jetstream"
)

// A Restorer writes the first history of a cluster: it is a node that owns all namespaces, and numbers what
// was published elsewhere. The cluster's epoch is new, so that a client that returns with a position of
// that place receives a gap. One goroutine may use it.
type Restorer struct {
	broker *Broker
	window chan struct{} // what is on its way
	bytes  int
	kind   string // of the records that wait
	kept   []maru.KeptChange
	closed func() // frees what the Restorer was opened with

	mu  sync.Mutex
	err error // the first
}

const (
	unlimited     = 1 << 50  // bytes of a namespace: the stream has no limit
	restoreWindow = 1024     // publications on their way
	restoreBatch  = 500      // records
	restoreKept   = 1 << 20  // bytes of these
	restoringKey  = "marker" // in the bucket of owners, while a cluster is restored: the id of the Restorer
)

// A HistoryError says that a cluster cannot be restored into, or that it has a part of its history only.
type HistoryError struct{ why string }

func (e *HistoryError) Error() string { return e.why }

// OpenRestorer joins the cluster. listed are the namespaces that have a history of their own. With again
// it removes what an earlier restore, which broke off, has left. closed is called when the Restorer is
// closed, or at once with an error. Errors: *HistoryError if the cluster has a history, or clients use it.
func OpenRestorer(ctx context.Context, o Options, listed []string, again bool, closed func()) (*Restorer, error) {
	names := make(map[string]bool)
	for _, name := range listed {
		names[name] = name != ""
	}
	o.Listed = func(name string) bool { return names[name] }
	// The nodes that come later remove what is too much by their own rules.
	o.Retention = func(string) maru.Retention {
		return maru.Retention{Publications: math.MaxInt32, Age: 100 * 365 * 24 * time.Hour, Bytes: unlimited}
	}
	o.Interest, o.restores = true, true
	b, err := Open(ctx, o)
	if err != nil {
		closed()
		return nil, err
	}
	if err := b.claim(ctx, again); err != nil {
		b.Close()
		closed()
		return nil, err
	}
	return &Restorer{broker: b, closed: closed, window: make(chan struct{}, restoreWindow)}, nil
}

// claim finds out that there is no history, and marks the cluster.
func (b *Broker) claim(ctx context.Context, again bool) error {
	marker, err := b.owners.Get(ctx, restoringKey)
	switch {
	case err == nil && !again:
		return &HistoryError{"an earlier restore broke off, or is in progress; if none is, give --again, which first removes what it has left"}
	case err == nil:
		if err := b.inUse(ctx); err != nil { // it would remove what clients have published since
			return err
		}
		// From now on it is ours, so that a node that starts meanwhile can say that we are at work.
		if _, err := b.owners.Update(ctx, restoringKey, []byte(b.id), marker.Revision()); err != nil {
			return err
		}
		return b.removeAll(ctx)
	case !errors.Is(err, jetstream.ErrKeyNotFound):
		return err
	}
	if err := b.unused(ctx); err != nil {
		return err
	}
	_, err = b.owners.Create(ctx, restoringKey, []byte(b.id))
	if errors.Is(err, jetstream.ErrKeyExists) {
		return &HistoryError{"another restore has just begun"}
	}
	return err
}

// unused reports a history, or a client that has asked for one.
func (b *Broker) unused(ctx context.Context) error {
	all := b.js.ListStreams(ctx, jetstream.WithStreamListSubject(b.names.logs()))
	for s := range all.Info() {
		if s.State.NumSubjects > 1 || s.State.LastSeq > maxTerms {
			return &HistoryError{"the cluster already has a history; restore into one that is new"}
		}
	}
	if err := all.Err(); err != nil {
		return err
	}
	return b.inUse(ctx)
}

// inUse reports a namespace that a living node owns. To a new node all others may be alive, until it could
// have seen them: so it waits.
func (b *Broker) inUse(ctx context.Context) error {
	late := time.Now().Add((deadBeats + 1) * b.options.Beat)
	return b.eachOwner(ctx, func(o owner) error {
		for o.Node != "" {
			dead, err := b.peers.dead(ctx, o.Node)
			switch {
			case dead || err != nil:
				return err
			case time.Now().After(late):
				return &HistoryError{fmt.Sprintf("clients already use the namespace %q of the cluster; restore before they may", o.Namespace)}
			}
			select {
			case <-time.After(b.options.Beat / 2):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
}

// maxTerms is how many messages a stream without publications may have had: terms of owners.
const maxTerms = 1000

// removeAll removes what a restore has left.
func (b *Broker) removeAll(ctx context.Context) error {
	all := b.js.StreamNames(ctx, jetstream.WithStreamListSubject(b.names.logs()))
	var names []string
	for name := range all.Name() {
		names = append(names, name)
	}
	if err := all.Err(); err != nil {
		return err
	}
	for _, name := range names {
		if err := b.js.DeleteStream(ctx, name); err != nil {
			return err
		}
	}
	return b.eachOwner(ctx, func(o owner) error { return b.owners.Purge(ctx, idOf(o.Namespace)) })
}

// Publish stores a publication after all others of its namespace. It waits only for room.
func (r *Restorer) Publish(channel string, p *maru.Publication, version uint64) error {
	r.window <- struct{}{}
	if err := r.failure(); err != nil {
		<-r.window
		return err
	}
	place := r.broker.placeOf(channel)
	if place.otherOwner() != "" {
		<-r.window
		return &HistoryError{"a server of the cluster has begun to use the history"}
	}
	if !r.broker.enter() {
		<-r.window
		return errShuttingDown
	}
	s := newSubmission(channel, p, maru.PublishOptions{Version: version, Share: maru.NoShare}, r.broker.conn.MaxPayload()-partRoom,
		r.broker.leaving(func(_ maru.Published, err error) {
			if err != nil {
				r.fail(fmt.Errorf("channel %q: %w", channel, err))
			}
			<-r.window
		}))
	s.restored = true
	place.submit(s)
	return nil
}

// Keep stores a record of maru.Keeper.
func (r *Restorer) Keep(ctx context.Context, kind, key string, value []byte, until time.Time) error {
	if kind != r.kind || len(r.kept) >= restoreBatch || r.bytes >= restoreKept {
		if err := r.flush(ctx); err != nil {
			return err
		}
	}
	r.kind, r.bytes = kind, r.bytes+len(key)+len(value)
	r.kept = append(r.kept, maru.KeptChange{Key: key, Value: value, Until: until})
	return nil
}

func (r *Restorer) flush(ctx context.Context) error {
	if len(r.kept) == 0 {
		return nil
	}
	err := r.broker.KeepAll(ctx, r.kind, r.kept)
	r.kept, r.bytes = nil, 0
	return err
}

// Finish waits until everything is stored, and leaves the cluster.
func (r *Restorer) Finish(ctx context.Context) error {
	err := r.flush(ctx)
	for range restoreWindow {
		r.window <- struct{}{}
	}
	if err = errors.Join(err, r.failure()); err == nil {
		err = r.broker.owners.Purge(ctx, restoringKey)
	}
	err = errors.Join(err, r.broker.Close())
	r.closed()
	return err
}

// Abort leaves the cluster as it is: marked, until another restore.
func (r *Restorer) Abort() {
	r.broker.Close()
	r.closed()
}

func (r *Restorer) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
}

func (r *Restorer) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}
