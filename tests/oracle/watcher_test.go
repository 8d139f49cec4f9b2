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
	now  client.Presence
}

func newWatcher(ctx context.Context, t *testing.T, addrs []string, channel string) *watcher {
	t.Helper()
	w := new(watcher)
	var err error
	if w.client, err = client.Dial(ctx, "http://"+addrs[0], wandering(addrs, w.note)); err != nil {
		t.Fatal(err)
	}
	sub, err := w.client.Subscribe(channel, client.SubscribeOptions{Presence: true})
	if err != nil {
		t.Fatal(err)
	}
	w.reading.Go(func() {
		for event := range sub.All(context.Background()) {
			if p, is := event.(*client.Presence); is {
				w.mu.Lock()
				w.now = *p
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

func (w *watcher) connected() bool { return w.client.State() == client.Open }

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
