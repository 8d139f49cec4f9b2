package sse_test

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
)

// begins is the first block of a stream of channel a.
func begins(epoch string, offset int) string {
	return fmt.Sprintf("retry: N\nid: %s:%d\nevent: position\ndata: {\"channel\":\"a\",\"epoch\":%[1]q,\"offset\":%[2]d}\n\n", epoch, offset)
}

func TestChannel(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		before []string // published before the request
		query  string
		header string
		want   string
	}{
		"nothing yet": {
			want: begins("EPOCH", 0) +
				"id: EPOCH:1\ndata: live\n\n",
		},
		"only live": {
			before: []string{"1", "2"},
			want: begins("EPOCH", 2) +
				"id: EPOCH:3\ndata: live\n\n",
		},
		"since": {
			before: []string{"1", "2", "3"}, query: "?since=EPOCH:1",
			want: begins("EPOCH", 1) +
				"id: EPOCH:2\ndata: 2\n\nid: EPOCH:3\ndata: 3\n\n" +
				"id: EPOCH:4\ndata: live\n\n",
		},
		"since a bare offset": {
			before: []string{"1", "2"}, query: "?since=1",
			want: begins("EPOCH", 1) +
				"id: EPOCH:2\ndata: 2\n\n" +
				"id: EPOCH:3\ndata: live\n\n",
		},
		"since the head": {
			before: []string{"1"}, query: "?since=EPOCH:1",
			want: begins("EPOCH", 1) +
				"id: EPOCH:2\ndata: live\n\n",
		},
		"the newest": {
			before: []string{"1", "2", "3"}, query: "?last=2",
			want: begins("EPOCH", 1) +
				"id: EPOCH:2\ndata: 2\n\nid: EPOCH:3\ndata: 3\n\n" +
				"id: EPOCH:4\ndata: live\n\n",
		},
		"the newest of nothing": {
			query: "?last=2",
			want: begins("EPOCH", 0) +
				"id: EPOCH:1\ndata: live\n\n",
		},
		"Last-Event-ID wins": {
			before: []string{"1", "2", "3"}, query: "?since=EPOCH:0&last=1", header: "Last-Event-ID: EPOCH:2",
			want: begins("EPOCH", 2) +
				"id: EPOCH:3\ndata: 3\n\n" +
				"id: EPOCH:4\ndata: live\n\n",
		},
		"an empty Last-Event-ID is none": {
			before: []string{"1"}, query: "?since=0", header: "Last-Event-ID: ",
			want: begins("EPOCH", 0) +
				"id: EPOCH:1\ndata: 1\n\n" +
				"id: EPOCH:2\ndata: live\n\n",
		},
		"expired": { // three are kept
			before: []string{"1", "2", "3", "4", "5"}, query: "?since=EPOCH:1",
			want: begins("EPOCH", 1) +
				"event: gap\ndata: {\"reason\":\"expired\",\"from\":2,\"to\":2}\n\n" +
				"id: EPOCH:3\ndata: 3\n\nid: EPOCH:4\ndata: 4\n\nid: EPOCH:5\ndata: 5\n\n" +
				"id: EPOCH:6\ndata: live\n\n",
		},
		"another epoch": {
			before: []string{"1"}, header: "Last-Event-ID: before:7",
			want: begins("before", 7) +
				"event: gap\ndata: {\"reason\":\"epoch\"}\n\n" +
				"id: EPOCH:1\ndata: 1\n\n" +
				"id: EPOCH:2\ndata: live\n\n",
		},
		"an id of another server": {
			before: []string{"1"}, query: "?since=EPOCH:1", header: "Last-Event-ID: urn:uuid:1b2c-33",
			want: begins("foreign", 0) +
				"event: gap\ndata: {\"reason\":\"epoch\"}\n\n" +
				"id: EPOCH:1\ndata: 1\n\n" +
				"id: EPOCH:2\ndata: live\n\n",
		},
		"an id that is a number": {
			header: "Last-Event-ID: 3",
			want: begins("foreign", 0) +
				"event: gap\nid: EPOCH:0\ndata: {\"reason\":\"epoch\"}\n\n" +
				"id: EPOCH:1\ndata: live\n\n",
		},
		"an id with a secret, which only a ticket needs": {
			before: []string{"1", "2"}, header: "Last-Event-ID: EPOCH:1:SECRET",
			want: begins("EPOCH", 1) +
				"id: EPOCH:2\ndata: 2\n\n" +
				"id: EPOCH:3\ndata: live\n\n",
		},
		"another epoch, nothing retained": {
			header: "Last-Event-ID: before:7",
			want: begins("before", 7) +
				"event: gap\nid: EPOCH:0\ndata: {\"reason\":\"epoch\"}\n\n" +
				"id: EPOCH:1\ndata: live\n\n",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, w *world) {
				for _, text := range tt.before {
					w.publish(t, maru.Text, text)
				}
				s := w.open(t, w.channel, tt.query, tt.header)
				w.publish(t, maru.Text, "live")
				if got := s.text(w); got != tt.want {
					t.Errorf("got\n%s\nwant\n%s", got, tt.want)
				}
				for name, want := range map[string]string{
					"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-transform", "Content-Encoding": "identity", "X-Accel-Buffering": "no",
				} {
					if got := s.header.Get(name); got != want {
						t.Errorf("%s: %s, want %s", name, got, want)
					}
				}
			})
		})
	}
}

