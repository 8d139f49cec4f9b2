package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

var (
	errHalf      = &HistoryError{"a restore into the cluster broke off, so that there is only a part of the history: repeat the command with --again (maru restore --again ...), then start this server"}
	errRestoring = &HistoryError{"a restore into the cluster is in progress: start this server when it is done"}
)

// checkRestored refuses to join a cluster that has only a part of its history. A Restorer counts up as each
// node does: one that does not for deadBeats has broken off.
func (l *link) checkRestored(ctx context.Context, beat time.Duration) error {
	late := time.Now().Add((deadBeats + 1) * beat)
	for seen := uint64(0); ; {
		marker, err := l.owners.Get(ctx, restoringKey)
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		node, err := l.nodes.Get(ctx, string(marker.Value()))
		switch {
		case errors.Is(err, jetstream.ErrKeyNotFound):
			return errHalf
		case err != nil:
			return err
		case seen != 0 && node.Revision() != seen:
			return errRestoring
		case time.Now().After(late):
			return errHalf
		}
		seen = node.Revision()
		select {
		case <-time.After(beat / 2):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
