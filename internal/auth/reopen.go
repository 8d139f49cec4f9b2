package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/request"
	"maru.example/maru/internal/shares"
	"maru.example/maru/internal/strict"
)

const (
	kindStream = "stream" // of kept records

	reopenAge     = 5 * time.Minute     // after the end of a stream, and after a restart
	reopenKept    = 30 * 24 * time.Hour // of a stream that is open, in case the server is killed
	maxReopenable = 100_000             // at most half of them of one caller, see Caller.Holder
	sweepStreams  = time.Minute
)

// reopenable are the event streams that were opened with a ticket. An EventSource reconnects with
// the same address, whose ticket is used, and with the last id that it has received:
//
//	?ticket=T                                  201, ids are EPOCH:OFFSET:SECRET
//	?ticket=T  Last-Event-ID: …:…:SECRET       opened again, up to 5 min after the end
//	?ticket=T                                  401: an address alone, which is logged, opens nothing
//
// Beyond the bound, and beyond the half of one caller, a stream opens and cannot be opened again.
// With a keeper the streams survive a restart.
type reopenable struct {
	shares *shares.Shares

	mu     sync.Mutex
	byKey  map[string]*ticketStream // by storeKey of the ticket and the secret
	swept  time.Time
	keeper records
	one    sync.Once
	key    [32]byte // makes the secrets of tickets, see secretFor
}

type ticketStream struct {
	who    Identity
	holder shares.Holder
	live   int       // streams
	ends   time.Time // while there is none
}

func newReopenable(log *slog.Logger) reopenable {
	return reopenable{
		shares: shares.New(maxReopenable, "event streams of tickets", log),
		byKey:  make(map[string]*ticketStream),
	}
}

// HasTicket reports whether a request has a ticket in its query.
func HasTicket(r *http.Request) bool {
	q, err := request.ParseQuery(r.URL.RawQuery)
	return err == nil && q.Has(ticketParameter)
}

// secretOf is the secret in the Last-Event-ID of a request for an event stream; empty: none.
func secretOf(r *http.Request) string {
	parts := strings.Split(r.Header.Get("Last-Event-ID"), ":")
	if len(parts) != 3 || !wantsStream(r) {
		return ""
	}
	return parts[2]
}

func wantsStream(r *http.Request) bool {
	return r.Method == http.MethodGet && request.Accepts(r.Header["Accept"], "text/event-stream")
}

// secretFor is the secret of a ticket. Only this process can make it, so that a refusal can have
// it before there is a stream; another process knows it by its hash, from disk.
func (s *reopenable) secretFor(ticket string) string {
	s.one.Do(func() { rand.Read(s.key[:]) })
	mac := hmac.New(sha256.New, s.key[:])
	mac.Write([]byte(ticket))
	return base32.StdEncoding.EncodeToString(mac.Sum(nil))[:26] // 130 bits, as rand.Text
}

// byTicket returns the identity of a ticket, or of the stream that it has opened before.
func (p *Authenticator) byTicket(r *http.Request, ticket string) (Identity, error) {
	s := &p.reopenable
	secret := secretOf(r)
	if secret == "" {
		who, err := p.tickets.redeem(r.Context(), ticket)
		if err == nil && wantsStream(r) {
			s.begin(storeKey(ticket+s.secretFor(ticket)), CallerFrom(r.Context()).Holder(who), who)
		}
		return who, err
	}
	key := storeKey(ticket + secret)
	if who, found := s.known(key); found {
		return who, nil
	}
	return s.fetch(r.Context(), key)
}

// known is the identity of a stream that can be opened again.
func (s *reopenable) known(key string) (Identity, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.byKey[key]
	if x == nil || x.over(time.Now()) {
		return Identity{}, false
	}
	return x.who, true
}

// fetch is known for a stream that another node may have kept.
func (s *reopenable) fetch(ctx context.Context, key string) (Identity, error) {
	if s.keeper.shared == nil {
		return Identity{}, errBadTicket
	}
	value, _, err := s.keeper.shared.Lookup(ctx, kindStream, key)
	if err != nil {
		return Identity{}, err
	}
	var kept keptStream
	if value == nil || strict.Decode(value, &kept) != nil {
		return Identity{}, errBadTicket
	}
	who := kept.identity()
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.byKey[key]; x != nil {
		x.ends = time.Now().Add(reopenAge)
		return who, nil
	}
	s.add(key, &ticketStream{who: who, ends: time.Now().Add(reopenAge)}) // of which caller is not kept
	return who, nil
}

// Reopenable returns the secret for the ids of an event stream that was opened with a ticket: only
// with it the stream can be opened again. The identity is the one that Identify has
// returned for the request. secret is empty for other streams, beyond 100,000 of them, and beyond
// half of that for one caller. end is called at the end of the stream.
func (p *Authenticator) Reopenable(r *http.Request, who Identity) (secret string, end func()) {
	s := &p.reopenable
	secret, key := p.secret(r)
	if secret == "" || !s.open(key) {
		return "", func() {}
	}
	s.save(key, who, time.Now().Add(reopenKept))
	return secret, func() { s.end(key) }
}

