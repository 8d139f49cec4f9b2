package ws_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru/ws"
)

func TestClients(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		for range r.Clients() {
			t.Fatal("a client before the server has begun")
		}
		ended := make(chan struct{}, 10)
		r.OnConnection = func(c *ws.Conn, req *http.Request) { c.SetValue(req.Header.Get("Name")); c.SendText("welcome") }
		r.OnClose = func(c *ws.Conn, _ int, _ string) {
			if slices.Contains(slices.Collect(r.Clients()), c) {
				t.Error("a closed connection is among the clients")
			}
			ended <- struct{}{}
		}
		r.start()
		var all []*client
		for i := range 3 {
			c := r.dial(ws.DialOptions{Header: http.Header{"Name": {fmt.Sprint(i)}}})
			c.want(t, ws.Text("welcome"))
			all = append(all, c)
		}
		names := func() (names []string) {
			for c := range r.Clients() {
				names = append(names, c.Value().(string))
				if addr := c.RemoteAddr(); !addr.Addr().IsLoopback() || addr.Port() == 0 {
					t.Errorf("address %v", addr)
				}
			}
			slices.Sort(names)
			return names
		}
		if got := names(); !slices.Equal(got, []string{"0", "1", "2"}) || r.Len() != 3 {
			t.Errorf("clients %v of %d", got, r.Len())
		}
		for range r.Clients() {
			break // is allowed
		}
		all[1].Close(1000, "")
		next(t, ended)
		if got := names(); !slices.Equal(got, []string{"0", "2"}) {
			t.Errorf("clients %v", got)
		}
		until(t, "it is counted out", func() bool { return r.Len() == 2 })
	})
}

// Clients come and go while others go through them and send: for the race
// detector.
func TestClientsUnderWay(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.start()
		stop := make(chan struct{})
		var senders sync.WaitGroup
		for range 2 {
			senders.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(10 * time.Microsecond):
					}
					for c := range r.Clients() {
						if c.BufferedAmount() < 100 {
							c.SendText("hello")
						}
					}
				}
			})
		}
		for range 20 {
			received := make(chan struct{}, 1)
			c := r.dial(ws.DialOptions{OnMessage: func(*ws.Conn, ws.Message) {
				select {
				case received <- struct{}{}:
				default:
				}
			}})
			next(t, received)
			c.Close(1000, "")
		}
		close(stop)
		senders.Wait()
	})
}

func TestSubprotocol(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		ours, theirs []string
		want         string
	}{
		"none":             {nil, nil, ""},
		"none of ours":     {nil, []string{"a"}, ""},
		"none of theirs":   {[]string{"a"}, nil, ""},
		"nothing common":   {[]string{"a"}, []string{"b"}, ""},
		"the server's way": {[]string{"b", "a"}, []string{"a", "b"}, "b"},
		"case counts":      {[]string{"a"}, []string{"A"}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			everyDriver(t, func(t *testing.T, r *rig) {
				r.Subprotocols = test.ours
				chosen := make(chan string, 1)
				r.OnConnection = func(c *ws.Conn, _ *http.Request) { chosen <- c.Subprotocol() }
				c := r.start().dial(ws.DialOptions{Subprotocols: test.theirs})
				if got := c.Subprotocol(); got != test.want {
					t.Errorf("client has %q", got)
				}
				if got := next(t, chosen); got != test.want {
					t.Errorf("server has %q", got)
				}
			})
		})
	}
}

func TestOnHandshakeRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err    error
		status int
		body   string
	}{
		"with a status":     {ws.Refuse(http.StatusUnauthorized, "who are you?"), 401, "who are you?"},
		"wrapped":           {fmt.Errorf("in vain: %w", ws.Refuse(http.StatusTeapot, "tea")), 418, "tea"},
		"with an error":     {errors.New("the database is on fire"), 403, "not allowed"},
		"with an upgrade":   {ws.Refuse(http.StatusUpgradeRequired, "another way"), 426, "another way"},
		"with a server's":   {ws.Refuse(http.StatusServiceUnavailable, "later"), 503, "later"},
		"with no text":      {ws.Refuse(http.StatusNotFound, ""), 404, ""},
		"with several line": {ws.Refuse(http.StatusBadRequest, "one\r\nX: two"), 400, "one\r\nX: two"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			everyDriver(t, func(t *testing.T, r *rig) {
				r.OnHandshake = func(*http.Request) error { return test.err }
				r.OnConnection = func(*ws.Conn, *http.Request) { t.Error("a connection") }
				_, err := r.start().tryDial(r.url, ws.DialOptions{})
				var refused *ws.HandshakeError
				if !errors.As(err, &refused) {
					t.Fatalf("dial: %v", err)
				}
				body := make([]byte, 100)
				n, _ := refused.Response.Body.Read(body)
				if got := strings.TrimSpace(string(body[:n])); refused.Response.StatusCode != test.status || got != test.body {
					t.Errorf("refused with %d %q", refused.Response.StatusCode, got)
				}
				if r.Len() != 0 {
					t.Errorf("%d connections", r.Len())
				}
			})
		})
	}
}

// No more connections than the limit, however many knock at once; one that ends
// or is refused makes room.
func TestMaxConnections(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		const limit, knocking = 3, 20
		r.MaxConnections = limit
		deciding := make(chan struct{})
		r.OnHandshake = func(req *http.Request) error {
			if req.Header.Get("Refuse") != "" {
				return ws.Refuse(401, "no")
			}
			<-deciding
			return nil
		}
		r.start()
		if _, err := r.tryDial(r.url, ws.DialOptions{Header: http.Header{"Refuse": {"yes"}}}); err == nil {
			t.Fatal("not refused")
		}
		type outcome struct {
			c   *client
			err error
		}
		outcomes := make(chan outcome, knocking)
		for range knocking {
			go func() {
				c, err := r.tryDial(r.url, ws.DialOptions{})
				outcomes <- outcome{c, err}
			}()
		}
		for range knocking - limit {
			var refused *ws.HandshakeError
			if o := next(t, outcomes); !errors.As(o.err, &refused) || refused.Response.StatusCode != 503 {
				t.Fatalf("dial: %v", o.err)
			}
		}
		close(deciding)
		var all []*client
		for range limit {
			o := next(t, outcomes)
			if o.err != nil {
				t.Fatal(o.err)
			}
			all = append(all, o.c)
		}
		if _, err := r.tryDial(r.url, ws.DialOptions{}); err == nil {
			t.Fatal("one too many")
		}
		all[0].Close(1000, "")
		next(t, all[0].closed)
		until(t, "there is room", func() bool {
			_, err := r.tryDial(r.url, ws.DialOptions{})
			return err == nil
		})
	})
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		entered, leave := make(chan struct{}), make(chan struct{})
		var told sync.WaitGroup
		told.Add(2)
		r.OnMessage = func(*ws.Conn, ws.Message) { close(entered); <-leave }
		r.OnClose = func(_ *ws.Conn, code int, _ string) {
			if code != 1001 {
				t.Errorf("server: closed with %d", code)
			}
			told.Done()
		}
		r.start()
		idle, busy := r.dial(ws.DialOptions{}), r.dial(ws.DialOptions{})
		busy.SendText("work")
		next(t, entered)
		down := make(chan error, 1)
		go func() { down <- r.Shutdown(context.Background()) }()
		for _, c := range []*client{idle, busy} {
			if got := next(t, c.closed); got.code != 1001 {
				t.Errorf("client: closed with %v", got)
			}
		}
		select {
		case <-down:
			t.Error("shutdown did not wait for a callback")
		default:
		}
		close(leave)
		if err := next(t, down); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		told.Wait()
		if _, err := r.tryDial(r.url, ws.DialOptions{}); err == nil {
			t.Error("connected after shutdown")
		}
		if r.Len() != 0 {
			t.Errorf("%d connections", r.Len())
		}
		r.Broadcast(ws.Text("to nobody"))
		if err := r.Shutdown(t.Context()); err != nil {
			t.Errorf("second shutdown: %v", err)
		}
		if err := r.Serve(listen(t)); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
}

