package restart

import (
	"bufio"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"maru.example/maru/client"
	"maru.example/maru/ws"
)

const channel = "/channels/restart"

// follower is one client. It comes back by itself.
type follower struct {
	url     string
	recover bool // from its position

	mu      sync.Mutex
	got     map[int]bool
	lostAt  time.Time // zero: it is connected
	longest time.Duration
	away    time.Duration // in all
	gaveUp  string        // why it does not come back
}

// kinds are the ways in which clients follow.
var kinds = []struct {
	name   string
	share  int // of ten
	follow func(f *follower, ctx context.Context)
}{
	{"maru.v1", 6, (*follower).followV1},
	{"raw", 2, (*follower).followRaw},
	{"event stream", 2, (*follower).followEvents},
}

func (f *follower) take(text string) {
	n, err := strconv.Atoi(text)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.got[n] = true
	}
}

func (f *follower) lost() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lostAt.IsZero() {
		f.lostAt = time.Now()
	}
}

func (f *follower) back() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.lostAt.IsZero() {
		absence := time.Since(f.lostAt)
		f.longest, f.away, f.lostAt = max(f.longest, absence), f.away+absence, time.Time{}
	}
}

func (f *follower) giveUp(why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gaveUp = why
}

// complete reports whether it is connected and has every number up to the last.
func (f *follower) complete(last int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lostAt.IsZero() && (!f.recover || len(f.got) == last+1)
}

// followV1 is package client.
func (f *follower) followV1(ctx context.Context) {
	c, err := client.Dial(ctx, f.url, client.Options{OnState: func(s client.State, why error) {
		switch s {
		case client.Waiting:
			f.lost()
		case client.Open:
			f.back()
		}
	}})
	if err != nil {
		f.giveUp(err.Error())
		return
	}
	defer c.Close()
	s, err := c.Subscribe("restart", client.SubscribeOptions{})
	if err != nil {
		f.giveUp(err.Error())
		return
	}
	for ev, err := range s.All(ctx) {
		if err != nil && ctx.Err() == nil {
			f.giveUp(err.Error())
		}
		if p, ok := ev.(*client.Publication); ok {
			f.take(string(p.Data))
		}
	}
}

// followRaw is a page that connects again as docs/protocol.md §6 advises, from its position.
func (f *follower) followRaw(ctx context.Context) {
	var at uint64
	for attempt := 0; ctx.Err() == nil; attempt++ {
		address := strings.Replace(f.url, "http", "ws", 1) + channel + "?as=publication"
		if at > 0 && f.recover {
			address += "&since=" + strconv.FormatUint(at, 10)
		}
		closed := make(chan struct{})
		c, err := ws.Dial(ctx, address, ws.DialOptions{
			OnMessage: func(_ *ws.Conn, m ws.Message) {
				var p struct {
					Offset uint64
					Data   string
				}
				if json.Unmarshal(m.Data, &p) == nil {
					at = p.Offset
					f.take(p.Data)
				}
			},
			OnClose: func(*ws.Conn, int, string) { close(closed) },
			OnError: func(*ws.Conn, error) {},
		})
		if err == nil {
			attempt = 0
			f.back()
			select {
			case <-closed:
				f.lost()
			case <-ctx.Done():
				c.Terminate()
				<-closed
			}
		}
		pause(ctx, time.Duration(rand.Float64()*float64(min(20*time.Second, 500*time.Millisecond<<attempt))))
	}
}

// followEvents is an EventSource: it comes back after a lost stream and after an error of the network,
// and never after any status but 200.
func (f *follower) followEvents(ctx context.Context) {
	id, retry := "", 3*time.Second
	for ctx.Err() == nil {
		r, _ := http.NewRequestWithContext(ctx, "GET", f.url+channel, nil)
		r.Header.Set("Accept", "text/event-stream")
		if id != "" && f.recover {
			r.Header.Set("Last-Event-ID", id)
		}
		answer, err := streams.Do(r)
		if err == nil && answer.StatusCode != http.StatusOK {
			answer.Body.Close()
			f.giveUp(answer.Status)
			return
		}
		if err == nil {
			f.readEvents(answer, &id, &retry)
			answer.Body.Close()
			f.lost()
		}
		pause(ctx, retry)
	}
}

// streams keeps no connection, as each stream has one for itself.
var streams = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// readEvents reads blocks until the stream ends.
func (f *follower) readEvents(answer *http.Response, id *string, retry *time.Duration) {
	event, data := "", ""
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "retry":
			if ms, err := strconv.Atoi(value); err == nil {
				*retry = time.Duration(ms) * time.Millisecond
			}
		case "id":
			*id = value
		case "event":
			event = value
		case "data":
			data = value
		case "":
			if event == "position" {
				f.back()
			} else if event == "" {
				f.take(data)
			}
			event, data = "", ""
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