func TestData(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		kind maru.Kind
		data string
		want string
	}{
		"text":            {maru.Text, "kim => <hi>", "data: kim => <hi>\n"},
		"empty":           {maru.Text, "", "data: \n"},
		"leading space":   {maru.Text, " a", "data:  a\n"},
		"lines":           {maru.Text, "a\n\nb", "data: a\ndata: \ndata: b\n"},
		"ends with LF":    {maru.Text, "a\n", "data: a\ndata: \n"},
		"a field's name":  {maru.Text, "id: 7\nevent: x", "data: id: 7\ndata: event: x\n"},
		"CRLF":            {maru.Text, "a\r\nb", "event: base64\ndata: YQ0KYg==\n"},
		"CR":              {maru.Text, "a\rb", "event: base64\ndata: YQ1i\n"},
		"json":            {maru.JSON, `{"a":"b\r\n"}`, "data: {\"a\":\"b\\r\\n\"}\n"},
		"binary":          {maru.Binary, "\x01\x02\x03", "event: base64\ndata: AQID\n"},
		"nothing, binary": {maru.Binary, "", "event: base64\ndata: \n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, w *world) {
				s := w.open(t, w.channel, "")
				w.publish(t, tt.kind, tt.data)
				if _, got, _ := strings.Cut(s.text(w), "\n\n"); got != "id: EPOCH:1\n"+tt.want+"\n" {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		query, header string
		want          maru.Code
	}{
		"since":           {query: "?since=x", want: maru.CodeBadPosition},
		"last":            {query: "?last=0", want: maru.CodeBadRequest},
		"malformed query": {query: "?last=%25&%", want: maru.CodeBadRequest},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, w *world) {
				s := w.open(t, w.channel, tt.query, tt.header)
				if body := s.body.String(); !s.ended() || s.status != 400 || !isCode(body, tt.want) {
					t.Errorf("answered %d %s", s.status, body)
				}
				if n := w.admission.Registry.Count(); n != 0 {
					t.Errorf("%d connections counted", n)
				}
			})
		})
	}
}

func TestTooMany(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		first := w.open(t, w.channel, "")
		w.open(t, w.presence, "")
		third := w.open(t, w.channel, "")
		if !third.refused(w, maru.CodeTooManyConnections) {
			t.Errorf("answered %d %v %s", third.status, third.header, third.body.String())
		}
		first.cancel()
		synctest.Wait()
		if fourth := w.open(t, w.channel, ""); fourth.ended() {
			t.Errorf("answered %d %s after a place was free", fourth.status, fourth.body.String())
		}
	})
}

