package server_test

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/broker/memory"
	"maru.example/maru/server"
)

// keeping is a broker that keeps small records, in a map that outlives it.
type keeping struct {
	maru.Broker
	mu      *sync.Mutex
	records map[string]record
}

type record struct {
	value []byte
	until time.Time
}

func (k keeping) Keep(_ context.Context, kind, key string, value []byte, until time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.records[kind+" "+key] = record{slices.Clone(value), until}
	return nil
}

func (k keeping) Forget(_ context.Context, kind, key string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.records, kind+" "+key)
	return nil
}

func (k keeping) Kept(_ context.Context, kind string, each func(key string, value []byte, until time.Time) bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(k.records)) {
		if key, of := strings.CutPrefix(id, kind+" "); of && !each(key, k.records[id].value, k.records[id].until) {
			break
		}
	}
	return nil
}

// Issue 14, 19: with a broker that keeps records, a restart changes nothing in who is refused and who is signed
// in.
func TestRevocationsAndSessionsSurviveARestart(t *testing.T) {
	t.Parallel()
	k := keeping{mu: new(sync.Mutex), records: make(map[string]record)}
	o := roomy()
	o.Nicknames = true
	o.Broker = func(b maru.BrokerOptions) (maru.Broker, error) {
		k := k
		k.Broker = memory.New(memory.Options{Retention: b.Retention, Listed: b.Listed, Sink: b.Sink})
		return k, nil
	}
	w := newWorld(t, o)
	w.admin("revoke", `{"user":"kim","for":"1h"}`)
	cookie := w.request("POST", "/session", `{"nickname":"lee"}`).Cookies()[0]
	w.shutdown()

	w = newWorld(t, o)
	if got := w.upgrade("/channels/room:1", bearer(kimsToken(t))); got != http.StatusUnauthorized {
		t.Errorf("kim after a restart: %d", got)
	}
	if got := w.upgrade("/channels/room:1", "Cookie: "+cookie.String()); got != http.StatusSwitchingProtocols {
		t.Errorf("lee after a restart: %d", got)
	}
	if n, err := w.server.Revoke(t.Context(), server.Target{User: "lee"}, time.Hour); err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if got := w.upgrade("/channels/room:1", "Cookie: "+cookie.String()); got != http.StatusForbidden {
		t.Errorf("lee after the end of the session: %d", got)
	}
}
