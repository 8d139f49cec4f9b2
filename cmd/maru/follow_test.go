package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
)

// transport answers each request with the next of its answers, and keeps what
// was asked and when.
type transport struct {
	answers []answer
	asked   []string // query and Last-Event-ID
	at      []time.Time
}

type answer struct {
	status int      // 0: the connection fails
	body   string   // at once
	later  []string // each after 15 s
	silent bool     // then nothing more comes, and no end
}

var errUnreachable = errors.New("unreachable")

func (tr *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	tr.asked = append(tr.asked, strings.TrimSpace(req.URL.RawQuery+" "+req.Header.Get("Last-Event-ID")))
	tr.at = append(tr.at, time.Now())
	a := answer{status: 403, body: `{"error":{"code":"not_allowed","message":"the script is at its end"}}`}
	if len(tr.answers) > 0 {
		a, tr.answers = tr.answers[0], tr.answers[1:]
	}
	if a.status == 0 {
		return nil, errUnreachable
	}
	r, w := io.Pipe()
	stop := context.AfterFunc(req.Context(), func() { w.CloseWithError(req.Context().Err()) })
	go func() {
		io.WriteString(w, a.body)
		for _, more := range a.later {
			<-time.After(15 * time.Second)
			io.WriteString(w, more)
		}
		if !a.silent && stop() {
			w.Close()
		}
	}()
	return &http.Response{StatusCode: a.status, Status: http.StatusText(a.status), Body: r, Request: req}, nil
}

// followed is the output of a follower.
type followed struct {
	lines []string
	gaps  []maru.Gap
	waits []time.Duration
	why   []error
}

func (f *followed) follower() *follower {
	return &follower{
		publication: func(line []byte) error { f.lines = append(f.lines, string(line)); return nil },
		gap:         func(gap maru.Gap) { f.gaps = append(f.gaps, gap) },
		lost: func(why error, wait time.Duration) {
			f.why = append(f.why, why)
			f.waits = append(f.waits, wait)
		},
	}
}

// ended is whether err is what the transport says when its script is over.
func ended(err error) bool { return errors.Is(err, &maru.Error{Code: maru.CodeNotAllowed}) }

func follow(t *testing.T, tr *transport, query string) *followed {
	t.Helper()
	var got followed
	s := &stream{follower: got.follower(), client: &http.Client{Transport: tr}, url: "http://localhost/channels/hall", query: query}
	if err := s.follow(t.Context(), s.connect); !ended(err) {
		t.Errorf("following ends with %v", err)
	}
	return &got
}

func TestStreamRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := &transport{answers: []answer{
			{status: 0}, // the query of the first connection is kept until one is good
			{status: 200, body: "retry: 2000\nid: k:3\n\nid: k:5\ndata: five\n\nid: k:8\nevent: base64\ndata: AAEC\n\nid: k:9\ndata: half of it\n"},
			{status: 200, body: "retry: 2000\nid: k:8\n\nid: k:8\ndata: again\n\nid: k:9\ndata: nine\n\nid: k:9\nevent: $pling\ndata: of the future\n\n"},
			{status: 200, body: "id: k:9\n\n"},
			{status: 200, body: "id: k:9\n\nevent: gap\ndata: {\"reason\":\"expired\",\"from\":10,\"to\":20}\n\nid: k:21\ndata: 21\n\n"},
			{status: 200, body: "event: gap\ndata: {\"reason\":\"epoch\"}\n\nid: n:1\ndata: anew\n\n"},
			{status: 200, body: "event: gap\nid: n:7\ndata: {\"reason\":\"expired\",\"from\":2,\"to\":7}\n\n"},
		}}
		got := follow(t, tr, "?since=3")
		if want := []string{"five", "\x00\x01\x02", "nine", "21", "anew"}; !reflect.DeepEqual(got.lines, want) {
			t.Errorf("lines %q, want %q", got.lines, want)
		}
		if want := []maru.Gap{{Reason: maru.GapExpired, From: 10, To: 20}, {Reason: maru.GapEpoch}, {Reason: maru.GapExpired, From: 2, To: 7}}; !reflect.DeepEqual(got.gaps, want) {
			t.Errorf("gaps %v, want %v", got.gaps, want)
		}
		if want := []string{"since=3", "since=3", "k:8", "k:9", "k:9", "k:21", "n:1", "n:7"}; !reflect.DeepEqual(tr.asked, want) {
			t.Errorf("asked from %q, want %q", tr.asked, want)
		}
	})
}

