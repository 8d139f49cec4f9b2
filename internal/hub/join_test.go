package hub_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
)

func TestForms(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		raw, full := w.connect(), w.connect()
		c := w.hub.Channel("a")
		defer c.Release()
		join(c, raw.socket(bare))
		join(c, full.socket(publication))
		for _, p := range []*maru.Publication{
			{Kind: maru.Text, Data: []byte("<hi>")},
			{Kind: maru.JSON, Data: []byte(`{"a":1}`), Key: "k", User: "kim"},
			{Kind: maru.Binary, Data: []byte{0, 255}},
		} {
			maru.Publish(t.Context(), w.broker, "a", p, maru.PublishOptions{})
		}
		synctest.Wait()
		if want := []string{"<hi>", `{"a":1}`, "\x00\xff"}; !slices.Equal(raw.got, want) {
			t.Errorf("raw got %q, want %q", raw.got, want)
		}
		if want := []frame.Opcode{frame.Text, frame.Text, frame.Binary}; !slices.Equal(raw.kind, want) {
			t.Errorf("raw got kinds %v, want %v", raw.kind, want)
		}
		want := []string{
			`{"offset":1,"kind":"text","data":"<hi>","time":"0001-01-01T00:00:00Z"}`,
			`{"offset":2,"kind":"json","data":{"a":1},"key":"k","time":"0001-01-01T00:00:00Z","user":"kim"}`,
			`{"offset":3,"kind":"binary","data":"AP8=","time":"0001-01-01T00:00:00Z"}`,
		}
		if !slices.Equal(full.got, want) {
			t.Errorf("publications: got\n%q, want\n%q", full.got, want)
		}
		if want := []frame.Opcode{frame.Text, frame.Text, frame.Text}; !slices.Equal(full.kind, want) {
			t.Errorf("publications came as %v, want %v", full.kind, want)
		}
	})
}

func TestJoin(t *testing.T) {
	t.Parallel()
	since := func(offset uint64) maru.HistoryQuery {
		return maru.HistoryQuery{Since: &maru.Position{Offset: offset}, Limit: -1}
	}
	tests := map[string]struct {
		ask     *maru.HistoryQuery
		setup   func(w *world) // after 1 to 5 were published
		want    []string       // of these and 6, published after the join
		wantErr maru.Code
	}{
		"live only":         {want: numbers(6, 6)},
		"since the start":   {ask: new(since(0)), want: numbers(1, 6)},
		"since the middle":  {ask: new(since(3)), want: numbers(4, 6)},
		"since the head":    {ask: new(since(5)), want: numbers(6, 6)},
		"the newest two":    {ask: &maru.HistoryQuery{Limit: 2}, want: numbers(4, 6)},
		"more than is kept": {ask: &maru.HistoryQuery{Limit: 9}, want: numbers(1, 6)},
		"broker fails": {
			ask: new(since(3)), wantErr: maru.CodeShuttingDown,
			setup: func(w *world) { w.broker.fails = maru.NewError(maru.CodeShuttingDown, "") },
		},
		"more comes meanwhile than may wait": {
			ask: new(since(3)), wantErr: maru.CodeSlow,
			setup: func(w *world) {
				w.broker.onHistory = func() {
					for i := range 11 {
						w.publish("a", strconv.Itoa(100+i))
					}
				}
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, hub.Options{QueueMessages: 10})
				for _, text := range numbers(1, 5) {
					w.publish("a", text)
				}
				if tt.setup != nil {
					tt.setup(w)
				}
				client := w.connect()
				c := w.hub.Channel("a")
				defer c.Release()
				var err error
				if tt.ask != nil {
					err = joinFrom(t.Context(), c, client.socket(bare), *tt.ask)
				} else {
					join(c, client.socket(bare))
				}
				w.publish("a", "6")
				synctest.Wait()
				if got := client.messages(); !slices.Equal(got, tt.want) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				if tt.wantErr != "" && !errors.Is(err, &maru.Error{Code: tt.wantErr}) || tt.wantErr == "" && err != nil {
					t.Errorf("error %v, want %q", err, tt.wantErr)
				}
				if n := w.hub.Presence("a").Anonymous; (n == 1) != (err == nil) {
					t.Errorf("%d present after error %v", n, err)
				}
			})
		})
	}
}

// A long history goes out in pieces, so that a reader that does not read costs a
// piece and not all it asked for.
func TestLongReplay(t *testing.T) {
	t.Parallel()
	const publications, size = 40, 64 << 10
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{QueueAge: 10 * time.Second})
		var want []string
		for i := range publications {
			want = append(want, strings.Repeat(string(rune('a'+i%26)), size))
			w.publish("a", want[i])
		}
		c := w.hub.Channel("a")
		defer c.Release()
		reader := w.connect()
		if err := joinFrom(t.Context(), c, reader.socket(bare), maru.HistoryQuery{Limit: publications}); err != nil {
			t.Fatal(err)
		}
		w.publish("a", "live")
		synctest.Wait()
		if got := reader.messages(); !slices.Equal(got, append(want, "live")) {
			t.Errorf("got %d messages of %d, or not in order", len(got), publications+1)
		}

		near, far := net.Pipe() // nobody reads the far end
		defer far.Close()
		deaf, err := w.engine.Open(near, nil, loop.Params{Held: true}, func(loop.Conn) loop.Handler { return new(client) })
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		err = joinFrom(t.Context(), c, hub.Socket{Conn: deaf}, maru.HistoryQuery{Limit: publications})
		if !errors.Is(err, &maru.Error{Code: maru.CodeSlow}) || time.Since(start) != 10*time.Second {
			t.Errorf("%v after %v, want slow after 10s", err, time.Since(start))
		}
		if n := deaf.Buffered(); n > 300<<10 {
			t.Errorf("%d bytes wait for a slow subscriber", n)
		}
	})
}

