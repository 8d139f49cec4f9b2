package v1_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/ws"
)

// Issue 14 §10: long replies arrive whole and in order, with live publications between them.
func TestLongReplies(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		const n, size = 15, 50_000
		for i := range n {
			w.publish(t, fmt.Sprint(i, strings.Repeat("x", size)))
		}
		c := w.dial(t, nil)
		c.says(connect, subscribe)
		for id := 3; id < 6; id++ {
			c.Send(ws.Text(fmt.Sprintf(`{"id":%d,"history":{"channel":"a","limit":%d}}`, id, n)))
		}
		c.Send(ws.Text(`{"id":6,"presence":{"channel":"a"}}`))
		w.publish(t, "live")
		live := 0
		for id := 3; id < 7; {
			e := c.next()
			if strings.HasPrefix(e, `{"channel":"a","publication"`) {
				live++
				continue
			}
			var reply struct {
				ID      int
				History struct {
					Publications []*maru.Publication
				}
				Presence *maru.Presence
			}
			if err := json.Unmarshal([]byte(e), &reply); err != nil || reply.ID != id || id == 6 && reply.Presence.Anonymous != 1 {
				t.Fatalf("%v: %.200s, want the reply to %d", err, e, id)
			}
			if id < 6 && len(reply.History.Publications) != n {
				t.Errorf("%d publications, want %d", len(reply.History.Publications), n)
			}
			id++
		}
		for live == 0 {
			if e := c.next(); strings.HasPrefix(e, `{"channel":"a","publication"`) {
				live++
			}
		}
	})
}

// A client that asks again and again, takes at most the first reply, and then does not read has one
// reply under way.
func TestUnreadReplies(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for range 30 {
			w.publish(t, strings.Repeat("x", 700_000))
		}
		c := w.dial(t, nil)
		c.says(connect)
		c.deaf.Lock()
		defer c.deaf.Unlock()
		for id := range 50 {
			c.Send(ws.Text(fmt.Sprintf(`{"id":%d,"history":{"channel":"a","limit":1000}}`, id+2)))
		}
		for end := time.Now().Add(patience); w.asked.Load() == 0; runtime.Gosched() {
			if time.Now().After(end) {
				t.Fatal("the history was not read")
			}
		}
		const others = 20
		other := w.dial(t, nil)
		other.says(connect)
		for id := range others { // time enough for the next command
			other.says(fmt.Sprintf(`{"id":%d,"history":{"channel":"b"}}`, id+2))
		}
		if n := w.asked.Load() - others; n > 2 {
			t.Errorf("the history was read %d times for a client that has taken at most one reply", n)
		}
	})
}

// While memory is short there are no new subscriptions; existing ones and publications go on.
func TestSubscribeWhileMemoryIsShort(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.dial(t, nil)
		c.says(connect, subscribe)
		w.admission.Registry.Refuse(true)
		c.Send(ws.Text(`{"id":3,"subscribe":{"channel":"b"}}`))
		if e := c.next(); !strings.HasPrefix(e, `{"id":3,"error":{"code":"overloaded"`) || !strings.Contains(e, `"temporary":true`) {
			t.Error(e)
		}
		w.publish(t, "still here")
		if e := c.next(); !strings.Contains(e, "still here") {
			t.Error(e)
		}
		w.admission.Registry.Refuse(false)
		c.says(`{"id":4,"subscribe":{"channel":"b"}}`)
	})
}
