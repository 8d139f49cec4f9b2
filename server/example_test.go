package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"maru.example/maru"
	"maru.example/maru/server"
)

// A program with a mux of its own serves maru under /live/.
func Example() {
	live, err := server.New(server.Options{Open: true, Loopback: true})
	if err != nil {
		log.Fatal(err)
	}
	defer live.Shutdown(context.Background())
	mux := http.NewServeMux()
	mux.Handle("/live/", http.StripPrefix("/live", live))
	site := httptest.NewServer(mux)
	defer site.Close()

	// The back end publishes: to all WebSockets and event streams, and to history.
	_, err = live.Publish(context.Background(), "orders", &maru.Publication{Data: []byte("order 17 is paid")})
	if err != nil {
		log.Fatal(err)
	}

	answer, err := site.Client().Get(site.URL + "/live/channels/orders")
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	var history struct{ Publications []*maru.Publication }
	if err := json.NewDecoder(answer.Body).Decode(&history); err != nil {
		log.Fatal(err)
	}
	for _, p := range history.Publications {
		fmt.Printf("%d %s\n", p.Offset, p.Data)
	}
	// Output: 1 order 17 is paid
}
