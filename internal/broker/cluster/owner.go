package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// owner is what the bucket of owners has of a namespace.
type owner struct {
	Namespace string `json:"namespace"`
	Node      string `json:"node"` // empty: it was given up
	Term      uint64 `json:"term"`
	Epoch     string `json:"epoch"`
	Last      uint64 `json:"last"` // a number that was acknowledged

	revision uint64 // of the entry
}

// epochKey is the key of the epoch of namespaces that have had no publication. A namespace's key
// has a hyphen.
const epochKey = "epoch"

// findOwner returns the owner of a namespace; a zero revision: it never had one.
func (l *link) findOwner(ctx context.Context, namespace string) (owner, error) {
	ctx, cancel := short(ctx)
	defer cancel()
	e, err := l.owners.Get(ctx, idOf(namespace))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return owner{Namespace: namespace}, nil
	}
	if err != nil {
		return owner{}, err
	}
	o := owner{revision: e.Revision()}
	if err := json.Unmarshal(e.Value(), &o); err != nil {
		return owner{}, fmt.Errorf("the owner of namespace %q: %w", namespace, errDamaged)
	}
	return o, nil
}

// setOwner replaces the entry that has the revision of o. Errors: errOvertaken if another node
// changed it meanwhile.
func (l *link) setOwner(ctx context.Context, o owner) (owner, error) {
	ctx, cancel := short(ctx)
	defer cancel()
	b, err := json.Marshal(o)
	if err != nil {
		return o, err
	}
	if o.revision == 0 {
		o.revision, err = l.owners.Create(ctx, idOf(o.Namespace), b)
	} else {
		o.revision, err = l.owners.Update(ctx, idOf(o.Namespace), b, o.revision)
	}
	if errors.Is(err, jetstream.ErrKeyExists) || wrongSequence(err) {
		return o, errOvertaken
	}
	return o, err
}

// epoch is the cluster's: the first node that asks makes it.
func (l *link) epoch(ctx context.Context, suggestion string) (string, error) {
	ctx, cancel := short(ctx)
	defer cancel()
	if _, err := l.owners.Create(ctx, epochKey, []byte(suggestion)); err == nil {
		return suggestion, nil
	}
	e, err := l.owners.Get(ctx, epochKey)
	if err != nil {
		return "", err
	}
	return string(e.Value()), nil
}

// eachOwner calls do for each namespace that has, or had, an owner.
func (l *link) eachOwner(ctx context.Context, do func(owner) error) error {
	keys, err := l.owners.ListKeys(ctx)
	if err != nil {
		return err
	}
	defer keys.Stop()
	for key := range keys.Keys() {
		if key == epochKey || key == restoringKey {
			continue
		}
		e, err := l.owners.Get(ctx, key)
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		var o owner
		if err := json.Unmarshal(e.Value(), &o); err != nil {
			return fmt.Errorf("the owner with the key %s: %w", key, errDamaged)
		}
		if err := do(o); err != nil {
			return err
		}
	}
	return nil
}
