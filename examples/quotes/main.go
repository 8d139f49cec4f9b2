// Quotes is a back end that pushes sample prices to every connected screen. It
// knows nothing of maru: it POSTs JSON to a URL, as a program in any language would.
//
//	go run ./examples/quotes --server http://localhost:3000 --every 200ms
//
// Then open http://localhost:3000/quotes.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"time"
)

// Quote is what the page shows of one company. All of these are invented.
type Quote struct {
	Symbol string  `json:"symbol"`
	Name   string  `json:"name"`
	Price  float64 `json:"price"`
	Change float64 `json:"change"`
	Volume int     `json:"volume"`
}

var client = &http.Client{Timeout: 10 * time.Second}

var quotes = []Quote{
	{Symbol: "BRWN", Name: "Brown Bear Bakeries", Price: 24.5},
	{Symbol: "CRNE", Name: "Crane & Pine Painters", Price: 310},
	{Symbol: "MOON", Name: "Moon Jar Potters", Price: 148},
	{Symbol: "TRTL", Name: "Turtle Ship Yards", Price: 1592},
}

func main() {
	server := flag.String("server", "http://localhost:3000", "where maru runs")
	every := flag.Duration("every", 200*time.Millisecond, "pause between two prices")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // Ctrl-C
	defer stop()

	fmt.Printf("posting prices to %s/channels/quotes, Ctrl-C to stop\n", *server)
	for pause := *every; ; {
		select {
		case <-ctx.Done():
			fmt.Println("stopped")
			return
		case <-time.After(pause):
		}
		q := &quotes[rand.IntN(len(quotes))]
		trade(q)
		if err := post(ctx, *server+"/channels/quotes?key="+q.Symbol, q); err == nil {
			pause = *every
		} else if ctx.Err() == nil {
			pause = min(max(2*pause, time.Second), 30*time.Second) // be patient with a server that is away
			fmt.Printf("%v; trying again in %v\n", err, pause)
		}
	}
}

// trade moves the price a little.
func trade(q *Quote) {
	opening := q.Price - q.Change
	q.Price = max(0.01, cents(q.Price*(1+0.004*rand.NormFloat64())))
	q.Change = cents(q.Price - opening)
	q.Volume += 1 + rand.IntN(400)
}

func cents(x float64) float64 { return math.Round(x*100) / 100 }

// post publishes the quote: one ordinary HTTP request.
func post(ctx context.Context, url string, q *Quote) error {
	body, err := json.Marshal(q)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, text)
	}
	return err
}