// UsedTicket returns the secret for a request whose ticket was used, but which was refused: with
// it the stream can be opened later. Empty: there is none, or the client has it already.
func (p *Authenticator) UsedTicket(r *http.Request) string {
	s := &p.reopenable
	secret, key := p.secret(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if secretOf(r) != "" || s.byKey[key] == nil {
		return ""
	}
	return secret
}

// secret returns the secret of the ticket in a request for an event stream, and the key of its
// record; empty: no ticket has identified the sender.
func (p *Authenticator) secret(r *http.Request) (secret, key string) {
	q, err := request.ParseQuery(r.URL.RawQuery)
	if err != nil || !q.Has(ticketParameter) || !wantsStream(r) {
		return "", ""
	}
	if _, other, _ := credential(r, p.proofs.Load().any()); other {
		return "", ""
	}
	ticket := q.Get(ticketParameter)
	if secret = secretOf(r); secret == "" {
		secret = p.reopenable.secretFor(ticket)
	}
	return secret, storeKey(ticket + secret)
}

// begin notes that a stream may be opened with a ticket that was used.
func (s *reopenable) begin(key string, h shares.Holder, who Identity) {
	now := time.Now()
	s.mu.Lock()
	s.sweep(now)
	s.add(key, &ticketStream{who: who, holder: h, ends: now.Add(reopenAge)})
	s.mu.Unlock()
	if s.keeper.shared != nil { // the client may come back to another node
		s.save(key, who, now.Add(reopenAge))
	}
}

// open counts one more stream.
func (s *reopenable) open(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.byKey[key]
	if x == nil {
		return false
	}
	x.live++
	return true
}

// end counts one less.
func (s *reopenable) end(key string) {
	s.mu.Lock()
	x := s.byKey[key]
	x.live--
	ends := time.Now().Add(reopenAge)
	x.ends = ends
	last := x.live == 0
	s.mu.Unlock()
	switch {
	case !last:
	case s.keeper.shared != nil:
		s.endShared(key, x.who, ends)
	default:
		s.save(key, x.who, ends)
	}
}

// The methods below need reopenable.mu.

// add adds a stream, if there is room for one more of its holder.
func (s *reopenable) add(key string, x *ticketStream) {
	if s.shares.Take(x.holder, 1) == nil {
		s.byKey[key] = x
	}
}

// sweep forgets streams that are over, now and then.
func (s *reopenable) sweep(now time.Time) {
	if now.Sub(s.swept) < sweepStreams {
		return
	}
	s.swept = now
	for key, x := range s.byKey {
		if x.over(now) {
			delete(s.byKey, key)
			s.shares.Give(x.holder, 1)
		}
	}
}

func (x *ticketStream) over(now time.Time) bool { return x.live == 0 && !now.Before(x.ends) }

// save keeps a stream on disk. One that cannot be kept ends with the server.
func (s *reopenable) save(key string, who Identity, until time.Time) {
	if s.keeper.Keeper == nil {
		return
	}
	if err := s.keeper.keep(context.Background(), kindStream, key, s.record(who), until); err != nil {
		s.keeper.log.Warn("an event stream of a ticket cannot be kept on disk: after a restart its client needs a new ticket", slog.Any("err", err))
	}
}

// endShared keeps a stream for as long as its client may come back, unless it did so at another node:
// then that one has kept it since.
func (s *reopenable) endShared(key string, who Identity, until time.Time) {
	value := s.record(who)
	_, err := s.keeper.shared.Swap(context.Background(), kindStream, value, maru.KeptChange{Key: key, Value: value, Until: until})
	if err != nil {
		s.keeper.log.Warn("the end of an event stream of a ticket cannot be kept: it can be opened again for longer", slog.Any("err", err))
	}
}

// keptStream is a stream as it is kept.
type keptStream struct {
	keptIdentity
	Node string `json:"node,omitempty"` // where it is open, of a cluster
}

func (s *reopenable) record(who Identity) []byte {
	k := keptStream{keptIdentity: keptOf(who)}
	if s.keeper.shared != nil {
		s.one.Do(func() { rand.Read(s.key[:]) })
		k.Node = storeKey(string(s.key[:])) // of this run
	}
	value, _ := json.Marshal(k) // as a ticket's
	return value
}

// load takes over the streams that r has kept.
func (s *reopenable) load(ctx context.Context, r records) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keeper = r
	if r.shared != nil {
		return nil // each is looked up when it comes back
	}
	ends := time.Now().Add(reopenAge)
	return r.each(ctx, kindStream, func(key string, value []byte, until time.Time) {
		var kept keptStream
		if strict.Decode(value, &kept) == nil {
			s.add(key, &ticketStream{who: kept.identity(), ends: ends}) // of which caller is not kept
		}
	})
}
