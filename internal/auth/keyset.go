package auth

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

const (
	keySetTimeout   = 5 * time.Second // for an answer, and to look for a key
	keySetEvery     = 5 * time.Minute // between two readings of the key set
	keySetUnknown   = 10 * time.Second
	maxKeySetAnswer = 1 << 20
)

// KeySet is a JSON Web Key Set (RFC 7517) at a URL. It is read every five minutes, when Read
// is called, and when a token names a key that is not in it, then every 10 s at most. A
// failure is logged, and the keys of the last reading stay.
type KeySet struct {
	find  keyfunc.Keyfunc
	keys  *keyStore
	log   *slog.Logger
	url   string
	read  *http.Client
	close context.CancelFunc
	one   sync.Mutex // held while Read runs
}

// NewKeySet reads the key set, for 5 s at most. withdrawn is called when a key that was in the
// set is no longer in it, in any goroutine; nil: nobody wants to know. The error is about the
// URL.
func NewKeySet(url string, log *slog.Logger, withdrawn func()) (*KeySet, error) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &KeySet{
		keys: &keyStore{Storage: jwkset.NewMemoryStorage(), withdrawn: withdrawn}, log: log, url: url, close: cancel,
		read: &http.Client{Transport: short{}, Timeout: keySetTimeout, CheckRedirect: secureRedirect},
	}
	store, err := jwkset.NewStorageFromHTTP(url, jwkset.HTTPClientStorageOptions{
		Client: s.read, Ctx: ctx, HTTPTimeout: keySetTimeout, NoErrorReturnFirstHTTPReq: true,
		RefreshInterval: keySetEvery, RefreshErrorHandler: s.failed, Storage: s.keys,
	})
	if err == nil {
		store, err = jwkset.NewHTTPClient(jwkset.HTTPClientOptions{
			HTTPURLs: map[string]jwkset.Storage{url: store}, RateLimitWaitMax: keySetTimeout,
			RefreshUnknownKID: rate.NewLimiter(rate.Every(keySetUnknown), 1),
		})
	}
	if err == nil {
		s.find, err = keyfunc.New(keyfunc.Options{Ctx: ctx, Storage: store})
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return s, nil
}

// URL is where the set is read from.
func (s *KeySet) URL() string { return s.url }

// Read reads the set now, for 5 s at most, and logs a failure.
func (s *KeySet) Read() {
	s.one.Lock()
	defer s.one.Unlock()
	again, err := jwkset.NewStorageFromHTTP(s.url, jwkset.HTTPClientStorageOptions{Client: s.read, HTTPTimeout: keySetTimeout})
	if err != nil {
		s.failed(context.Background(), err)
		return
	}
	keys, err := again.KeyReadAll(context.Background())
	if err == nil {
		s.keys.KeyReplaceAll(context.Background(), keys)
	}
}

// Close stops the updates of the set.
func (s *KeySet) Close() { s.close() }

func (s *KeySet) failed(ctx context.Context, err error) {
	if !errors.Is(ctx.Err(), context.Canceled) { // by Close
		s.log.Error("cannot read token-key-set; the keys of the last reading stay", slog.String("url", s.url), slog.Any("err", err))
	}
}

// has reports whether a key is in the set. A nil set is empty.
func (s *KeySet) has(id signer) bool {
	if s == nil {
		return false
	}
	ids := s.keys.ids.Load()
	return ids != nil && (*ids)[id]
}

// candidates are the keys of the set that a token may be signed with. It may wait for a
// reading.
func (s *KeySet) candidates(ctx context.Context, token *jwt.Token) (keys []Key) {
	found, err := s.find.KeyfuncCtx(ctx)(token)
	if err != nil {
		return nil
	}
	all, several := found.(jwt.VerificationKeySet)
	if !several {
		all.Keys = []jwt.VerificationKey{found}
	}
	for _, key := range all.Keys {
		if k, err := publicKey(key); err == nil {
			keys = append(keys, k)
		}
	}
	return keys
}

// keyStore holds the keys of the last reading, and notices which of them are gone.
type keyStore struct {
	jwkset.Storage
	withdrawn func()
	ids       atomic.Pointer[map[signer]bool]
	mu        sync.Mutex // held while the keys are replaced
}

// KeyReplaceAll is called after each reading.
func (s *keyStore) KeyReplaceAll(ctx context.Context, keys []jwkset.JWK) error {
	gone, err := s.replace(ctx, keys)
	if gone && s.withdrawn != nil {
		s.withdrawn()
	}
	return err
}

// replace reports whether a key of before is gone.
func (s *keyStore) replace(ctx context.Context, keys []jwkset.JWK) (gone bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.Storage.KeyReplaceAll(ctx, keys); err != nil {
		return false, err
	}
	now := make(map[signer]bool, len(keys))
	for _, jwk := range keys {
		key := jwk.Key()
		if private, is := key.(interface{ Public() crypto.PublicKey }); is {
			key = private.Public()
		}
		if k, err := publicKey(key); err == nil {
			now[k.id] = true
		}
	}
	if before := s.ids.Swap(&now); before != nil {
		for id := range *before {
			gone = gone || !now[id]
		}
	}
	return gone, nil
}

// secureRedirect follows no redirect to another scheme: over plain http anybody on the way
// could change the answer.
func secureRedirect(r *http.Request, via []*http.Request) error {
	if len(via) >= 3 || via[0].URL.Scheme != r.URL.Scheme {
		return errors.New("redirected more than three times, or to another scheme")
	}
	return nil
}

// short is the standard transport with a bound on the size of answers, which are key sets.
type short struct{}

func (short) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		err = strictKeySet(answer)
	}
	return answer, err
}
