package cluster_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/client"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

// While NATS is away clients stay connected, and publishing says unavailable in each protocol. When it is
// back, all go on where they were.
func TestNATSAway(t *testing.T) {
	t.Parallel()
	nats := newRestartable(t)
	a, b := start(t, nats.url), start(t, nats.url)
	socket := follow(t, newRoad(t, b.addr), "news:x", 4)
	events := stream(t, b.url+"/channels/news:x", 4)
	program, page := publisher(t, b), newPage(t, b)
	a.post(t, "news:x", "1")
	b.post(t, "news:x", "2")

	nats.stop()
	for _, one := range []*node{a, b} {
		waitFor(t, "/readyz to be 503", func() bool { status, _, _ := get(t, one.url+"/readyz"); return status == http.StatusServiceUnavailable })
		if _, _, body := get(t, one.url+"/readyz"); !strings.Contains(body, "NATS") {
			t.Errorf("/readyz: %s", body)
		}
		if status, _, _ := get(t, one.url+"/healthz"); status != http.StatusOK {
			t.Errorf("/healthz: %d", status)
		}
		status, again, body := post(t, one.url+"/channels/news:x", "lost")
		if status != http.StatusServiceUnavailable || again == "" || !strings.Contains(body, `"unavailable"`) {
			t.Errorf("POST: %d, Retry-After %q, %s", status, again, body)
		}
		if _, _, body := get(t, one.url+"/metrics"); !strings.Contains(body, "\nmaru_nats_connected 0\n") || !strings.Contains(body, "\nmaru_history_failing 1\n") {
			t.Errorf("/metrics: no connection to NATS in\n%s", body)
		}
	}
	if err := program("lost"); !errors.Is(err, &maru.Error{Code: maru.CodeUnavailable}) {
		t.Errorf("maru.v1: %v", err)
	}
	if got := page.emit(`["publish","news:x","lost"]`); !strings.Contains(got, `"unavailable"`) {
		t.Errorf("Socket.IO: %s", got)
	}
	patient := make(chan error, 1)
	go func() {
		_, err := a.PublishWith(t.Context(), "news:x", &maru.Publication{Data: []byte("3")}, maru.PublishOptions{Wait: true})
		patient <- err
	}()

	nats.start()
	if err := <-patient; err != nil {
		t.Error(err)
	}
	waitFor(t, "/readyz to be 200", func() bool { status, _, _ := get(t, b.url+"/readyz"); return status == http.StatusOK })
	b.post(t, "news:x", "4")
	want := []string{"1", "2", "3", "4"}
	for name, got := range map[string][]string{"maru.v1": <-socket, "events": <-events} {
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A server that is cut off does not pretend: it publishes nothing and shows no history. When it is back, its
// subscribers receive what they have missed, in order and once.
func TestCutOff(t *testing.T) {
	t.Parallel()
	nats := newRestartable(t)
	cable := newCable(t, strings.TrimPrefix(nats.url, "nats://"))
	a, b := start(t, nats.url), start(t, "nats://"+cable.listener.Addr().String())
	const n = 20
	events := stream(t, b.url+"/channels/news:x", n)
	for i := range n / 2 {
		b.post(t, "news:x", fmt.Sprint(i))
	}
	cable.cut()
	waitFor(t, "/readyz of the other to be 503", func() bool { status, _, _ := get(t, b.url+"/readyz"); return status == http.StatusServiceUnavailable })
	if status, _, body := get(t, b.url+"/channels/news:x?limit=1"); status != http.StatusServiceUnavailable {
		t.Errorf("history of a server that is cut off: %d %s", status, body)
	}
	if status, _, body := post(t, b.url+"/channels/news:x", "lost"); status != http.StatusServiceUnavailable {
		t.Errorf("POST to a server that is cut off: %d %s", status, body)
	}
	for i := n / 2; i < n; i++ {
		waitFor(t, "a publication on the other server", func() bool {
			status, _, _ := post(t, a.url+"/channels/news:x", fmt.Sprint(i))
			return status == http.StatusOK
		})
	}
	cable.mend()
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint(i))
	}
	if got := <-events; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// cable is a TCP connection to a server that can be cut.
type cable struct {
	listener net.Listener
	busy     sync.WaitGroup

	mu    sync.Mutex
	isCut bool
	open  []net.Conn
}

func newCable(t *testing.T, to string) *cable {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{listener: l}
	c.busy.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil || !c.joined(in, out) {
				in.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				c.busy.Go(func() { io.Copy(pair[0], pair[1]); pair[0].Close(); pair[1].Close() })
			}
		}
	})
	t.Cleanup(func() { c.listener.Close(); c.cut(); c.busy.Wait() })
	return c
}

