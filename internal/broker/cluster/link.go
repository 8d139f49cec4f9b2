package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	nats "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// maxPending is how many messages of all namespaces are on their way to JetStream at most.
const maxPending = 64 << 10

// A link is a connection to NATS, with what the nodes of one cluster agree on.
type link struct {
	conn     *nats.Conn
	js       jetstream.JetStream
	names    names
	replicas int
	clock    func() time.Time // of this machine
	members  func() int       // see Options
	nodes    jetstream.KeyValue
	owners   jetstream.KeyValue
	ahead    atomic.Int64 // see skew
	health   health
}

// openLink makes what is missing in JetStream. The error says which stream or bucket cannot be made.
func openLink(ctx context.Context, o *Options) (*link, error) {
	l := &link{conn: o.Conn, names: names{o.Prefix}, replicas: o.Replicas, members: o.Members, clock: o.clock}
	var err error
	l.js, err = jetstream.New(o.Conn, jetstream.WithPublishAsyncMaxPending(maxPending), jetstream.WithPublishAsyncTimeout(apiTimeout))
	if err != nil {
		return nil, err
	}
	if err := l.checkReplicas(ctx); err != nil {
		return nil, err
	}
	err = started(ctx, func() error { return l.make(ctx) })
	if o.Replicas > 1 && tooFew(err) {
		err = fmt.Errorf("%d replicas need as many servers of NATS with JetStream (nats-replicas): %w", o.Replicas, err)
	}
	return l, err
}

// checkReplicas refuses to make fewer copies of what is there: a start with a wrong option would take
// them away from all nodes.
func (l *link) checkReplicas(ctx context.Context) error {
	ctx, cancel := short(ctx)
	defer cancel()
	bucket, err := l.js.Stream(ctx, "KV_"+l.names.owners())
	if err != nil {
		return nil // there is none, or make says what is wrong
	}
	if n := bucket.CachedInfo().Config.Replicas; n > l.replicas {
		return fmt.Errorf("it has %d replicas of everything, and this node wants %d (nats-replicas): give all nodes the same number", n, l.replicas)
	}
	return nil
}

// started does something again as long as the servers have not found each other. NATS leaves a question
// without an answer while it has no leader, and also if it is making the same stream for another node.
func started(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err == nil || !starting(err) && !unanswered(ctx, err) {
			return err
		}
		select {
		case <-time.After(searchPause):
		case <-ctx.Done():
			return err
		}
	}
}

// unanswered reports whether the time for one answer is over, and not ctx.
func unanswered(ctx context.Context, err error) bool {
	return errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
}

// starting reports whether an error may be over when the servers have found each other. A replica of a
// bucket may not have yet what another node has just made.
func starting(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.Code == http.StatusServiceUnavailable || api.ErrorCode == noPeers) || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, jetstream.ErrKeyNotFound)
}

// tooFew reports whether NATS has too few servers for the replicas.
func tooFew(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == noPeers || api.ErrorCode == notClustered)
}

// notClustered is "replicas > 1 not supported in non-clustered mode" of NATS.
const notClustered = 10074

// noPeers is "no suitable peers for placement" of NATS.
const noPeers = 10005

// make makes what is missing in JetStream.
func (l *link) make(ctx context.Context) (err error) {
	if err := l.ensureKeys(ctx); err != nil {
		return fmt.Errorf("the stream %s: %w", l.names.keysStream(), err)
	}
	if err := l.ensureHeads(ctx); err != nil {
		return fmt.Errorf("the stream %s: %w", l.names.headsStream(), err)
	}
	if err := l.ensureKept(ctx); err != nil {
		return fmt.Errorf("the stream %s: %w", l.names.keptStream(), err)
	}
	for _, bucket := range []struct {
		name string
		ttl  time.Duration
		to   *jetstream.KeyValue
	}{{l.names.nodes(), nodeTTL, &l.nodes}, {l.names.owners(), 0, &l.owners}} {
		if *bucket.to, err = l.bucket(ctx, bucket.name, bucket.ttl); err != nil {
			return fmt.Errorf("the bucket %s: %w", bucket.name, err)
		}
	}
	return nil
}

// nodeTTL is for how long the bucket of nodes has one that does not count up any more: longer than it
// takes to notice its death, and short enough that a new node does not wait for many dead ones.
const nodeTTL = time.Minute

func (l *link) bucket(ctx context.Context, name string, ttl time.Duration) (jetstream.KeyValue, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return l.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: name, Description: "maru", History: 1, TTL: ttl, Storage: jetstream.FileStorage, Replicas: l.copies()})
}

// startTimeout is for an answer while a node starts; then it asks again, until joinTime.
const startTimeout = time.Second

// short is ctx with the time for one answer of JetStream.
func short(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, apiTimeout)
}
