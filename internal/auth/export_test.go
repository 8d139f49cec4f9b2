package auth

import (
	"context"
	"log/slog"
	"reflect"

	"maru.example/maru/internal/shares"
)

// Kept counts what the sessions hold in memory: tokens in the store, expired
// ones too, and sessions by id and by nickname.
func Kept(s *Sessions) (tokens, ids, names int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := reflect.ValueOf(s.scs.Store).Elem().FieldByName("items") // All leaves out the expired
	return items.Len(), len(s.byID), len(s.byName)
}

// Codec is the codec of stored sessions.
type Codec = codec

// ParseOrigin is parseOrigin, seen from outside: the origin in its normal spelling, and its
// parts.
func ParseOrigin(s string) (written, host string, port uint16, loopback, ok bool) {
	o, ok := parseOrigin(s)
	return o.String(), o.host, o.port, o.loopback(), ok
}

// NewKeySetFrom is NewKeySet with a function in the place of HTTP.
func NewKeySetFrom(fetch func(context.Context) ([]byte, error), log *slog.Logger) *KeySet {
	return newKeySet("test", log, nil, nil, fetch)
}

// ReadKeySet parses a key set, and counts the keys that it gives and leaves out.
func ReadKeySet(data []byte) (keys, odd int, err error) {
	good, bad, err := parseKeySet(data)
	return len(good), len(bad), err
}

// ReadWebhook reads an answer of the connect webhook.
var ReadWebhook = readWebhook

// KeptTickets counts what is remembered of tickets.
func KeptTickets(p *Authenticator) int {
	p.tickets.mu.Lock()
	defer p.tickets.mu.Unlock()
	return max(len(p.tickets.byKey), len(p.tickets.issued), len(p.tickets.of))
}

// LimitTickets changes the most tickets at once.
func LimitTickets(p *Authenticator, most int) {
	p.tickets.shares = shares.New(int64(most), "tickets", nil)
}

// LimitStreams changes the most streams of tickets that can be opened again.
func LimitStreams(p *Authenticator, most int) {
	p.reopenable.shares = shares.New(int64(most), "event streams of tickets", nil)
}

// ParseOrder is parseOrder; it returns the target.
func ParseOrder(data []byte) (Target, error) {
	o, err := parseOrder(data)
	return o.Target, err
}
