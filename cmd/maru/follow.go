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
	quietLimit  = 45 * time.Second // the server says something every 15 s: three times nothing is a dead connection
	backoffBase = 500 * time.Millisecond
	backoffCap  = 30 * time.Second

	longestDrain = 10 * time.Minute // that a server is believed
)

var errQuiet = errors.New("nothing came for 45 s")

// follower is what the two ways to follow a channel, stream and poll, tell to
// whoever started them. Its functions run on the goroutine of follow.
type follower struct {
	publication func(line []byte) error // each once; an error ends following
	gap         func(maru.Gap)
	lost        func(why error, wait time.Duration)

	backoff backoff
}

// follow connects again and again. It returns when ctx ends (nil) or when
// trying again is of no use.
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

// outputError is what publication returned.
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
	base    time.Duration // what the server asked for; 0: backoffBase
	after   time.Duration // what it asked for as it went; 0: nothing
	attempt int           // since the last good connection
}

// good says that the connection serves.
func (b *backoff) good() { b.after, b.attempt = 0, 0 }

// next is how long to wait: a random part ("full jitter") of a time that doubles
// with each attempt, so that the clients of a server that comes back do not come
// all at once. Where the server has said when to come back, it has seen to that.
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

// because prefers the reason for which we hung up to what the network makes of it.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
