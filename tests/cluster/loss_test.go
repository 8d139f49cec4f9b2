package cluster_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/client"
	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/server"
	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/ws"

	nats "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// loseStreams removes what NATS stores of all publications.
func loseStreams(t *testing.T, url string) {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	for name := range js.StreamNames(t.Context()).Name() {
		if strings.HasPrefix(name, "maru_log_") {
			lost++
			if err := js.DeleteStream(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if lost == 0 {
		t.Fatal("there is nothing to lose")
	}
}

// When NATS has lost what was acknowledged, people who are connected to any node are notified, each in
// the form that the transport has, before anything that follows reaches them.
func TestLossIsNotified(t *testing.T) {
	program.InOwnStep(t)
	urls := threeServers(t)
	o := cluster.Options{Replicas: 3, Beat: 200 * time.Millisecond}
	owner := startWith(t, urls[0], o)
	owner.post(t, "news:x", "1")
	nodes := []*node{startWith(t, urls[1], o), startWith(t, urls[2], o)}
	var told sync.WaitGroup
	var ready sync.WaitGroup
	for _, n := range nodes {
		for name, follow := range map[string]func(*testing.T, *node, func()) string{
			"maru.v1": gapOfClient, "raw": gapOfRaw, "events": gapOfEvents, "poll": gapOfPoll, "program": gapOfProgram,
		} {
			ready.Add(1)
			told.Go(func() {
				if got := follow(t, n, sync.OnceFunc(ready.Done)); got != "a gap" {
					t.Errorf("%s: %s", name, got)
				}
			})
		}
	}
	ready.Wait()
	owner.stop(t)
	loseStreams(t, urls[1])
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		r, err := http.Post(nodes[0].url+"/channels/news:x", "text/plain", strings.NewReader("2"))
		if err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing can be published")
		}
	}
	told.Wait()
}

// patience is how long a follower waits for its gap.
func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func gapOfClient(t *testing.T, n *node, ready func()) string {
	defer ready()
	ctx := patience(t)
	c, err := client.Dial(ctx, n.url, client.Options{})
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	sub, err := c.Subscribe("news:x", client.SubscribeOptions{})
	if err != nil {
		return err.Error()
	}
	for {
		event, err := sub.Next(ctx)
		if err != nil {
			return err.Error()
		}
		switch e := event.(type) {
		case *client.Subscribed:
			ready()
		case *client.Publication:
			return string(e.Data) + " came without a gap"
		case *client.Gap:
			return "a gap"
		}
	}
}

func gapOfRaw(t *testing.T, n *node, ready func()) string {
	defer ready()
	ended := make(chan string, 2)
	c, err := ws.Dial(patience(t), "ws://"+n.addr+"/channels/news:x?as=publication", ws.DialOptions{
		OnMessage: func(_ *ws.Conn, m ws.Message) { ended <- "a message without a gap" },
		OnClose: func(_ *ws.Conn, code int, reason string) {
			if code == maru.CloseGap && reason == "gap" {
				ended <- "a gap"
			} else {
				ended <- fmt.Sprint(code, reason)
			}
		},
	})
	if err != nil {
		return err.Error()
	}
	defer c.Terminate()
	ready()
	return <-ended
}

// gapOfEvents reads a stream to its end and opens it again, as a browser does.
func gapOfEvents(t *testing.T, n *node, ready func()) string {
	defer ready()
	last := ""
	for range 2 {
		r, _ := http.NewRequestWithContext(patience(t), http.MethodGet, n.url+"/channels/news:x", nil)
		r.Header.Set("Accept", "text/event-stream")
		if last != "" {
			r.Header.Set("Last-Event-ID", last)
		}
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			return err.Error()
		}
		for lines := bufio.NewScanner(a.Body); lines.Scan(); {
			line := lines.Text()
			if id, is := strings.CutPrefix(line, "id: "); is {
				last = id
				ready()
			}
			if line == "event: gap" {
				a.Body.Close()
				return "a gap"
			}
			if line == "data: 2" {
				a.Body.Close()
				return "2 came without a gap"
			}
		}
		a.Body.Close()
	}
	return "two streams without a gap"
}

func gapOfPoll(t *testing.T, n *node, ready func()) string {
	defer ready()
	h, err := n.History(t.Context(), "news:x", maru.HistoryQuery{Limit: 1})
	if err != nil {
		return err.Error()
	}
	time.AfterFunc(300*time.Millisecond, ready)
	r, _ := http.NewRequestWithContext(patience(t), http.MethodGet, fmt.Sprintf("%s/channels/news:x?wait=30s&since=%s:%d", n.url, h.Epoch, h.Head), nil)
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		return err.Error()
	}
	defer a.Body.Close()
	b, _ := io.ReadAll(a.Body)
	if strings.Contains(string(b), `"gap":{"reason":"epoch"}`) {
		return "a gap"
	}
	return string(b)
}

func gapOfProgram(t *testing.T, n *node, ready func()) string {
	defer ready()
	sub, err := n.Subscribe(patience(t), "news:x", server.SubscribeOptions{})
	if err != nil {
		return err.Error()
	}
	defer sub.Close()
	ready()
	d, err := sub.Next(patience(t))
	if errors.Is(err, &maru.Error{Code: maru.CodeGap}) {
		return "a gap"
	}
	return fmt.Sprint(d, err)
}
