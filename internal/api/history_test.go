package api_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/hub"
)

type history struct {
	Channel      string
	Epoch        string
	Offset       uint64
	Publications []*maru.Publication
	Gap          *maru.Gap
}

func read(t *testing.T, answer *httptest.ResponseRecorder) history {
	t.Helper()
	var h history
	if err := json.Unmarshal(answer.Body.Bytes(), &h); err != nil || answer.Code != 200 {
		t.Fatalf("%d %s: %v", answer.Code, answer.Body, err)
	}
	return h
}

func (h history) texts() []string {
	s := []string{}
	for _, p := range h.Publications {
		s = append(s, string(p.Data))
	}
	return s
}

func TestHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	for _, text := range []string{"1", "2", "<3>", "4"} {
		w.publish(t, "a", text)
	}
	tests := map[string]struct {
		want []string
		gap  string
		code maru.Code
	}{
		"":                    {want: []string{"1", "2", "<3>", "4"}},
		"?limit=2":            {want: []string{"<3>", "4"}},
		"?since=1":            {want: []string{"2", "<3>", "4"}},
		"?since=1&limit=2":    {want: []string{"2", "<3>"}},
		"?since=EPOCH:3":      {want: []string{"4"}},
		"?since=4":            {want: []string{}},
		"?since=other:3":      {want: []string{"1", "2", "<3>", "4"}, gap: maru.GapEpoch},
		"?since=9":            {want: []string{"1", "2", "<3>", "4"}, gap: maru.GapEpoch},
		"?before=3":           {want: []string{"1", "2"}},
		"?before=3&limit=1":   {want: []string{"2"}},
		"?before=EPOCH:1":     {want: []string{}},
		"?before=99&limit=2":  {want: []string{"<3>", "4"}},
		"?before=other:3":     {want: []string{}, gap: maru.GapEpoch},
		"?before=x":           {code: maru.CodeBadPosition},
		"?before=":            {code: maru.CodeBadPosition},
		"?before=3&since=1":   {code: maru.CodeBadRequest},
		"?before=3&wait=1":    {code: maru.CodeBadRequest},
		"?before=3&before=3":  {code: maru.CodeBadRequest},
		"?wait=0":             {want: []string{"1", "2", "<3>", "4"}},
		"?wait=30s&since=2":   {want: []string{"<3>", "4"}},
		"?wait=1&since=o:1":   {want: []string{"1", "2", "<3>", "4"}, gap: maru.GapEpoch},
		"?since=x":            {code: maru.CodeBadPosition},
		"?since=":             {code: maru.CodeBadPosition},
		"?limit=0":            {code: maru.CodeBadRequest},
		"?limit=1001":         {code: maru.CodeBadRequest},
		"?limit=x":            {code: maru.CodeBadRequest},
		"?wait=1h&since=3":    {want: []string{"4"}},
		"?wait=-1s":           {code: maru.CodeBadRequest},
		"?wait=soon":          {code: maru.CodeBadRequest},
		"?wait=":              {code: maru.CodeBadRequest},
		"?wait=9999999999999": {code: maru.CodeBadRequest},
		"?limit=%":            {code: maru.CodeBadRequest},
	}
	epoch := read(t, w.request("GET", "/channels/a", "")).Epoch
	for query, tt := range tests {
		answer := w.request("GET", "/channels/a"+strings.Replace(query, "EPOCH", epoch, 1), "")
		if tt.code != "" {
			if code(answer) != tt.code || answer.Code != 400 {
				t.Errorf("%s: %d %s", query, answer.Code, answer.Body)
			}
			continue
		}
		h := read(t, answer)
		if !slices.Equal(h.texts(), tt.want) || h.Channel != "a" || h.Epoch != epoch || h.Offset != 4 {
			t.Errorf("%s: %s", query, answer.Body)
		}
		if (h.Gap == nil) != (tt.gap == "") || h.Gap != nil && h.Gap.Reason != tt.gap {
			t.Errorf("%s: gap %v, want %q", query, h.Gap, tt.gap)
		}
		if !strings.HasSuffix(answer.Body.String(), "}\n") || !json.Valid(answer.Body.Bytes()) {
			t.Errorf("%s: not one line of JSON: %s", query, answer.Body)
		}
		if header := answer.Header(); header.Get("Content-Type") != "application/json" || header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", query, header)
		}
	}
	if body := w.request("GET", "/channels/a?since=2&limit=1", "").Body.String(); !strings.Contains(body, `"data":"<3>"`) {
		t.Errorf("escaped: %s", body)
	}
	if body := w.request("GET", "/channels/empty", "").Body.String(); !strings.HasSuffix(body, `,"offset":0,"publications":[]}`+"\n") {
		t.Errorf("nothing was ever published, yet %s", body)
	}
}

// A large history leaves in pieces: put together whole, some who do not read it
// were enough to fill the memory.
func TestHistoryInPieces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	for range 5 {
		w.publish(t, "a", strings.Repeat("x", 100_000))
	}
	answer := &pieces{ResponseRecorder: httptest.NewRecorder()}
	w.api.ServeHTTP(answer, httptest.NewRequest("GET", "/channels/a", nil))
	if h := read(t, answer.ResponseRecorder); len(h.Publications) != 5 {
		t.Errorf("%d publications", len(h.Publications))
	}
	if answer.largest > 110_000 {
		t.Errorf("%d bytes in one write", answer.largest)
	}
}