// Issue 16: publications with an event of their own are printed as all others. So are transient
// ones, which have no id; they are printed each time, and change no position.
func TestStreamPrintsNamedEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := &transport{answers: []answer{
			{status: 200, body: "id: k:4\nevent: position\ndata: {}\n\nid: k:5\nevent: price\ndata: 7.50\n\nid: k:6\nevent: base64:bytes\ndata: AAEC\n\n" +
				"event: typing\ndata: kim\n\ndata: lee\n\n"},
			{status: 200, body: "id: k:6\nevent: base64:bytes\ndata: AAEC\n\nid: k:7\nevent: message\ndata: seven\n\nevent: $later\ndata: ?\n\nevent: unsubscribed\ndata: ?\n\n"},
		}}
		got := follow(t, tr, "")
		if want := []string{"7.50", "\x00\x01\x02", "kim", "lee", "seven"}; !reflect.DeepEqual(got.lines, want) {
			t.Errorf("lines %q, want %q", got.lines, want)
		}
		if want := []string{"", "k:6", "k:7"}; !reflect.DeepEqual(tr.asked, want) {
			t.Errorf("asked from %q, want %q", tr.asked, want)
		}
	})
}

func TestStreamTriesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := &transport{answers: []answer{
			{status: 0},
			{status: 503, body: `{"error":{"code":"shutting_down","message":"…"}}`},
			{status: 502, body: "<html>"},
			{status: 429},
			{status: 200, body: "id: not a position\ndata: x\n\n"},
			{status: 200, body: "event: base64\nid: k:1\ndata: !\n\n"},
			{status: 200, body: "event: gap\ndata: !\n\n"},
			{status: 200, body: "data: \xff\n\n"},
		}}
		got := follow(t, tr, "")
		if len(got.why) != 8 || got.lines != nil || got.gaps != nil {
			t.Fatalf("%+v", got)
		}
		for i, want := range []error{errUnreachable, &maru.Error{Code: maru.CodeShuttingDown}, nil, nil, &maru.Error{Code: maru.CodeBadPosition}, nil, nil, errEventNotText} {
			if want != nil && !errors.Is(got.why[i], want) {
				t.Errorf("loss %d is %v, want %v", i, got.why[i], want)
			}
		}
		for i, wait := range got.waits {
			if pause := tr.at[i+1].Sub(tr.at[i]); pause != wait {
				t.Errorf("pause %d is %v, want %v", i, pause, wait)
			}
		}
	})
}

// A server that drains says when to come back; once.
func TestStreamComesBackAfterADrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := &transport{answers: []answer{
			{status: 200, body: "retry: 2000\nid: k:1\n\nretry: 42000\n\n"},
			{status: 0},
			{status: 200, body: "retry: 2000\nid: k:1\n\nretry: 42000\n\nid: k:2\ndata: it stays\n\n"},
			{status: 200, body: "retry: 9999999\n\n"},
		}}
		got := follow(t, tr, "")
		if len(got.waits) != 4 || got.waits[0] != 42*time.Second || got.waits[1] > 2*time.Second || got.waits[2] > 2*time.Second || got.waits[3] != longestDrain {
			t.Errorf("came back after %v", got.waits)
		}
	})
}

// A stream that cannot be served now is asked for again when the server says; its ids may have
// the secret of a ticket.
func TestStreamRefusedForNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := &transport{answers: []answer{
			{status: 200, body: "retry: 7000\nid: k:1:SECRET\nevent: position\ndata: {}\n\nid: k:2:SECRET\ndata: two\n\n"},
			{status: 200, body: "retry: 6000\nevent: refused\ndata: {\"code\":\"overloaded\",\"message\":\"…\"}\n\n"},
			{status: 200, body: "id: k:2:SECRET\n\n"},
		}}
		got := follow(t, tr, "")
		if len(got.why) != 3 || !errors.Is(got.why[1], &maru.Error{Code: maru.CodeOverloaded}) || got.waits[1] != 6*time.Second {
			t.Errorf("lost with %v, came back after %v", got.why, got.waits)
		}
		if !reflect.DeepEqual(got.lines, []string{"two"}) || tr.asked[2] != "k:2:SECRET" {
			t.Errorf("%q, asked from %q", got.lines, tr.asked)
		}
	})
}

