package interop_test

import (
	"net/http"
	"strings"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

func TestCloseComesBack(t *testing.T) {
	t.Parallel()
	server := program.Serve(t, maruPath)
	each(t, func(t *testing.T, l library) {
		p := l.dial(t, socketURL(server.URL))
		p.send(t, closing(3456, "안녕, bye"))
		expect(t, p, closing(3456, "안녕, bye"))
	})
}

func TestCloseByServer(t *testing.T) {
	t.Parallel()
	server := program.Serve(t, maruPath, "--max-message", "64KiB")
	for name, test := range map[string]struct {
		path string // of the channel
		does *event
		want int
	}{
		"too big":        {"/channels/big", new(bytesOf(strings.Repeat("x", 64<<10+1))), 1009},
		"far too big":    {"/channels/big", new(text(strings.Repeat("x", 4<<20))), 1009},
		"unknown epoch":  {"/channels/old?as=publication&since=nosuchepoch:7", nil, 4410},
		"beyond the end": {"/channels/old?as=publication&since=7", nil, 4410},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, l library) {
				p := l.dial(t, socketURL(server.URL)+test.path)
				if test.does != nil {
					p.send(t, *test.does)
				}
				if e := end(t, p); e.Code != test.want {
					t.Errorf("got %v, want code %d", e, test.want)
				}
			})
		})
	}
}

// Text that is not UTF-8 is refused, whatever the client library allows.
func TestCloseForBadText(t *testing.T) {
	t.Parallel()
	server := program.Serve(t, maruPath)
	for _, l := range libraries {
		if l.name != "gorilla" && l.name != "coder" { // the others do not send it
			continue
		}
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			p := l.dial(t, socketURL(server.URL))
			p.send(t, text("good\xffbad"))
			if e := end(t, p); e.Code != 1007 {
				t.Errorf("got %v, want code 1007", e)
			}
		})
	}
	if h := historyOf(t, server.URL, ""); len(h.Publications) > 0 {
		t.Errorf("published: %q", h.Publications[0].Data)
	}
}

// Signing out closes the session's connections with a code that means: do not reconnect.
func TestCloseAtSignOut(t *testing.T) {
	t.Parallel()
	server := program.Serve(t, maruPath)
	answer, err := client.Post(server.URL+"/session", "application/json", strings.NewReader(`{"nickname":"kim"}`))
	must(t, err)
	answer.Body.Close()
	if answer.StatusCode != http.StatusCreated || len(answer.Cookies()) != 1 {
		t.Fatalf("sign in: %s, cookies %v", answer.Status, answer.Cookies())
	}
	cookie := answer.Cookies()[0].Name + "=" + answer.Cookies()[0].Value
	p := dialNPMws(`{"headers":{"Cookie":"`+cookie+`"}}`)(t, socketURL(server.URL))
	p.send(t, text("hello"))
	expect(t, p, text("hello"))
	if said := historyOf(t, server.URL, "").Publications[0]; said.User != "kim" {
		t.Errorf("published by %q, want kim", said.User)
	}

	leave, err := http.NewRequest(http.MethodDelete, server.URL+"/session", nil)
	must(t, err)
	leave.Header.Set("Cookie", cookie)
	answer, err = client.Do(leave)
	must(t, err)
	answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		t.Errorf("sign out: %s", answer.Status)
	}
	expect(t, p, closing(4503, "revoked"))
}

// Ctrl-C: all connections are closed with 1001, and maru exits with 0.
func TestCloseAtShutdown(t *testing.T) {
	t.Parallel()
	server := program.Serve(t, maruPath)
	var peers []peer
	for _, l := range libraries {
		peers = append(peers, l.dial(t, socketURL(server.URL)))
	}
	server.Interrupt()
	for i, p := range peers {
		if e := end(t, p); e.Code != 1001 {
			t.Errorf("%s: got %v, want code 1001", libraries[i].name, e)
		}
	}
	if code := server.Wait(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}