type pieces struct {
	*httptest.ResponseRecorder
	largest int
}

func (p *pieces) Write(b []byte) (int, error) {
	p.largest = max(p.largest, len(b))
	return p.ResponseRecorder.Write(b)
}

// A poll without publications waits, and ends with the next one or empty.
func TestPoll(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		query string
		after time.Duration // of the event, and of the answer
		event func(t *testing.T, w *world)
		want  []string
	}{
		"something after since": {"?wait=30s&since=1", 7 * time.Second, func(t *testing.T, w *world) { w.publish(t, "a", "2") }, []string{"2"}},
		"something after now":   {"?wait=30s", 7 * time.Second, func(t *testing.T, w *world) { w.publish(t, "a", "2") }, []string{"2"}},
		"another channel's":     {"?wait=30s", 30 * time.Second, func(t *testing.T, w *world) {}, []string{}},
		"the longest":           {"?wait=45", 45 * time.Second, func(t *testing.T, w *world) {}, []string{}},
		"more than that":        {"?wait=60", 45 * time.Second, func(t *testing.T, w *world) {}, []string{}}, // issue 15 §13
		"shutdown":              {"?wait=1m", 7 * time.Second, func(t *testing.T, w *world) { w.hub.Close() }, []string{}},
		"its turn":              {"?wait=1m", 7 * time.Second, func(t *testing.T, w *world) { w.admission.Registry.Leave(t.Context(), time.Minute) }, []string{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				w.publish(t, "a", "1")
				w.signIn("kim")
				start := time.Now()
				time.AfterFunc(5*time.Second, func() {
					w.publish(t, "b", "not this")
					if code(w.request("GET", "/channels/a?wait=1", "")) != maru.CodeTooManyConnections {
						t.Error("a waiting poll does not count as a connection")
					}
					if answer := w.request("GET", "/channels/a", ""); answer.Code != 200 {
						t.Error("a plain request counts as a connection")
					}
					if w.hub.Presence("a").Count != 0 {
						t.Error("a poll is present")
					}
				})
				time.AfterFunc(tt.after, func() { tt.event(t, w) })
				h := read(t, w.request("GET", "/channels/a"+tt.query, "", w.cookie))
				if !slices.Equal(h.texts(), tt.want) || h.Offset != uint64(1+2*len(tt.want)) {
					t.Errorf("got %q, offset %d, want %q", h.texts(), h.Offset, tt.want)
				}
				if d := time.Since(start); d != tt.after {
					t.Errorf("after %v, want %v", d, tt.after)
				}
			})
		})
	}
}

// The server's own write time-out would cut a long poll off.
func TestPollDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, start := newWorld(t, 0), time.Now()
		answer := &deadlined{ResponseRecorder: httptest.NewRecorder()}
		w.api.ServeHTTP(answer, httptest.NewRequest("GET", "/?wait=1m", nil))
		if d := answer.deadline.Sub(start); d <= time.Minute {
			t.Errorf("may be written until %v after its beginning", d)
		}
	})
}

type deadlined struct {
	*httptest.ResponseRecorder
	deadline time.Time
}

func (d *deadlined) SetWriteDeadline(at time.Time) error {
	d.deadline = at
	return nil
}

func TestPollClientGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		w.api.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/?wait=1m", nil))
		if d := time.Since(start); d != time.Second {
			t.Errorf("went on for %v", d)
		}
		if n := w.admission.Registry.Count(); n != 0 {
			t.Errorf("%d connections counted", n)
		}
	})
}

func TestPresence(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	for _, user := range []string{"<kim>", "", "<kim>"} {
		queue, _, err := w.hub.Subscribe(t.Context(), "a", hub.Reader{User: user}, maru.HistoryQuery{})
		if err != nil {
			t.Fatal(err)
		}
		defer queue.Close()
	}
	want := `{"channel":"a","version":3,"count":2,"users":[{"user":"<kim>","connections":2}],"anonymous":1}` + "\n"
	if got := w.request("GET", "/channels/a/presence", "").Body.String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A poll whose right to wait is withdrawn is answered with the reason, at once.
func TestPollIsWithdrawn(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		event func(w *world)
		want  maru.Code
	}{
		"signed out": {func(w *world) { w.request("DELETE", "/session", "", w.cookie) }, maru.CodeRevoked},
		"unsubscribed": {func(w *world) {
			w.admission.Authenticator.Unsubscribe(context.Background(), auth.Target{User: "kim", Channel: "a"})
		}, maru.CodeRevoked},
		"asked to come back": {func(w *world) {
			w.admission.Authenticator.Disconnect(context.Background(), auth.Target{Channel: "a"}, true)
		}, maru.CodeReconnect},
		"other rules": {func(w *world) {
			w.admission.Rules.Set(map[string]auth.Allowed{})
			w.admission.Review()
		}, maru.CodeNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				w.signIn("kim")
				start := time.Now()
				time.AfterFunc(7*time.Second, func() { tt.event(w) })
				answer := w.request("GET", "/channels/a?wait=1m", "", w.cookie)
				if code(answer) != tt.want || answer.Code != tt.want.Status() || time.Since(start) != 7*time.Second {
					t.Errorf("%d %s after %v, want %s", answer.Code, answer.Body, time.Since(start), tt.want)
				}
			})
		})
	}
}