// A publication made while history is read arrives once, in the replay or from the queue.
func TestJoinWhilePublishing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		w.publish("a", "1")
		w.broker.onHistory = func() {
			w.publish("a", "2")
			w.publish("b", "another channel's")
			w.publish("a", "3")
		}
		client := w.connect()
		c := w.hub.Channel("a")
		defer c.Release()
		if err := joinFrom(t.Context(), c, client.socket(bare), maru.HistoryQuery{Limit: 10}); err != nil {
			t.Fatal(err)
		}
		w.publish("a", "4")
		synctest.Wait()
		if got, want := client.messages(), numbers(1, 4); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// Every subscriber that joins during many publications with its last position gets all that follow,
// once, in order.
func TestReplayAgainstLive(t *testing.T) {
	t.Parallel()
	const publications, subscribers = 4000, 60
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{QueueMessages: publications})
		w.broker.onHistory = runtime.Gosched
		// Subscriber i comes when join[i] are published and knows from[i] of them.
		var clients [subscribers]*client
		var join, from [subscribers]int
		due := make(map[int]chan struct{})
		for i := range subscribers {
			clients[i], join[i] = w.connect(), 1+rand.IntN(publications*3/4)
			from[i] = rand.IntN(join[i])
			if due[join[i]] == nil {
				due[join[i]] = make(chan struct{})
			}
		}
		var all sync.WaitGroup
		for i, c := range clients {
			now := due[join[i]]
			all.Go(func() {
				<-now
				channel := w.hub.Channel("a")
				t.Cleanup(channel.Release)
				ask := maru.HistoryQuery{Since: &maru.Position{Offset: uint64(from[i])}, Limit: -1}
				if err := joinFrom(t.Context(), channel, c.socket(bare), ask); err != nil {
					t.Error(err)
				}
			})
		}
		for i := range publications {
			w.engine.Wait(t.Context())
			w.publish("a", strconv.Itoa(i+1))
			if now := due[i+1]; now != nil {
				close(now)
			}
		}
		all.Wait()
		synctest.Wait()
		for i, c := range clients {
			if want := numbers(from[i]+1, publications); !slices.Equal(c.messages(), want) {
				t.Errorf("subscriber %d from %d got %d messages of %d, or not in order", i, from[i], len(c.got), len(want))
			}
		}
	})
}

// A gap is part of the answer; the caller decides about it. Cancel leaves no subscriber behind.
func TestJoinGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		w.broker.gap = &maru.Gap{Reason: maru.GapExpired, From: 4, To: 4}
		c := w.hub.Channel("a")
		defer c.Release()
		j, err := c.Join(t.Context(), hub.Mode{}, &maru.HistoryQuery{Since: &maru.Position{Offset: 3}, Limit: -1})
		if err != nil || j.History.Gap != w.broker.gap {
			t.Errorf("gap %v, error %v", j.History.Gap, err)
		}
		j.Cancel()
		if n := w.hub.Presence("a").Anonymous; n != 0 {
			t.Errorf("%d present after Cancel", n)
		}
	})
}

// A subscriber without a history gets nothing published before it joined, in any mode, even if it
// still waits for others, and even if it is transient.
func TestNothingFromBefore(t *testing.T) {
	t.Parallel()
	modes := map[string]hub.Mode{"all": {}, "latest": {Latest: true}, "paced": {Latest: true, MaxHz: 0.1}}
	for name, mode := range modes {
		for _, transient := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, transient %v", name, transient), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, hub.Options{})
					c := w.hub.Channel("a")
					defer c.Release()
					publish := func(key, text string) {
						p := &maru.Publication{Key: key, Data: []byte(text)}
						if transient {
							w.hub.Deliver("a", maru.Position{Epoch: epoch}, p)
							return
						}
						maru.Publish(t.Context(), w.broker, "a", p, maru.PublishOptions{})
					}
					subscribe := func() *client {
						client := w.connect()
						socket := client.socket(bare)
						socket.Mode = mode
						join(c, socket)
						return client
					}
					first := subscribe()
					publish("x", "one")
					publish("x", "two")
					publish("y", "three")
					time.Sleep(5 * time.Second)
					second := subscribe()
					publish("y", "four")
					time.Sleep(time.Minute)
					synctest.Wait()
					if got := second.messages(); !slices.Equal(got, []string{"four"}) {
						t.Errorf("the second subscriber got %q", got)
					}
					if got := first.messages(); got[len(got)-1] != "four" {
						t.Errorf("the first subscriber got %q", got)
					}
				})
			})
		}
	}
}

func TestLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		w.publish("a", "1")
		c := w.hub.Channel("a")
		first, second := w.connect(), w.connect()
		join(c, first.socket(bare))
		if err := joinFrom(t.Context(), c, second.socket(bare), maru.HistoryQuery{Limit: 1}); err != nil {
			t.Fatal(err)
		}
		first.near.Terminate()
		second.near.Terminate()
		synctest.Wait()
		c.Remove(first.socket(bare), true)
		c.Remove(second.socket(bare), true)
		if n := w.hub.Presence("a").Anonymous; n != 0 {
			t.Errorf("%d present after all have left", n)
		}
		c.Release()
		if n := w.hub.Len(); n != 0 {
			t.Errorf("%d channels have state after all have left", n)
		}
		w.publish("a", "2") // to nobody
	})
}

func TestJoinClosedConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		w.publish("a", "1")
		client := w.connect()
		client.near.Terminate()
		synctest.Wait()
		c := w.hub.Channel("a")
		defer c.Release()
		if err := joinFrom(context.Background(), c, client.socket(bare), maru.HistoryQuery{Limit: 1}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("error %v", err)
		}
	})
}
