package entry_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/entry"
)

func newDoor(connections int, level slog.Level) (*entry.Door, *bytes.Buffer) {
	var log bytes.Buffer
	return &entry.Door{
		Limiter:       auth.NewLimiter(connections, 0),
		Authenticator: auth.NewAuthenticator(auth.NewSessions(auth.SessionOptions{}), slog.New(slog.DiscardHandler)),
		Rules:         new(auth.Rules), Rates: new(auth.Rates),
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level})),
	}, &log
}

func TestDoorIsFull(t *testing.T) {
	t.Parallel()
	door, log := newDoor(1, slog.LevelWarn)
	r := httptest.NewRequest("GET", "/channels/a?secret=hush", nil)
	r.Header.Set("Cookie", "maru_session=hush")
	v, err := door.Admit(r, "a", auth.Subscribe)
	if err != nil {
		t.Fatal(err)
	}
	_, err = door.Admit(r, "a", auth.Subscribe)
	if !errors.Is(err, &maru.Error{Code: maru.CodeTooManyConnections}) {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	door.Refuse(w, r, err)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), `"too_many_connections"`) {
		t.Errorf("answered %d %v %s", w.Code, w.Header(), w.Body)
	}
	if s := log.String(); !strings.Contains(s, "code=too_many_connections") || strings.Contains(s, "hush") {
		t.Errorf("logged %q", s)
	}
	door.Leave(v.Addr)
	if _, err := door.Admit(r, "a", auth.Subscribe); err != nil {
		t.Error(err)
	}
}

// Refusals are logged, and the log has nothing of a query.
func TestRefusalsDoNotRepeatTheQuery(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"since=hush", "last=hush", "since=1&last=hush", "hush=%zz"} {
		door, log := newDoor(1, slog.LevelWarn)
		r := httptest.NewRequest("GET", "/channels/a?"+query, nil)
		q, err := entry.Values(r)
		if err == nil {
			_, err = entry.Replay(q)
		}
		if err == nil {
			t.Errorf("%s is taken", query)
			continue
		}
		door.Refuse(httptest.NewRecorder(), r, err)
		if s := log.String(); !strings.Contains(s, "refused") || strings.Contains(s, "hush") {
			t.Errorf("%s: logged %q", query, s)
		}
	}
}

func TestLogOfConnections(t *testing.T) { // not parallel: it counts allocations
	c := entry.Connection{Transport: entry.WebSocket, Channel: "a", Addr: netip.MustParseAddr("192.0.2.1"), User: "kim"}

	door, log := newDoor(0, slog.LevelDebug)
	door.Connected(c)
	door.Disconnected(c, 1001, "shutting_down", time.Minute)
	for _, want := range []string{"msg=connected transport=websocket channel=a addr=192.0.2.1 user=kim\n",
		"msg=disconnected transport=websocket channel=a addr=192.0.2.1 user=kim code=1001 reason=shutting_down duration=1m0s\n"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in %q", want, log)
		}
	}

	quiet, _ := newDoor(0, slog.LevelInfo)
	if n := testing.AllocsPerRun(100, func() {
		quiet.Connected(c)
		quiet.Disconnected(c, 1000, "", time.Minute)
	}); n != 0 {
		t.Errorf("%v allocations although nothing is logged", n)
	}
}

// Why connections ended is one word of few, whatever their clients say.
func TestCounts(t *testing.T) {
	t.Parallel()
	door, _ := newDoor(0, slog.LevelError)
	for _, end := range []struct {
		transport entry.Transport
		code      int
		reason    string
	}{
		{entry.WebSocket, 1001, ""},
		{entry.WebSocket, 1001, "shutting_down"},
		{entry.WebSocket, 1005, ""},
		{entry.WebSocket, 3999, "whatever a client says"},
		{entry.WebSocket, 1006, "no sign of life after a ping"},
		{entry.WebSocket, 1013, "slow"},
		{entry.Full, 4408, "slow"},
		{entry.Events, 0, entry.ClientWent},
		{entry.Events, 0, "write: broken pipe"},
		{entry.Events, 0, "revoked"},
		{entry.Poll, 0, entry.Answered},
	} {
		c := entry.Connection{Transport: end.transport}
		door.Connected(c)
		door.Connected(c)
		door.Disconnected(c, end.code, end.reason, time.Second)
	}
	want := map[string]string{
		"websocket": "6 now, map[closed:3 lost:1 shutting_down:1 slow:1]", "maru.v1": "1 now, map[slow:1]",
		"sse": "3 now, map[closed:1 lost:1 revoked:1]", "sse presence": "0 now, map[]", "poll": "1 now, map[answered:1]",
	}
	for _, transport := range entry.Transports() {
		ended := make(map[string]uint64)
		door.Counts.Ended(transport, func(reason string, n uint64) { ended[reason] = n })
		if got := fmt.Sprintf("%d now, %v", door.Counts.Now(transport), ended); got != want[transport.String()] {
			t.Errorf("%v: %s, want %s", transport, got, want[transport.String()])
		}
	}
}
