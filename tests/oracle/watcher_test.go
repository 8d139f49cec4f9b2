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

// wandering are the options of a client for Go that connects to one of the servers, by chance.
func wandering(addrs []string) client.Options {
	return client.Options{
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
		NetDial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addrs[rand.IntN(len(addrs))])
		},
	}
}

// A watcher follows the presence of a channel.
type watcher struct {
	client  *client.Client
	reading sync.WaitGroup

	mu  sync.Mutex
	now client.Presence
}

func newWatcher(ctx context.Context, t *testing.T, addrs []string, channel string) *watcher {
	t.Helper()
	c, err := client.Dial(ctx, "http://"+addrs[0], wandering(addrs))
	if err != nil {
		t.Fatal(err)
	}
	sub, err := c.Subscribe(channel, client.SubscribeOptions{Presence: true})
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{client: c}
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
