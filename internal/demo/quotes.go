// Package demo makes sample data: prices of invented companies that move at random.
// `maru serve --demo` publishes them in the channel "quotes".
//
//	q := demo.NewQuotes(1)
//	key, data := q.Next() // "GIWA", {"symbol":"GIWA","name":"Giwa Roofs & Tiles","price":48.31,…}
//
// It does not publish by itself. A Quotes is for one goroutine.
package demo

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"time"
)

// Channel is the channel that the page of quotes shows.
const Channel = "quotes"

// company is one invented symbol. Prices are in hundredths, so that the displayed numbers
// add up.
type company struct {
	symbol, name string
	opening      int64
	price        int64
	volume       int64
}

// Quotes is a random walk over eight symbols.
type Quotes struct {
	random    *rand.Rand
	companies []company
}

// NewQuotes starts all symbols at their opening price. The same seed gives the
// same walk.
func NewQuotes(seed uint64) *Quotes {
	q := &Quotes{
		random: rand.New(rand.NewPCG(seed, seed)),
		companies: []company{
			{symbol: "CCDA", name: "Cicada Radio", opening: 1840},
			{symbol: "DNRV", name: "Downriver Ferries", opening: 7725},
			{symbol: "GIWA", name: "Giwa Roofs & Tiles", opening: 4810},
			{symbol: "HNJI", name: "Hanji Paper Mill", opening: 12650},
			{symbol: "JNGD", name: "Jangdok Ferments", opening: 9990},
			{symbol: "MGPE", name: "Magpie Post", opening: 3375},
			{symbol: "ONDL", name: "Ondol Warm Floors", opening: 21400},
			{symbol: "PRSM", name: "Persimmon Orchards", opening: 560},
		},
	}
	for i := range q.companies {
		q.companies[i].price = q.companies[i].opening
	}
	return q
}

// quote is the JSON of one price.
type quote struct {
	Symbol string  `json:"symbol"`
	Name   string  `json:"name"`
	Price  float64 `json:"price"`
	Change float64 `json:"change"` // since the opening
	Volume int64   `json:"volume"` // pieces traded since the opening
}

// Next moves one symbol and returns its key, which is the symbol, and its JSON.
func (q *Quotes) Next() (key string, data []byte) {
	c := &q.companies[q.random.IntN(len(q.companies))]
	// A step is about half a percent, with a pull towards the opening price, so that prices
	// stay plausible over weeks.
	step := q.random.NormFloat64()*0.004*float64(c.price) + 0.002*float64(c.opening-c.price)
	c.price = max(1, c.price+int64(math.Round(step)))
	c.volume += 1 + q.random.Int64N(400)
	data, err := json.Marshal(quote{
		Symbol: c.symbol,
		Name:   c.name,
		Price:  float64(c.price) / 100,
		Change: float64(c.price-c.opening) / 100,
		Volume: c.volume,
	})
	if err != nil {
		panic("demo: " + err.Error()) // finite numbers and plain strings: cannot fail
	}
	return c.symbol, data
}

// Run publishes quotes, one in each interval every (200 ms if every is not positive). It
// returns nil when ctx ends, and the error of publish if that fails.
func Run(ctx context.Context, every time.Duration, publish func(ctx context.Context, key string, data []byte) error) error {
	if every <= 0 {
		every = 200 * time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	quotes := NewQuotes(rand.Uint64())
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		key, data := quotes.Next()
		if err := publish(ctx, key, data); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
}
