package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru/ws"
)

// A market is the keys and their last values. A value is JSON of one length:
//
//	{"k":"k0017","n":1000042,"t":1764340000000000000}
//
// the key, how often it changed, and when.
type market struct {
	addr   string
	values []atomic.Int64 // by key: the n published last
	conns  []*ws.Conn
	rate   int
	wg     sync.WaitGroup
}

const (
	firstN      = 1_000_000
	payloadSize = len(`{"k":"k0017","n":1000042,"t":1764340000000000000}`)
	publishers  = 4
	moments     = 100 // a second has so many moments at which some keys change
)

func newMarket(addr string, keys int) *market {
	m := &market{addr: addr, values: make([]atomic.Int64, keys)}
	for i := range m.values {
		m.values[i].Store(firstN)
	}
	return m
}

func (m *market) open(ctx context.Context, rate int) error {
	m.rate = rate
	for range publishers {
		c, err := ws.Dial(ctx, "ws://"+m.addr+"/", ws.DialOptions{Subprotocols: []string{"maru.v1"}, Inline: true})
		if err != nil {
			return err
		}
		c.SendText(`{"id":1,"connect":{}}`)
		m.conns = append(m.conns, c)
	}
	return nil
}

func (m *market) close() {
	for _, c := range m.conns {
		c.Terminate()
	}
}

// run changes each key so many times a second until stop.
func (m *market) run(stop chan struct{}) {
	for p, c := range m.conns {
		m.wg.Go(func() {
			tick := time.NewTicker(time.Second / moments)
			defer tick.Stop()
			began, done := time.Now(), 0
			for {
				select {
				case <-tick.C:
				case <-stop:
					return
				}
				due := int(time.Since(began).Seconds() * float64(m.rate*len(m.values)/publishers))
				for ; done < due; done++ {
					key := (done*publishers + p) % len(m.values)
					n := m.values[key].Add(1)
					c.SendText(fmt.Sprintf(`{"publish":{"channel":"quotes","data":{"k":"k%04d","n":%d,"t":%d}}}`, key, n, time.Now().UnixNano()))
				}
			}
		})
	}
}

// changes is how many there were so far.
func (m *market) changes() (n int64) {
	for i := range m.values {
		n += m.values[i].Load() - firstN
	}
	return n
}

func (m *market) wait() { m.wg.Wait() }

var errForm = errors.New("that is no value")

// parse reads a value.
func parse(b []byte) (key int, n int64, at time.Time, err error) {
	if len(b) != payloadSize || string(b[:7]) != `{"k":"k` {
		return 0, 0, at, fmt.Errorf("%w: %q", errForm, b)
	}
	for _, c := range b[7:11] {
		key = 10*key + int(c-'0')
	}
	for _, c := range b[17:24] {
		n = 10*n + int64(c-'0')
	}
	var t int64
	for _, c := range b[29:48] {
		t = 10*t + int64(c-'0')
	}
	return key, n, time.Unix(0, t), nil
}
