package client_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"

	"maru.example/maru/client"
)

// FuzzMessages has a server that says anything, one message a line, to a client that has
// connected and subscribed in two ways. It must survive them, and its events must be right:
// offsets rise within an epoch, with Latest those of each key, and positions never go back
// in an epoch.
func FuzzMessages(f *testing.F) {
	for _, lines := range [][]string{
		{`{"id":2,"subscribe":{"channel":"a","epoch":"k","offset":5,"replay":1}}`, `{"channel":"a","publication":{"offset":6,"kind":"text","data":"x"}}`, `{"channel":"a","publication":{"offset":6,"kind":"json","data":{}}}`},
		{`{"id":2,"error":{"code":"not_allowed","message":""}}`, `{"id":3,"error":{"code":"slow","temporary":true}}`},
		{`{"id":3,"subscribe":{"epoch":"k"}}`, `{"channel":"b","publication":{"offset":9,"kind":"binary","data":"AP8=","key":"K"}}`, `{"channel":"b","publication":{"kind":"text","data":"now"}}`},
		{`{"id":2,"subscribe":{"epoch":"k","presence":{"version":1,"users":[{"user":"kim","connections":1}]}}}`, `{"channel":"a","presence":{"version":2,"prev":1,"joined":["lee"],"left":["kim"]}}`, `{"channel":"a","presence":{"version":9,"prev":7}}`},
		{`{"id":2,"subscribe":{"epoch":"k","offset":1,"gap":{"reason":"expired","from":1,"to":1}}}`, `{"channel":"a","unsubscribed":{"code":"token_expired"}}`},
		{`{"reconnect":{"after":1200}}`, `{"channel":"","publication":null}`, `{"id":1,"connect":{}}`, `{"id":9007199254740993}`, `[]`, `null`, `{"error":{}}`},
	} {
		var text []byte
		for _, line := range lines {
			text = append(append(text, line...), '\n')
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := &script{sent: make(chan []byte, 1000)}
		dialled := false
		c, err := client.NewIn(client.Lab{Dial: func(_ context.Context, _ http.Header, to client.Sink) (client.Wire, error) {
			if dialled {
				return nil, errors.New("it is offered once")
			}
			s.Sink, dialled = to, true
			return s, nil
		}}, "ws://host", client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		<-s.sent // connect
		s.Take([]byte(`{"id":1,"connect":{"max_message":1000000}}`))
		held := make(chan struct{}, 2)
		for channel, o := range map[string]client.SubscribeOptions{"a": {Presence: true, MaxQueued: 10}, "b": {Latest: true}} {
			sub, err := c.Subscribe(channel, o)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				hold(t, sub, o.Latest)
				held <- struct{}{}
			}()
		}
		<-s.sent
		<-s.sent
		for line := range bytes.SplitSeq(text, []byte("\n")) {
			s.Take(line)
		}
		c.Close()
		<-held
		<-held
	})
}

// hold takes what comes, and holds it against the promises.
func hold(t *testing.T, sub *client.Subscription, latest bool) {
	newest := make(map[string]uint64)
	at := sub.Position()
	for event, err := range sub.All(context.Background()) {
		if err != nil {
			return
		}
		now := sub.Position()
		switch e := event.(type) {
		case *client.Subscribed:
			clear(newest)
		case *client.Publication:
			key := ""
			if latest {
				key = e.Key
			}
			if e.Offset != 0 && e.Offset <= newest[key] {
				t.Errorf("%d after %d", e.Offset, newest[key])
			}
			newest[key] = max(newest[key], e.Offset)
			if now.Epoch == at.Epoch && now.Offset < at.Offset {
				t.Errorf("%v after %v", now, at)
			}
		case *client.Presence:
			if !slices.IsSorted(e.Users) {
				t.Error(e.Users)
			}
		}
		at = now
	}
}

// script is a WebSocket whose server the test plays.
type script struct {
	client.Sink
	sent chan []byte
	over sync.Once
}

func (s *script) Send(text []byte) error {
	select {
	case s.sent <- text:
	default:
	}
	return nil
}

func (s *script) Close()     { s.over.Do(func() { go s.Closed(1000, "") }) }
func (s *script) Terminate() { s.Close() }