func TestComments(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		s := w.open(t, w.channel, "")
		if !s.idle() {
			t.Error("an idle stream has a deadline")
		}
		time.AfterFunc(20*time.Second, func() { w.publish(t, maru.Text, "1") })
		time.Sleep(46 * time.Second) // of the bubble's clock
		want := begins("EPOCH", 0) + ":\n\nid: EPOCH:1\ndata: 1\n\n:\n\n:\n\n"
		if got := s.text(w); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// All waiting events leave in one write.
func TestBatch(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		s := w.open(t, w.channel, "")
		before := s.writes
		release := s.hold() // the next write waits
		for range 20 {
			w.publish(t, maru.Text, "x")
		}
		release()
		if n := strings.Count(s.text(w), "data: x\n"); n != 20 {
			t.Errorf("%d of 20 came", n)
		}
		if n := s.writes - before; n > 5 {
			t.Errorf("%d writes", n)
		}
	})
}

func TestEnds(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		query string
		end   func(t *testing.T, w *world, s *stream)
		after time.Duration
	}{
		"client":   {end: func(t *testing.T, w *world, s *stream) { s.cancel() }},
		"shutdown": {end: func(t *testing.T, w *world, s *stream) { w.shutdown() }},
		"session": {end: func(t *testing.T, w *world, s *stream) {
			r := httptest.NewRequest("DELETE", "/session", nil)
			r.Header.Set("Cookie", w.cookie(t))
			w.admission.Authenticator.ServeSession(httptest.NewRecorder(), r)
		}},
		"never reads": {query: "?stuck", after: 30 * time.Second, end: func(*testing.T, *world, *stream) {}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, w *world) {
				start := time.Now()
				s := w.open(t, w.channel, tt.query, "Cookie: "+w.cookie(t))
				if s.ended() {
					t.Fatal("ended too early")
				}
				if p := w.hub.Presence("a"); p.Count != 1 || p.Users[0].User != "kim" {
					t.Errorf("presence %+v", p)
				}
				tt.end(t, w, s)
				<-s.done
				synctest.Wait()
				late := time.Duration(0)
				if w.loops && tt.after > 0 {
					late = 10 * time.Second // a loop looks now and then, and gives the client some time to see the end
				}
				if d := time.Since(start); d < tt.after || d > tt.after+late {
					t.Errorf("ended after %v, want %v", d, tt.after)
				}
				if n := w.admission.Registry.Count(); n != 0 {
					t.Errorf("%d connections counted", n)
				}
				if p := w.hub.Presence("a"); p.Count != 0 {
					t.Errorf("presence %+v", p)
				}
			})
		})
	}
}

// In a drain a stream sends when to reconnect, even during many publications: soon while somebody
// serves, and after a restart if nobody may, since EventSource tries only once.
func TestDrain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end, queued bool
		least, most int
	}{
		"at its turn":                  {false, false, 1, 1001},
		"at the end":                   {true, false, 5000, 10000},
		"at the end, the sockets stay": {true, true, 1, 101},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, w *world) {
				s, busy := w.open(t, w.channel, ""), w.open(t, w.channel, "")
				busy.onWrite = func() {
					w.publish(t, maru.Text, "x")
					time.Sleep(time.Millisecond)
				}
				w.publish(t, maru.Text, "1")
				w.admission.Drain.Begin(10 * time.Second)
				if tt.end {
					w.admission.Drain.End(2, tt.queued)
				}
				time.Sleep(4 * time.Second)
				w.drain(t)
				for _, s := range []*stream{s, busy} {
					<-s.done
					text := s.text(w)
					_, last, _ := strings.Cut(s.raw(), "\n\nretry: ")
					if ms, err := strconv.Atoi(strings.TrimSuffix(last, "\n\n")); err != nil || ms < tt.least || ms > tt.most {
						t.Errorf("ended with %q", text[max(0, len(text)-100):])
					}
				}
			})
		})
	}
}

// A reader slower than the publications is closed when its backlog is full.
func TestSlow(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		s := w.open(t, w.channel, "")
		release := s.hold()
		w.publish(t, maru.Text, "taken, but not read")
		synctest.Wait()
		for range 200 {
			w.publish(t, maru.Text, "x")
		}
		time.Sleep(time.Second) // until then, for a loop, a writer may only be on its way
		w.publish(t, maru.Text, "x")
		synctest.Wait()
		release()
		if !s.ended() {
			t.Error("goes on, although it missed some")
		}
	})
}

