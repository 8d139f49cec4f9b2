// Quotes pushes sample prices to every page that shows them:
//
//	go run ./examples/quotes
//
// and serves the page on http://localhost:3000. Or it is a back end that knows only an
// address of maru, and POSTs JSON there as a program in any language can:
//
//	go run ./examples/quotes --server http://localhost:3000
package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"maru.example/maru"
	"maru.example/maru/server"
)

// Quote is the JSON that the page shows for one company. All companies are invented.
type Quote struct {
	Symbol string  `json:"symbol"`
	Name   string  `json:"name"`
	Price  float64 `json:"price"`
	Change float64 `json:"change"`
	Volume int     `json:"volume"`
}

var quotes = []Quote{
	{Symbol: "BRWN", Name: "Brown Bear Bakeries", Price: 24.5},
	{Symbol: "CRNE", Name: "Crane & Pine Painters", Price: 310},
	{Symbol: "MOON", Name: "Moon Jar Potters", Price: 148},
	{Symbol: "TRTL", Name: "Turtle Ship Yards", Price: 1592},
}

//go:embed index.html
var page []byte

// publish sends a quote. Its symbol is the key: a slow page gets only the newest price of
// each symbol.
type publish func(ctx context.Context, symbol string, quote []byte) error

// embedded publishes with a server inside this program. The handler serves it together with
// the page. Nobody else may publish there.
func embedded() (publish, http.Handler, *server.Server, error) {
	live, err := server.New(server.Options{Loopback: true, Access: server.Access{
		Namespaces: map[string]server.Namespace{maru.DefaultNamespace: {Subscribe: maru.Anyone, History: maru.Anyone}},
	}})
	if err != nil {
		return nil, nil, nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(page)
	})
	mux.Handle("/assets/", live)
	mux.Handle("/live/", http.StripPrefix("/live", live))
	return func(ctx context.Context, symbol string, quote []byte) error {
		_, err := live.Publish(ctx, "quotes", &maru.Publication{Kind: maru.JSON, Data: quote, Key: symbol})
		return err
	}, mux, live, nil
}

// post publishes to a server elsewhere, with one HTTP request for each quote.
func post(address string) publish {
	client := &http.Client{Timeout: 10 * time.Second}
	return func(ctx context.Context, symbol string, quote []byte) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"/channels/quotes?key="+symbol, bytes.NewReader(quote))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/json")
		answer, err := client.Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if text, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s (%v)", answer.Status, text, err)
		}
		return nil
	}
}

// trade changes a price a little in each interval every, and publishes it, until ctx ends.
func trade(ctx context.Context, send publish, every time.Duration) {
	for pause := every; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		q := &quotes[rand.IntN(len(quotes))]
		opening := q.Price - q.Change
		q.Price = max(0.01, cents(q.Price*(1+0.004*rand.NormFloat64())))
		q.Change = cents(q.Price - opening)
		q.Volume += 1 + rand.IntN(400)
		body, err := json.Marshal(q)
		if err == nil {
			err = send(ctx, q.Symbol, body)
		}
		if pause = every; err != nil && ctx.Err() == nil {
			pause = max(every, 3*time.Second) // the server may be restarting
			log.Printf("%v; trying again in %v", err, pause)
		}
	}
}

func cents(x float64) float64 { return math.Round(x*100) / 100 }

func main() {
	elsewhere := flag.String("server", "", "URL of a maru server, instead of one in this program")
	listen := flag.String("listen", "localhost:3000", "address to listen on")
	every := flag.Duration("every", 200*time.Millisecond, "pause between two prices")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // Ctrl-C
	defer stop()
	send := post(*elsewhere)
	if *elsewhere == "" {
		var screen http.Handler
		var err error
		if send, screen, _, err = embedded(); err != nil {
			log.Fatal(err)
		}
		listener, err := net.Listen("tcp", *listen)
		if err != nil {
			log.Fatal(err, "; choose another address with --listen")
		}
		log.Printf("prices on http://%s, Ctrl-C to stop", listener.Addr())
		go func() { log.Fatal(http.Serve(listener, screen)) }()
	} else {
		log.Printf("posting prices to %s/channels/quotes, Ctrl-C to stop", *elsewhere)
	}
	trade(ctx, send, *every)
}
