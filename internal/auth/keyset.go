package auth

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"maru.example/maru"
)

const (
	keySetTimeout = 5 * time.Second // of one reading
	keySetEvery   = 5 * time.Minute // between two readings that succeed
	keySetUnknown = 5 * time.Second // between two readings that tokens with unknown keys ask for
	keySetFirst   = time.Second     // after a reading that failed; doubled with each, up to keySetLongest
	keySetLongest = 30 * time.Second

	// maxKeySetWaits is how many tokens may wait for a reading at once; beyond, CodeUnavailable.
	maxKeySetWaits = 1000
)

// KeySet is a JSON Web Key Set (RFC 7517) at a URL. It is read every five minutes, when Read is
// called, within seconds after a reading that failed, and when a token needs a key that is not in
// it, then every 5 s at most:
//
//	token ─→ a key of the last reading fits ─→ verified
//	           │ none
//	           └→ waits for one reading ─→ none either: CodeBadToken; it fails: CodeUnavailable
//
// A failure is logged, and the keys of the last reading stay.
type KeySet struct {
	url       string
	log       *slog.Logger
	withdrawn func()
	stats     *KeySetStats
	fetch     func(ctx context.Context) ([]byte, error)

	ctx  context.Context // ends with Close
	end  context.CancelFunc
	one  sync.Mutex    // held while the set is read
	wake chan struct{} // has a token while a caller waits for a reading

	keys atomic.Pointer[[]jwk] // of the last reading that succeeded; nil: there was none

	mu       sync.Mutex
	next     *reading  // the one that begins next
	began    time.Time // the last one
	asked    time.Time // when the last one that a token asked for began
	failures int       // in a row
	waiting  int
}

// reading is one attempt to read the set. err is set before done is closed.
type reading struct {
	done chan struct{}
	err  error
}

func newReading() *reading { return &reading{done: make(chan struct{})} }

// NewKeySet reads the key set, for 5 s at most. withdrawn is called when a key that was in the
// set is no longer in it, in any goroutine; nil: it is not needed. stats counts; nil: nothing is
// counted. The error is about the URL.
func NewKeySet(url string, log *slog.Logger, withdrawn func(), stats *KeySetStats) (*KeySet, error) {
	fetch, err := keySetAt(url)
	if err != nil {
		return nil, err
	}
	return newKeySet(url, log, withdrawn, stats, fetch), nil
}

func newKeySet(url string, log *slog.Logger, withdrawn func(), stats *KeySetStats, fetch func(context.Context) ([]byte, error)) *KeySet {
	s := &KeySet{url: url, log: log, withdrawn: withdrawn, stats: stats, fetch: fetch, wake: make(chan struct{}, 1), next: newReading()}
	if s.stats == nil {
		s.stats = new(KeySetStats)
	}
	s.ctx, s.end = context.WithCancel(context.Background())
	s.Read()
	go s.run()
	return s
}

// URL is where the set is read from.
func (s *KeySet) URL() string { return s.url }

// Close stops the readings. Tokens that wait for one get CodeUnavailable.
func (s *KeySet) Close() { s.end() }

// run reads the set again and again, until Close.
func (s *KeySet) run() {
	for {
		pause := time.NewTimer(s.pause())
		select {
		case <-s.wake:
			pause.Reset(s.turn())
			select {
			case <-pause.C:
			case <-s.ctx.Done():
			}
		case <-pause.C:
		case <-s.ctx.Done():
		}
		pause.Stop()
		if s.ctx.Err() != nil {
			return
		}
		s.Read()
	}
}

// pause is the time from the last reading to the next one, if no token needs one before.
func (s *KeySet) pause() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures == 0 {
		return keySetEvery
	}
	wait := min(keySetFirst<<min(s.failures-1, 5), keySetLongest)
	return wait/2 + rand.N(wait/2) // many servers may wait for one provider
}

// turn is the time until the next reading that tokens ask for, which it counts.
func (s *KeySet) turn() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := max(0, time.Until(s.asked.Add(keySetUnknown)))
	s.asked = time.Now().Add(wait)
	return wait
}