// A large replay leaves in pieces: put together whole, some who do not read it
// were enough to fill the memory.
func TestReplayInPieces(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		large := strings.Repeat("x", 100_000)
		for range 3 {
			w.publish(t, maru.Text, large)
		}
		s := w.open(t, w.channel, "?since=EPOCH:0")
		w.publish(t, maru.Text, "live")
		want := begins("EPOCH", 0) + "id: EPOCH:1\ndata: " + large + "\n\nid: EPOCH:2\ndata: " + large +
			"\n\nid: EPOCH:3\ndata: " + large + "\n\nid: EPOCH:4\ndata: live\n\n"
		if got := s.text(w); got != want {
			t.Errorf("got %d bytes, want %d", len(got), len(want))
		}
		if s.writes != 4 && !w.loops {
			t.Errorf("%d writes, want one for each publication", s.writes)
		}
	})
}

// The log calls a client slow that takes nothing until the write deadline;
// net/http cancels its request then, which looked as if it had gone.
func TestSlowWriteIsLogged(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		var log strings.Builder
		w.admission.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		s := w.open(t, w.channel, "?stuck")
		time.Sleep(time.Minute)
		if !s.ended() || !strings.Contains(log.String(), "code=slow reason=") {
			t.Errorf("logged %s", log.String())
		}
	})
}

func TestHead(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		answer := httptest.NewRecorder()
		w.channel(answer, httptest.NewRequest("HEAD", "/channels/a", nil), "a")
		if answer.Code != 200 || answer.Header().Get("Content-Type") != "text/event-stream" || answer.Body.Len() != 0 {
			t.Errorf("answered %d %v %s", answer.Code, answer.Header(), answer.Body)
		}
	})
}

func TestPresence(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		s := w.open(t, w.presence, "")
		other := w.open(t, w.channel, "", "Cookie: "+w.cookie(t))
		time.Sleep(3 * time.Second / 2)
		other.cancel()
		time.Sleep(20 * time.Second)
		want := "retry: N\n" + `data: {"channel":"a","version":0,"count":0,"users":[],"anonymous":0}` + "\n\n" +
			`data: {"channel":"a","version":1,"count":1,"users":[{"user":"kim","connections":1}],"anonymous":0}` + "\n\n" +
			`data: {"channel":"a","version":2,"count":0,"users":[],"anonymous":0}` + "\n\n" +
			":\n\n"
		if got := s.text(w); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		w.shutdown()
		if !s.ended() {
			t.Error("goes on after shutdown")
		}
	})
}

// Transient publications have no id: the client keeps its position.
func TestTransient(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		s := w.open(t, w.channel, "")
		typing := &maru.Publication{Data: []byte("typing")}
		if _, err := maru.Publish(t.Context(), w.broker, "a", typing, maru.PublishOptions{Transient: true}); err != nil {
			t.Fatal(err)
		}
		if _, got, _ := strings.Cut(s.text(w), "\n\n"); got != "data: typing\n\n" {
			t.Errorf("got %q", got)
		}
	})
}

// Issue 16: EventSource dispatches the event that a publication names, also one that cannot be sent
// line by line. That it is base64 is a part of the name.
func TestNamedEvents(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		published maru.Publication
		want      string
	}{
		"text":   {maru.Publication{Event: "price", Data: []byte("7\n8")}, "event: price\ndata: 7\ndata: 8\n"},
		"json":   {maru.Publication{Event: "가격", Kind: maru.JSON, Data: []byte(`{}`)}, "event: 가격\ndata: {}\n"},
		"binary": {maru.Publication{Event: "price", Kind: maru.Binary, Data: []byte{1, 2, 3}}, "event: base64:price\ndata: AQID\n"},
		"CR":     {maru.Publication{Event: "price", Data: []byte("a\rb")}, "event: base64:price\ndata: YQ1i\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, w *world) {
				live := w.open(t, w.channel, "")
				p := tt.published
				if _, err := maru.Publish(t.Context(), w.broker, "a", &p, maru.PublishOptions{}); err != nil {
					t.Fatal(err)
				}
				replay := w.open(t, w.channel, "?last=1")
				for _, s := range []*stream{live, replay} {
					if _, got, _ := strings.Cut(s.text(w), "\n\n"); got != "id: EPOCH:1\n"+tt.want+"\n" {
						t.Errorf("got %q, want %q", got, tt.want)
					}
				}
			})
		})
	}
}

