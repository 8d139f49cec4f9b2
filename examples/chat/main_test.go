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
		heard := make(chan string, 4)
		c, err := ws.Dial(t.Context(), address, ws.DialOptions{OnMessage: func(_ *ws.Conn, m ws.Message) { heard <- m.String() }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(1000, "") })
		return c, heard
	}
	hears := func(heard chan string, want string) {
		t.Helper()
		if got := <-heard; got != want {
			t.Errorf("%q was heard, not %q", got, want)
		}
	}
	kim, kims := join()
	kim.SendText("kim => is anybody here?")
	hears(kims, "kim => is anybody here?")
	lee, lees := join()
	lee.SendText("이 => 안녕")
	hears(kims, "이 => 안녕")
	hears(lees, "이 => 안녕")
}
