package cluster

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Close implements maru.Broker: it waits for submissions in progress, gives up what this node owns,
// and leaves the cluster. A node that is cut off from NATS cannot say that it leaves: this is in the log,
// and no error, because others notice by its silence.
func (b *Broker) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	b.mu.Unlock()
	b.yieldAll()
	b.accepted.Wait()
	b.mu.Lock()
	b.ended = true
	b.cancel(errShuttingDown)
	b.mu.Unlock()
	b.unsubscribe()
	b.working.Wait()
	for _, one := range b.requests.overdue(func(*request) bool { return true }) {
		one.submission.fail(errShuttingDown)
	}
	b.sayBye()
	err := errors.Join(b.giveUp(), b.peers.leave())
	if err != nil && !b.conn.IsConnected() {
		b.options.Logger.Warn("this node ends while it is cut off from NATS; the others notice that by its silence", slog.Any("err", err))
		return nil
	}
	return err
}

// closeTime is for handing namespaces over when the node closes without a drain before it.
const closeTime = 5 * time.Second

// yieldAll hands over what Yield has not, so that nothing that other nodes send to this one is lost. What
// it cannot hand over giveUp leaves without an owner.
func (b *Broker) yieldAll() {
	ctx, cancel := context.WithTimeout(b.ctx, closeTime)
	defer cancel()
	b.Yield(ctx)
}

// giveUp lets other nodes take our namespaces at once.
func (b *Broker) giveUp() error {
	ctx, cancel := short(context.Background())
	defer cancel()
	var all error
	for _, ns := range b.owned() {
		all = errors.Join(all, ns.checkpoint(ctx))
		ns.mu.Lock()
		o := ns.owner
		o.Node, o.Last = "", ns.history.Number()
		ns.ended = true
		ns.mu.Unlock()
		if _, err := ns.setOwner(ctx, o); !errors.Is(err, errOvertaken) {
			all = errors.Join(all, err)
		}
	}
	return all
}