// Shutdown waits for OnConnection too, and for the OnClose that follows it.
func TestShutdownDuringOnConnection(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		entered, leave := make(chan struct{}), make(chan struct{})
		story := make(chan string, 2)
		r.OnConnection = func(*ws.Conn, *http.Request) { close(entered); <-leave; story <- "connection" }
		r.OnClose = func(*ws.Conn, int, string) { story <- "close" }
		r.CloseTimeout = time.Millisecond // the answer of the client is not read
		c := r.start().dial(ws.DialOptions{})
		next(t, entered)
		down := make(chan error, 1)
		go func() { down <- r.Shutdown(context.Background()) }()
		if got := next(t, c.closed); got.code != 1001 {
			t.Errorf("client: closed with %v", got)
		}
		close(leave)
		if err := next(t, down); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if len(story) != 2 || <-story != "connection" || <-story != "close" {
			t.Error("shutdown returned before the callbacks had")
		}
	})
}

// A context that ends cuts.
func TestShutdownCuts(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		server := r.ends()
		r.start().upgraded() // which does not answer
		until(t, "it is connected", func() bool { return r.Len() == 1 })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := r.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutdown: %v", err)
		}
		server.want(t, 1006, "", true)
	})
}

func TestInAMux(t *testing.T) {
	t.Parallel()
	for name, goroutines := range map[string]bool{"loops": false, "goroutines": true} {
		for kind, secure := range map[string]bool{"": false, " tls": true} {
			t.Run(name+kind, func(t *testing.T) {
				t.Parallel()
				s := &ws.Server{Goroutines: goroutines}
				s.OnMessage = func(c *ws.Conn, m ws.Message) { c.Send(m) }
				mux := http.NewServeMux()
				mux.Handle("GET /socket/{room}", s)
				mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a page") })
				web := httptest.NewUnstartedServer(mux)
				if secure {
					web.EnableHTTP2 = true
					web.StartTLS()
				} else {
					web.Start()
				}
				defer web.Close()
				defer s.Shutdown(context.Background())

				r := &rig{t: t, Server: s}
				o := ws.DialOptions{}
				if secure {
					o.TLSConfig = web.Client().Transport.(*http.Transport).TLSClientConfig
				}
				c, err := r.tryDial("ws"+strings.TrimPrefix(web.URL, "http")+"/socket/one", o)
				if err != nil {
					t.Fatal(err)
				}
				c.SendText("hello")
				c.want(t, ws.Text("hello"))
				for path, want := range map[string]int{"/socket/one": http.StatusUpgradeRequired, "/": http.StatusOK} {
					resp, err := web.Client().Get(web.URL + path)
					if err != nil {
						t.Fatal(err)
					}
					resp.Body.Close()
					if resp.StatusCode != want {
						t.Errorf("GET %s: %s", path, resp.Status)
					}
				}
			})
		}
	}
}

func TestListenAndServe(t *testing.T) {
	t.Parallel()
	l := listen(t)
	defer l.Close()
	s := &ws.Server{Addr: l.Addr().String()} // which is taken
	var where *net.OpError
	if err := s.ListenAndServe(); !errors.As(err, &where) {
		t.Errorf("listen: %v", err)
	}
	if err := s.ListenAndServeTLS("no", "such"); !errors.As(err, &where) {
		t.Errorf("listen: %v", err)
	}
	s.Addr = "127.0.0.1:0"
	if err := s.ListenAndServeTLS("no", "such"); err == nil {
		t.Error("served without a certificate")
	}
	ended := make(chan error)
	go func() { ended <- s.ListenAndServe() }()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := next(t, ended); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("serve: %v", err)
	}
}

// A client that knows that it is connected gets all broadcasts from then on.
func TestConnectedIsSubscribed(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.start()
		for i := range 50 {
			c := r.dial(ws.DialOptions{})
			r.Broadcast(ws.Text(fmt.Sprint(i)))
			c.want(t, ws.Text(fmt.Sprint(i)))
		}
	})
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}
