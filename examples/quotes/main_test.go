package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/client"
	"maru.example/maru/server"
)

func TestPricesOfThisProgram(t *testing.T) {
	send, screen, live, err := embedded()
	if err != nil {
		t.Fatal(err)
	}
	site := httptest.NewServer(screen)
	t.Cleanup(func() { live.Shutdown(context.Background()); site.Close() })
	c := prices(t, send, site.URL+"/live/")
	_, err = c.Publish(t.Context(), "quotes", &maru.Publication{Data: []byte("gold is free")})
	if !errors.Is(err, &maru.Error{Code: maru.CodeNotAllowed}) {
		t.Error("a page has published:", err)
	}
	answer, err := http.Get(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || !strings.Contains(string(body), `from "/assets/maru.js"`) {
		t.Errorf("%s %v", body, err)
	}
}

func TestPricesPostedElsewhere(t *testing.T) {
	live, err := server.New(server.Options{Open: true, Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	site := httptest.NewServer(live)
	t.Cleanup(func() { live.Shutdown(context.Background()); site.Close() })
	prices(t, post(site.URL), site.URL)
	if err := post(site.URL)(t.Context(), "", []byte(`{`)); err == nil || !strings.Contains(err.Error(), "bad_json") {
		t.Error(err)
	}
}

// prices trades, until a client has received all quotes.
func prices(t *testing.T, send publish, url string) *client.Client {
	c, err := client.Dial(t.Context(), url, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s, err := c.Subscribe("quotes", client.SubscribeOptions{Last: 1, Latest: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		trade(ctx, send, time.Millisecond)
		close(over)
	}()
	defer func() { stop(); <-over }()
	seen := make(map[string]Quote)
	for event, err := range s.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		p, ok := event.(*client.Publication)
		if !ok {
			continue
		}
		var q Quote
		if err := json.Unmarshal(p.Data, &q); err != nil || q.Symbol != p.Key || q.Price <= 0 || q.Volume <= seen[q.Symbol].Volume {
			t.Fatalf("%s after %v: %v", p.Data, seen[q.Symbol], err)
		}
		if seen[q.Symbol] = q; len(seen) == len(quotes) {
			break
		}
	}
	return c
}