// Read reads the set now, for 5 s at most, and logs a failure.
func (s *KeySet) Read() {
	s.one.Lock()
	defer s.one.Unlock()
	s.mu.Lock()
	now := s.next
	s.next, s.began = newReading(), time.Now()
	select {
	case <-s.wake: // for this reading
	default:
	}
	s.mu.Unlock()

	ctx, cancel := context.WithTimeout(s.ctx, keySetTimeout)
	defer cancel()
	var odd []error
	data, err := s.fetch(ctx)
	if err == nil {
		var keys []jwk
		if keys, odd, err = parseKeySet(data); err == nil {
			s.replace(keys)
			s.stats.read(len(keys))
		}
	}
	s.ended(now, err, odd)
}

// ended notes the result of a reading, and wakes the callers that wait for it.
func (s *KeySet) ended(now *reading, err error, odd []error) {
	s.mu.Lock()
	failed := s.failures > 0
	s.failures++
	if err == nil {
		s.failures = 0
	} else if s.ctx.Err() == nil {
		s.stats.Failed.Add(1)
	}
	s.mu.Unlock()
	now.err = err
	close(now.done)
	at := slog.String("url", s.url)
	switch {
	case s.ctx.Err() != nil: // by Close
	case err != nil:
		s.log.Error("cannot read token-key-set; the keys of the last reading stay", at, slog.Any("err", err))
	case failed:
		s.log.Info("token-key-set was read again", at)
	}
	for _, err := range odd {
		s.log.Debug("token-key-set", at, slog.Any("err", err))
	}
}

// replace sets the keys, and says if one of before is gone.
func (s *KeySet) replace(keys []jwk) {
	before := s.keys.Swap(&keys)
	if before == nil || s.withdrawn == nil {
		return
	}
	for _, old := range *before {
		if !s.has(old.id) {
			s.withdrawn()
			return
		}
	}
}

// await waits for a reading that begins from now on, unless the last one has just failed. Errors:
// CodeUnavailable.
func (s *KeySet) await(ctx context.Context) error {
	s.mu.Lock()
	if s.failures > 0 && time.Since(s.began) < keySetUnknown || s.waiting >= maxKeySetWaits {
		s.mu.Unlock()
		return errNoKeySet
	}
	s.waiting++
	next := s.next
	select {
	case s.wake <- struct{}{}:
	default:
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.waiting--
		s.mu.Unlock()
	}()
	select {
	case <-next.done:
		if next.err == nil {
			return nil
		}
	case <-ctx.Done():
	case <-s.ctx.Done():
	}
	return errNoKeySet
}

var errNoKeySet = &maru.Error{
	Code: maru.CodeUnavailable, Message: "the keys that verify tokens cannot be read now: try again", RetryAfter: keySetUnknown,
}

// has reports whether a key is in the set. A nil set is empty.
func (s *KeySet) has(id signer) bool {
	if s == nil {
		return false
	}
	keys := s.keys.Load()
	if keys == nil {
		return false
	}
	for _, k := range *keys {
		if k.id == id {
			return true
		}
	}
	return false
}

// unread reports whether the set was never read, so that has says nothing. A nil set is read.
func (s *KeySet) unread() bool { return s != nil && s.keys.Load() == nil }

// candidates are the keys of the last reading that a token may be signed with: those that it
// names, else those without a name. named reports whether the set has the key that it names. A
// token that names none may be signed with any.
func (s *KeySet) candidates(token *jwt.Token) (keys []Key, named bool) {
	all := s.keys.Load()
	if all == nil {
		return nil, false
	}
	kid, names := token.Header["kid"].(string)
	var nameless []Key
	for _, k := range *all {
		switch {
		case !names || k.kid == kid:
			keys = append(keys, k.Key)
			named = named || names
		case k.kid == "":
			nameless = append(nameless, k.Key)
		}
	}
	if !named && names {
		keys = nameless
	}
	return keys, named
}
