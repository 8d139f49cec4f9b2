package oracle

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"

	"maru.example/maru/client"
)

// wandering are the options of a client for Go that connects to one of the servers, by chance, and
// notes to which.
func wandering(addrs []string, note func(addr string)) client.Options {
	return client.Options{
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
		NetDial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			addr := addrs[rand.IntN(len(addrs))]
			note(addr)
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}
}

// A watcher follows the presence of a channel.
type watcher struct {
	client  *client.Client
	reading sync.WaitGroup

	mu   sync.Mutex
	addr string // of the server that it last connected to
	on   bool   // it is subscribed
	now  client.Presence
}

func newWatcher(ctx context.Context, t *testing.T, addrs []string, channel string) *watcher {
	t.Helper()
	w := new(watcher)
	o := wandering(addrs, w.note)
	o.OnState = func(s client.State, _ error) {
		if s != client.Open {
			w.turn(false)
		}
	}
	var err error
	if w.client, err = client.Dial(ctx, "http://"+addrs[0], o); err != nil {
		t.Fatal(err)
	}
	sub, err := w.client.Subscribe(channel, client.SubscribeOptions{Presence: true})
	if err != nil {
		t.Fatal(err)
	}
	w.reading.Go(func() {
		for event := range sub.All(context.Background()) {
			switch e := event.(type) {
			case *client.Subscribed:
				w.turn(true)
			case *client.Presence:
				w.mu.Lock()
				w.now = *e
				w.mu.Unlock()
			}
		}
	})
	return w
}

func (w *watcher) note(addr string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.addr = addr
}

func (w *watcher) where() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.addr
}

func (w *watcher) turn(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on = on
}

func (w *watcher) subscribed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.on
}

// sees reports whether it sees these people, and so many others. The number of their connections
// comes only with the change of a name.
func (w *watcher) sees(people []string, anonymous int) (client.Presence, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now, w.now.Anonymous == anonymous && slices.Equal(w.now.Users, people)
}

func (w *watcher) close() {
	w.client.Close()
	w.reading.Wait()
}