// A server that withdraws a right says why before it ends the stream. The code decides whether to
// come back; a stream that just ends is asked for again.
func TestStreamClosedByTheServer(t *testing.T) {
	t.Parallel()
	closed := func(code maru.Code) answer {
		return answer{status: 200, body: "id: k:1\n\nevent: closed\ndata: {\"code\":\"" + string(code) + "\",\"message\":\"…\"}\n\n"}
	}
	for _, code := range []maru.Code{maru.CodeRevoked, maru.CodeNotAllowed, maru.CodeBadToken, maru.CodeTokenExpired} {
		synctest.Test(t, func(t *testing.T) {
			var got followed
			tr := &transport{answers: []answer{closed(code)}}
			s := &stream{follower: got.follower(), client: &http.Client{Transport: tr}, url: "http://localhost/channels/hall"}
			if err := s.follow(t.Context(), s.connect); !errors.Is(err, &maru.Error{Code: code}) || got.why != nil {
				t.Errorf("%s: following ends with %v, after %v", code, err, got.why)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		got := follow(t, &transport{answers: []answer{closed(maru.CodeReconnect), {status: 200, body: "id: k:1\n\n"}}}, "")
		if len(got.why) != 2 || !errors.Is(got.why[0], &maru.Error{Code: maru.CodeReconnect}) || !errors.Is(got.why[1], errStreamEnded) {
			t.Errorf("lost with %v", got.why)
		}
	})
}

// A connection on which not even comments come is dead after 45 s; one on which
// comments come is not.
func TestStreamQuiet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := &transport{answers: []answer{
			{status: 200, body: "id: k:1\n\n", later: []string{":\n\n", ":\n\n", ":\n\n", ":\n\n"}, silent: true},
		}}
		start := time.Now()
		got := follow(t, tr, "")
		if len(got.why) != 1 || !errors.Is(got.why[0], errQuiet) {
			t.Fatalf("lost %v, want %v", got.why, errQuiet)
		}
		if after := tr.at[1].Sub(start) - got.waits[0]; after != 4*15*time.Second+quietLimit {
			t.Errorf("given up after %v", after)
		}
	})
}

func TestFollowEnds(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken pipe")
	for _, tt := range []struct {
		name   string
		answer answer
		output error
		want   func(error) bool
	}{
		{"not allowed", answer{status: 403, body: `{"error":{"code":"not_allowed","message":"…"}}`}, nil, ended},
		{"no such address", answer{status: 404, body: "404 page not found"}, nil, func(err error) bool { return errors.As(err, new(*refusal)) }},
		{"output fails", answer{status: 200, body: "id: k:1\ndata: x\n\n"}, broken, func(err error) bool { return errors.Is(err, broken) }},
	} {
		synctest.Test(t, func(t *testing.T) {
			var got followed
			f := got.follower()
			f.publication = func([]byte) error { return tt.output }
			s := &stream{follower: f, client: &http.Client{Transport: &transport{answers: []answer{tt.answer}}}, url: "http://localhost/"}
			if err := s.follow(t.Context(), s.connect); !tt.want(err) || got.why != nil {
				t.Errorf("%s: ends with %v after %v", tt.name, err, got.why)
			}
		})
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]answer{"while it waits to try again": {status: 0}, "while it listens": {status: 200, silent: true}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var got followed
			s := &stream{follower: got.follower(), client: &http.Client{Transport: &transport{answers: []answer{a}}}, url: "http://localhost/"}
			s.backoff.base = time.Hour
			ended := make(chan error)
			go func() { ended <- s.follow(ctx, s.connect) }()
			synctest.Wait()
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		base time.Duration
		want []time.Duration // the bounds
	}{
		{0, []time.Duration{backoffBase, 2 * backoffBase, 4 * backoffBase, 8 * backoffBase, 16 * backoffBase, 32 * backoffBase, backoffCap, backoffCap}},
		{20 * time.Second, []time.Duration{20 * time.Second, backoffCap, backoffCap}},
		{time.Hour, []time.Duration{backoffCap, backoffCap}},
	} {
		most := make([]time.Duration, len(tt.want))
		for range 1000 {
			b := backoff{base: tt.base}
			for i, limit := range tt.want {
				wait := b.next()
				if wait < 0 || wait >= limit {
					t.Fatalf("wait %d is %v, wants less than %v", i, wait, limit)
				}
				most[i] = max(most[i], wait)
			}
			if b.good(); b.attempt != 0 {
				t.Fatal("a good connection does not count as one")
			}
		}
		for i, limit := range tt.want {
			if most[i] < limit/2 {
				t.Errorf("of 1,000 waits %d none is more than %v: not random up to %v", i, most[i], limit)
			}
		}
	}
}

