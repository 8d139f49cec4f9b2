package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"maru.example/maru/ws"
)

// A message goes to all once, also if it is repeated; a client that comes later receives what is missing.
func TestChat(t *testing.T) {
	t.Parallel()
	chat, err := newChat()
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler(chat, t.TempDir()))
	defer s.Close()
	defer chat.Shutdown(t.Context())
	resp, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || !strings.Contains(string(b), "/client/socket.io.min.js") {
		t.Errorf("the page: %v", err)
	}
	kim, lee := connect(t, s.URL, "{}"), connect(t, s.URL, "{}")
	kim.conn.SendText(`421["chat message","hello","k-0"]`)
	for _, c := range []client{kim, lee} {
		c.wants(t, `42["chat message","hello",1,"`)
	}
	kim.wants(t, "431[]")
	kim.conn.SendText(`422["chat message","hello","k-0"]`) // as if the ack had been lost
	kim.conn.SendText(`423["chat message","again","k-1"]`)
	kim.wants(t, "432[]")
	lee.wants(t, `42["chat message","again",2,"`)
	connect(t, s.URL, `{"serverOffset":1}`).wants(t, `42["chat message","again",2,"`)
	late := connect(t, s.URL, `{"serverOffset":0}`)
	late.wants(t, `42["chat message","hello",1,"`)
	late.wants(t, `42["chat message","again",2,"`)
}

type client struct {
	conn *ws.Conn
	got  chan string
}

func connect(t *testing.T, url, auth string) client {
	c := client{got: make(chan string, 10)}
	var err error
	c.conn, err = ws.Dial(t.Context(), "ws"+strings.TrimPrefix(url, "http")+"/socket.io/?EIO=4&transport=websocket",
		ws.DialOptions{OnMessage: func(_ *ws.Conn, m ws.Message) { c.got <- m.String() }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.conn.Terminate)
	c.wants(t, `0{"sid"`)
	c.conn.SendText("40" + auth)
	c.wants(t, `40{"sid"`)
	return c
}

func (c client) wants(t *testing.T, begin string) {
	t.Helper()
	select {
	case got := <-c.got:
		if !strings.HasPrefix(got, begin) {
			t.Fatalf("got %s, want %s", got, begin)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("nothing came, want %s", begin)
	}
}