// joined notes both ends. It reports false, and closes out, while the cable is cut.
func (c *cable) joined(in, out net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isCut {
		out.Close()
		return false
	}
	c.open = append(c.open, in, out)
	return true
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isCut = true
	for _, end := range c.open {
		end.Close()
	}
	c.open = nil
}

func (c *cable) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isCut = false
}

// restartable is a server of NATS that ends and starts again with its files and its port.
type restartable struct {
	t       *testing.T
	options natsserver.Options
	server  *natsserver.Server
	url     string
}

func newRestartable(t *testing.T) *restartable {
	r := &restartable{t: t, options: natsserver.Options{Host: "127.0.0.1", Port: freePorts(t, 1)[0], NoSigs: true, JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: 1 << 40}}
	r.start()
	t.Cleanup(r.stop)
	r.url = r.server.ClientURL()
	return r
}

func (r *restartable) start() {
	r.t.Helper()
	var err error
	if r.server, err = natsserver.NewServer(r.options.Clone()); err != nil {
		r.t.Fatal(err)
	}
	r.server.Start()
	if !r.server.ReadyForConnections(20 * time.Second) {
		r.t.Fatal("NATS does not start")
	}
}

func (r *restartable) stop() { r.server.Shutdown(); r.server.WaitForShutdown() }

// stream reads so many publications from an event stream, over one connection.
func stream(t *testing.T, url string, n int) <-chan []string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	answer, err := http.DefaultClient.Do(r)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatal(answer, err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() && lines.Text() != "event: position" {
	}
	got := make(chan []string, 1)
	go func() {
		var all []string
		defer func() { got <- all }()
		for len(all) < n {
			if !lines.Scan() {
				all = append(all, fmt.Sprint("the stream has ended: ", lines.Err()))
				return
			}
			if text, is := strings.CutPrefix(lines.Text(), "data: "); is && !strings.HasPrefix(text, "{") {
				all = append(all, text)
			} else if strings.HasPrefix(lines.Text(), "event: gap") {
				all = append(all, "a gap")
			}
		}
	}()
	return got
}

// publisher connects a client with maru.v1, which publishes once and does not try again.
func publisher(t *testing.T, to *node) func(text string) error {
	t.Helper()
	c, err := client.Dial(t.Context(), to.url, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return func(text string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err := c.Publish(ctx, "news:x", &maru.Publication{Data: []byte(text)})
		return err
	}
}

// page is a client of Socket.IO, by polling.
type page struct {
	t   *testing.T
	url string
}

func newPage(t *testing.T, to *node) *page {
	p := &page{t, to.url + "/socket.io/?EIO=4&transport=polling"}
	_, _, hello := get(t, p.url)
	_, sid, _ := strings.Cut(hello, `"sid":"`)
	sid, _, _ = strings.Cut(sid, `"`)
	p.url += "&sid=" + sid
	post(t, p.url, "40")
	if _, _, connected := get(t, p.url); !strings.HasPrefix(connected, "40") {
		t.Fatalf("Socket.IO: %s, then %s", hello, connected)
	}
	return p
}

// emit sends an event, and returns what the server sends next.
func (p *page) emit(event string) string {
	post(p.t, p.url, "420"+event)
	_, _, body := get(p.t, p.url)
	return body
}

func get(t *testing.T, url string) (status int, again, body string) {
	t.Helper()
	return answered(t)(http.Get(url))
}

func post(t *testing.T, url, text string) (status int, again, body string) {
	t.Helper()
	return answered(t)(http.Post(url, "text/plain", strings.NewReader(text)))
}

func answered(t *testing.T) func(r *http.Response, err error) (status int, again, body string) {
	t.Helper()
	return func(r *http.Response, err error) (status int, again, body string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, r.Header.Get("Retry-After"), string(b)
	}
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(40 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waiting for %s took more than 40 s", what)
		}
	}
}
