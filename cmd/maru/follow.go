package main

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"time"

	"maru.example/maru"
)

const (
	quietLimit  = 45 * time.Second // the server sends a comment every 15 s: three missing ones mean a dead connection
	backoffBase = 500 * time.Millisecond
	backoffCap  = 30 * time.Second

	longestDrain = 10 * time.Minute // longest wait that a draining server can ask for
)

var errQuiet = errors.New("the server sent nothing for 45 s")

// follower has the callbacks that the two ways to follow a channel, stream and poll, have
// in common. They run on the goroutine of follow.
type follower struct {
	publication func(line []byte) error // called for each publication once; an error ends following
	gap         func(maru.Gap)
	lost        func(why error, wait time.Duration)

	backoff backoff
}

// follow connects again and again. It returns nil when ctx ends, and an error if another
// attempt cannot succeed.
func (f *follower) follow(ctx context.Context, connect func(context.Context) error) error {
	for {
		err := connect(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case permanent(err):
			return err
		}
		wait := f.backoff.next()
		f.lost(err, wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// outputError is an error that publication returned.
type outputError struct{ error }

func (e outputError) Unwrap() error { return e.error }

func permanent(err error) bool {
	var no *refusal
	var untrusted *tls.CertificateVerificationError
	var output outputError
	return errors.As(err, &no) && !no.temporary() || errors.As(err, &untrusted) || errors.As(err, &output)
}

// backoff paces reconnects. Its zero value is ready.
type backoff struct {
	base    time.Duration // asked for by the server; 0: backoffBase
	after   time.Duration // asked for when it closed the connection; 0: none
	attempt int           // since the last good connection
}

// good is called when the connection works.
func (b *backoff) good() { b.after, b.attempt = 0, 0 }

// next is how long to wait: a random part ("full jitter") of a time that doubles with each
// attempt. So the clients of a restarted server do not all reconnect at once. A time that
// the server asked for is taken as it is: the server spreads its clients itself.
func (b *backoff) next() time.Duration {
	if after := b.after; after > 0 {
		b.after = 0
		return after
	}
	limit := backoffBase
	if b.base > 0 {
		limit = b.base
	}
	for range b.attempt {
		limit = min(2*limit, backoffCap)
	}
	b.attempt++
	return rand.N(min(limit, backoffCap))
}

// because returns the reason for which we closed the connection, if we did, instead of the
// network error that follows from it.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
