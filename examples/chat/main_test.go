package main

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"maru.example/maru/ws"
)

func TestWhatOneSaysAllHear(t *testing.T) {
	server := newServer()
	site := httptest.NewServer(server)
	t.Cleanup(func() { server.Shutdown(context.Background()); site.Close() })
	address := strings.Replace(site.URL, "http", "ws", 1)

	join := func() (*ws.Conn, chan string) {
		received := make(chan string, 4)
		c, err := ws.Dial(t.Context(), address, ws.DialOptions{OnMessage: func(_ *ws.Conn, m ws.Message) { received <- m.String() }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(1000, "") })
		return c, received
	}
	wants := func(received chan string, want string) {
		t.Helper()
		if got := <-received; got != want {
			t.Errorf("%q was received, not %q", got, want)
		}
	}
	kim, kims := join()
	kim.SendText("kim => is anybody here?")
	wants(kims, "kim => is anybody here?")
	lee, lees := join()
	lee.SendText("이 => 안녕")
	wants(kims, "이 => 안녕")
	wants(lees, "이 => 안녕")
}
