package oracle

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"maru.example/maru/ws"

	"github.com/golang-jwt/jwt/v5"
)

const lobbyChannel = "room:lobby"

// A lobby is a channel in which people come and go, on all servers. Some have several connections.
type lobby struct {
	addrs  []string
	people sync.WaitGroup

	mu      sync.Mutex
	settled bool           // nobody comes or goes
	here    map[string]int // open connections by name
	coming  int            // connections that should be open, and are not
	changed chan struct{}  // closed at the next change of the above
}

// seat is what one connection is.
type seat int

const (
	away seat = iota
	coming
	sitting
)

func newLobby(ctx context.Context, t *testing.T, addrs []string, connections int) *lobby {
	t.Helper()
	l := &lobby{addrs: addrs, here: make(map[string]int), changed: make(chan struct{})}
	for i := range connections {
		user := fmt.Sprintf("person %02d", i*2/3) // every second one has two connections
		claims := jwt.MapClaims{"sub": user, "exp": time.Now().Add(24 * time.Hour).Unix()}
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(tokenKey))
		if err != nil {
			t.Fatal(err)
		}
		chance := rand.New(rand.NewPCG(*seed, 3<<32+uint64(i)))
		l.people.Go(func() { l.live(ctx, user, token, chance) })
	}
	return l
}

// live comes and goes until ctx ends.
func (l *lobby) live(ctx context.Context, user, token string, chance *rand.Rand) {
	for ctx.Err() == nil {
		l.move(user, away, coming)
		gone := make(chan struct{})
		var c *ws.Conn
		for c == nil && ctx.Err() == nil {
			var err error
			c, err = ws.Dial(ctx, "ws://"+l.addrs[chance.IntN(len(l.addrs))]+"/channels/"+lobbyChannel, ws.DialOptions{
				Header:  http.Header{"Authorization": {"Bearer " + token}},
				OnClose: func(*ws.Conn, int, string) { close(gone) },
				OnError: func(*ws.Conn, error) {},
			})
			if err != nil {
				pause(ctx, 20*time.Millisecond)
			}
		}
		if c == nil {
			return
		}
		l.move(user, coming, sitting)
		l.linger(ctx, time.Duration(100+chance.IntN(8000))*time.Millisecond, gone)
		if chance.IntN(2) == 0 {
			c.Terminate()
		} else {
			c.Close(1000, "")
		}
		<-gone
		l.move(user, sitting, away)
		if chance.IntN(3) == 0 {
			l.linger(ctx, time.Duration(chance.IntN(3000))*time.Millisecond, nil)
		}
	}
}

// move notes what becomes of a connection. In a settled lobby one that ends comes back.
func (l *lobby) move(user string, from, to seat) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for seat, by := range map[seat]int{from: -1, to: 1} {
		switch seat {
		case coming:
			l.coming += by
		case sitting:
			l.here[user] += by
			if l.here[user] == 0 {
				delete(l.here, user)
			}
		}
	}
	l.change()
}

// change wakes all that wait for a change. l.mu is held.
func (l *lobby) change() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// linger waits for a time, or until gone is closed. Nobody moves while the lobby is settled.
func (l *lobby) linger(ctx context.Context, d time.Duration, gone <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-gone:
		return
	case <-ctx.Done():
		return
	}
	for {
		l.mu.Lock()
		settled, changed := l.settled, l.changed
		l.mu.Unlock()
		if !settled {
			return
		}
		select {
		case <-changed:
		case <-gone:
			return
		case <-ctx.Done():
			return
		}
	}
}

// settle lets nobody come or go until it is called again with false.
func (l *lobby) settle(settled bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settled = settled
	l.change()
}

// truth returns who is there, and false if some connections are not yet open.
func (l *lobby) truth() (here map[string]int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.here), l.coming == 0
}