// With deliver=latest, only the newest publication of each key waits for a slow client.
func TestLatest(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		s := w.open(t, w.channel, "?deliver=latest")
		release := s.hold()
		w.publish(t, maru.Text, "held")
		synctest.Wait()
		for i := range 2 * mostQueued {
			for _, key := range []string{"x", "y"} {
				p := &maru.Publication{Data: fmt.Appendf(nil, "%s=%d", key, i), Key: key}
				if _, err := maru.Publish(t.Context(), w.broker, "a", p, maru.PublishOptions{Transient: true}); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
		}
		release()
		text := s.text(w)
		if n := strings.Count(text, "data: "); n > 6 || !strings.HasSuffix(text, "data: x=99\n\ndata: y=99\n\n") {
			t.Errorf("%d came: %s", n, text)
		}
	})
}

// max_hz applies to both kinds of streams.
func TestMaxHz(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		s := w.open(t, w.channel, "?max_hz=1")
		for i := range 40 {
			w.publish(t, maru.Text, strconv.Itoa(i))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second)
		text := s.text(w)
		if n := strings.Count(text, "data: "); n < 5 || n > 7 || !strings.HasSuffix(text, "id: EPOCH:40\ndata: 39\n\n") {
			t.Errorf("%d came: %s", n, text)
		}
	})
}

// If the history cannot be read, the answer says so at once.
func TestNoHistory(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		w.broker.Close()
		s := w.open(t, w.channel, "")
		if !s.refused(w, maru.CodeShuttingDown) {
			t.Errorf("answered %d %s", s.status, s.body.String())
		}
		w.nobody(t)
	})
}

// A connection that cannot be taken over after all is refused.
func TestNoConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, true)
		s := w.open(t, w.channel, "?fails")
		if !s.refused(w, maru.CodeInternal) {
			t.Errorf("answered %d %s", s.status, s.body.String())
		}
		w.nobody(t)
	})
}

// A stream on a loop is counted and logged like any other, and what the client sends is ignored.
func TestOnLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, true)
		var log strings.Builder
		w.admission.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		s := w.open(t, w.channel, "")
		if n, m := w.engine.Len(), w.transport("sse").Now(); n != 1 || m != 1 {
			t.Errorf("%d connections, %d counted", n, m)
		}
		if s.header.Get("Date") == "" || s.header.Get("Content-Length") != "" {
			t.Errorf("headers %v", s.header)
		}
		s.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		w.publish(t, maru.Text, "1")
		if text := s.text(w); !strings.HasSuffix(text, "data: 1\n\n") {
			t.Errorf("got %s", text)
		}
		s.cancel()
		synctest.Wait()
		if !strings.Contains(log.String(), `msg=disconnected connection=1 transport=sse`) || !strings.Contains(log.String(), `channels=[a] code=closed reason="client went"`) {
			t.Errorf("logged %s", log.String())
		}
		if n := w.transport("sse").Now(); n != 0 {
			t.Errorf("%d counted", n)
		}
		w.nobody(t)
	})
}

// The metrics distinguish clients that vanished from those that disconnected.
func TestVanished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, true)
		w.open(t, w.channel, "").vanish()
		w.open(t, w.channel, "").cancel()
		synctest.Wait()
		ended := make(map[string]uint64)
		maps.Copy(ended, w.transport("sse").Ended())
		if len(ended) != 2 || ended["lost"] != 1 || ended["closed"] != 1 {
			t.Errorf("ended %v", ended)
		}
		w.nobody(t)
	})
}

// Only HTTP/1 requests without a body are moved to a loop: others share their connection.
func TestNotOnLoop(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*http.Request){
		"HTTP/2": func(r *http.Request) { r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0 },
		"body":   func(r *http.Request) { r.ContentLength = 5 },
		"chunks": func(r *http.Request) { r.ContentLength = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, true)
				s := w.open(t, func(rw http.ResponseWriter, r *http.Request, channel string) {
					change(r)
					w.channel(rw, r, channel)
				}, "")
				if text := s.text(w); !strings.HasPrefix(text, "retry: ") || w.engine.Len() != 0 {
					t.Errorf("%d on loops; got %s", w.engine.Len(), text)
				}
			})
		})
	}
}