func TestPollRecovers(t *testing.T) {
	t.Parallel()
	publication := func(offset, text string) string {
		return `{"offset":` + offset + `,"kind":"text","data":"` + text + `","time":"2024-01-02T03:04:05Z"}`
	}
	line := func(epoch, rest string) string { return `{"channel":"hall","epoch":"` + epoch + `",` + rest[1:] }
	for _, tt := range []struct {
		name    string
		last    int
		since   string
		answers []string // "": fails
		asked   []string
		lines   []string
		gaps    int
	}{
		{"from now on", 0, "",
			[]string{
				"",
				`{"epoch":"k","offset":9,"publications":[` + publication("9", "old") + `]}`,
				`{"epoch":"k","offset":9,"publications":[]}`,
				`{"epoch":"k","offset":12,"publications":[` + publication("11", "a") + `,` + publication("12", "b") + `]}`,
			},
			[]string{"limit=1", "limit=1", "limit=100&since=k%3A9&wait=30s", "limit=100&since=k%3A9&wait=30s", "limit=100&since=k%3A12&wait=30s"},
			[]string{line("k", publication("11", "a")), line("k", publication("12", "b"))}, 0},
		{"the newest", 2, "",
			[]string{`{"epoch":"k","offset":9,"publications":[` + publication("9", "a") + `]}`},
			[]string{"limit=2", "limit=100&since=k%3A9&wait=30s"},
			[]string{line("k", publication("9", "a"))}, 0},
		{"the newest of none", 2, "",
			[]string{`{"epoch":"k","offset":0,"publications":[]}`},
			[]string{"limit=2", "limit=100&since=k%3A0&wait=30s"},
			nil, 0},
		{"since, a gap, an epoch", 0, "3",
			[]string{
				`{"epoch":"k","offset":9,"publications":[` + publication("9", "a") + `],"gap":{"reason":"expired","from":4,"to":8}}`,
				"",
				`{"epoch":"n","offset":2,"publications":[],"gap":{"reason":"epoch"}}`,
			},
			[]string{"limit=100&since=3&wait=30s", "limit=100&since=k%3A9&wait=30s", "limit=100&since=k%3A9&wait=30s", "limit=100&since=n%3A2&wait=30s"},
			[]string{line("k", publication("9", "a"))}, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			tr := new(transport)
			for _, body := range tt.answers {
				status := http.StatusOK
				if body == "" {
					status = 0
				}
				tr.answers = append(tr.answers, answer{status: status, body: body})
			}
			var got followed
			p := &poll{follower: got.follower(), client: &http.Client{Transport: tr}, url: "http://localhost/channels/hall", channel: "hall", last: tt.last, since: tt.since}
			if err := p.follow(t.Context(), p.connect); !ended(err) {
				t.Errorf("%s: ends with %v", tt.name, err)
			}
			if !reflect.DeepEqual(tr.asked, tt.asked) {
				t.Errorf("%s: asked %q, want %q", tt.name, tr.asked, tt.asked)
			}
			if !reflect.DeepEqual(got.lines, tt.lines) || len(got.gaps) != tt.gaps {
				t.Errorf("%s: lines %q, gaps %v, want %q and %d", tt.name, got.lines, got.gaps, tt.lines, tt.gaps)
			}
		})
	}
}
