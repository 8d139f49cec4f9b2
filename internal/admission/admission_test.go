package admission_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/request"
)

func newAdmission(connections int, level slog.Level) (*admission.Admission, *bytes.Buffer) {
	var log bytes.Buffer
	return &admission.Admission{
		Registry:      admission.NewRegistry(connections, 0, nil),
		Authenticator: auth.NewAuthenticator(auth.NewSessions(auth.SessionOptions{}), slog.New(slog.DiscardHandler)),
		Rules:         new(auth.Rules), Rates: new(admission.Rates),
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level})),
	}, &log
}

func TestFull(t *testing.T) {
	t.Parallel()
	a, log := newAdmission(1, slog.LevelWarn)
	r := httptest.NewRequest("GET", "/channels/a?secret=hush", nil)
	r.Header.Set("Cookie", "maru_session=hush")
	in, err := a.Admit(r, "a", auth.Subscribe)
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Admit(r, "a", auth.Subscribe)
	if !errors.Is(err, &maru.Error{Code: maru.CodeTooManyConnections}) {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	a.Refuse(w, r, err)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), `"too_many_connections"`) {
		t.Errorf("answered %d %v %s", w.Code, w.Header(), w.Body)
	}
	if s := log.String(); !strings.Contains(s, "code=too_many_connections") || strings.Contains(s, "hush") {
		t.Errorf("logged %q", s)
	}
	e := new(admission.Entry)
	e.Open(in.Reservation)
	a.Registry.Remove(e)
	if _, err := a.Admit(r, "a", auth.Subscribe); err != nil {
		t.Error(err)
	}
}

// Refusals are logged without the query.
func TestRefusalsDoNotRepeatTheQuery(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"since=hush", "last=hush", "since=1&last=hush", "hush=%zz"} {
		a, log := newAdmission(1, slog.LevelWarn)
		r := httptest.NewRequest("GET", "/channels/a?"+query, nil)
		q, err := request.ParseQuery(r.URL.RawQuery)
		if err == nil {
			_, err = request.Replay(q)
		}
		if err == nil {
			t.Errorf("%s is accepted", query)
			continue
		}
		a.Refuse(httptest.NewRecorder(), r, err)
		if s := log.String(); !strings.Contains(s, "refused") || strings.Contains(s, "hush") {
			t.Errorf("%s: logged %q", query, s)
		}
	}
}

func TestLogOfConnections(t *testing.T) { // not parallel: it counts allocations
	l := &live{info: admission.Info{Transport: "websocket", Channels: []string{"a"}, Addr: netip.MustParseAddr("192.0.2.1"), User: "kim"}}

	a, log := newAdmission(0, slog.LevelDebug)
	transport := a.Transport("websocket")
	a.Opened(transport, l)
	a.Closed(transport, l, admission.End{CloseCode: 4501, Reason: "revoked", Err: maru.NewError(maru.CodeRevoked, "by the back end"), Bytes: 7, Messages: 2})
	for _, want := range []string{"level=DEBUG msg=connected connection=0 transport=websocket addr=192.0.2.1 user=kim channels=[a]\n",
		"level=INFO msg=disconnected connection=0 transport=websocket addr=192.0.2.1 user=kim channels=[a] code=revoked reason=\"by the back end\" close_code=4501 lived_seconds=",
		" waiting_bytes=7 waiting_messages=2\n"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in %q", want, log)
		}
	}

	quiet, _ := newAdmission(0, slog.LevelInfo)
	transport = quiet.Transport("websocket")
	if n := testing.AllocsPerRun(100, func() {
		quiet.Opened(transport, l)
		quiet.Closed(transport, l, admission.End{CloseCode: 1000, ByClient: true})
	}); n != 0 {
		t.Errorf("%v allocations although nothing is logged", n)
	}
}

// The counted reasons for the end of connections are a few words, for any close frame of a
// client.
func TestTransports(t *testing.T) {
	t.Parallel()
	a, _ := newAdmission(0, slog.LevelError)
	socket, full, events, poll := a.Transport("websocket"), a.Transport("maru.v1"), a.Transport("sse"), a.Transport("poll")
	for _, end := range []struct {
		transport *admission.Transport
		end       admission.End
	}{
		{socket, admission.End{CloseCode: 1001, ByClient: true}},
		{socket, admission.End{CloseCode: 1001, Reason: "shutting_down"}},
		{socket, admission.End{CloseCode: 1005, ByClient: true}},
		{socket, admission.End{CloseCode: 1013, Reason: "slow", ByClient: true}}, // whatever a client says
		{socket, admission.End{CloseCode: 1006, Err: io.ErrUnexpectedEOF}},
		{socket, admission.End{CloseCode: 1013, Reason: "slow"}},
		{full, admission.End{CloseCode: 4408, Reason: "slow"}},
		{events, admission.End{Reason: admission.ClientWent}},
		{events, admission.End{Err: io.ErrClosedPipe}},
		{events, admission.End{Reason: "revoked"}},
		{poll, admission.End{Reason: admission.Answered}},
	} {
		l := new(live)
		a.Opened(end.transport, l)
		a.Opened(end.transport, l)
		a.Closed(end.transport, l, end.end)
	}
	want := map[string]string{
		"websocket": "6 now, map[closed:3 lost:1 shutting_down:1 slow:1]", "maru.v1": "1 now, map[slow:1]",
		"sse": "3 now, map[closed:1 lost:1 revoked:1]", "poll": "1 now, map[answered:1]",
	}
	if n := len(a.Transports()); n != len(want) {
		t.Errorf("%d transports", n)
	}
	for _, transport := range a.Transports() {
		if got := fmt.Sprintf("%d now, %v", transport.Now(), transport.Ended()); got != want[transport.Name()] {
			t.Errorf("%s: %s, want %s", transport.Name(), got, want[transport.Name()])
		}
	}
}
