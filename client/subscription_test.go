package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/client"
)

func TestHistoryFirstThenLive(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		for _, word := range []string{"a", "b", "c"} {
			f.publish("chat", word)
		}
		c := f.client(client.Options{})
		s, err := c.Subscribe("chat", client.SubscribeOptions{Last: 2})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f.publish("chat", "live")
		var got []string
		for event, err := range s.All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			switch e := event.(type) {
			case *client.Subscribed:
				got = append(got, fmt.Sprint(e.Position, e.Replay, e.Recovered))
			case *client.Publication:
				got = append(got, fmt.Sprint(e.Replay, s.Position(), string(e.Data)))
			}
			if len(got) == 4 {
				break
			}
		}
		want := []string{"one:5 2 false", "true one:6b", "true one:9c", "false one:12live"}
		if !slices.Equal(got, want) {
			t.Errorf("%q, not %q", got, want)
		}
		if got := f.asked("subscribe"); !slices.Equal(got, []string{`{"channel":"chat","last":2}`}) {
			t.Error(got)
		}
	})
}

func TestSubscribedBeforeThereIsAConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		f.down = true
		c := f.client(client.Options{})
		w, left := on(t, c, "chat", client.SubscribeOptions{}), on(t, c, "left", client.SubscribeOptions{})
		left.Unsubscribe()
		f.set(func() { f.down = false })
		pass(31 * time.Second)
		f.publish("chat", "a")
		w.saw(t, "a")
		if got := f.asked("subscribe"); len(got) != 1 {
			t.Error(got)
		}
	})
}

func TestAfterADropEverythingComesOnceInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		chat, empty := on(t, c, "chat", client.SubscribeOptions{}), on(t, c, "empty", client.SubscribeOptions{})
		synctest.Wait()
		f.publish("chat", "a")
		f.end(1006, "")
		f.publish("chat", "missed")
		f.publish("empty", "first")
		pass(250 * time.Millisecond)
		f.publish("chat", "b")
		chat.saw(t, "a, missed, b")
		empty.saw(t, "first")
	})
}

func TestADropInTheReplayLosesNothing(t *testing.T) {
	for after := range 4 {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake) {
				for _, word := range []string{"a", "b", "c"} {
					f.publish("chat", word)
				}
				c := f.client(client.Options{})
				f.mute["subscribe"] = true // the reply and the replay, of which a part is played by hand
				w := on(t, c, "chat", client.SubscribeOptions{Last: 3})
				synctest.Wait()
				if after > 0 {
					f.socket().push(`{"id":2,"subscribe":{"channel":"chat","epoch":"one","offset":2,"replay":3}}`)
				}
				for _, p := range f.past["chat"][:max(0, after-1)] {
					f.socket().pushPublication("chat", &p)
				}
				f.end(1006, "")
				f.set(func() { f.mute["subscribe"] = false })
				pass(250 * time.Millisecond)
				f.publish("chat", "d")
				w.saw(t, "a, b, c, d")
			})
		})
	}
}

func TestAPublicationThatComesTwiceIsToldOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		w := on(t, f.client(client.Options{}), "chat", client.SubscribeOptions{})
		synctest.Wait()
		f.publish("chat", "a")
		p := f.past["chat"][0]
		f.socket().pushPublication("chat", &p)
		f.socket().pushPublication("nobody's", &p)
		w.saw(t, "a")
	})
}

func TestTransientPublicationsHaveNoPlaceAndAreTold(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		w := on(t, f.client(client.Options{}), "chat", client.SubscribeOptions{})
		synctest.Wait()
		f.publish("chat", "a")
		f.publishAs("chat", "typing", "", true)
		f.publishAs("chat", "typing", "", true)
		w.saw(t, "a, typing, typing")
		if at := w.Position(); at.Offset != 3 {
			t.Error(at)
		}
	})
}

func TestWhatIsNoLongerKeptIsToldWithItsRange(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		f.keep = 2
		w := on(t, f.client(client.Options{}), "chat", client.SubscribeOptions{})
		synctest.Wait()
		f.publish("chat", "a") // 3
		f.end(4408, "slow")
		for _, word := range []string{"b", "c", "d", "e"} { // 6 and 9 are gone
			f.publish("chat", word)
		}
		pass(250 * time.Millisecond)
		w.saw(t, "a, gap 4-9, d, e")
	})
}

func TestHistoryThatBeganAnewIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		w := on(t, f.client(client.Options{}), "chat", client.SubscribeOptions{})
		synctest.Wait()
		f.publish("chat", "old")
		f.restart("two")
		f.publish("chat", "new")
		pass(250 * time.Millisecond)
		f.publish("chat", "newer")
		w.saw(t, "old, gap, new, newer")
		if at := w.Position(); at != (maru.Position{Epoch: "two", Offset: 6}) {
			t.Error(at)
		}
	})
}

func TestWhoMayNotReadTheHistoryIsToldWhatWasMissed(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		f.answer = func(s *socket, c command) (any, error) {
			if c.name == "subscribe" && strings.Contains(string(c.body), `"since"`) {
				return nil, refusal(maru.CodeNotAllowed)
			}
			return nil, nil
		}
		w := on(t, f.client(client.Options{}), "chat", client.SubscribeOptions{})
		synctest.Wait()
		f.publish("chat", "a") // 3
		f.end(1006, "")
		pass(250 * time.Millisecond)
		w.saw(t, "a") // nothing was missed
		f.end(1006, "")
		f.publish("chat", "b")
		pass(500 * time.Millisecond)
		f.publish("chat", "c")
		w.saw(t, "a, gap 4-6, c")
		f.restart("two")
		pass(time.Second)
		f.publish("chat", "d")
		w.saw(t, "a, gap 4-6, c, gap, d")
	})
}

func TestLatestNeverGoesBack(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		f.publishAs("quotes", "A1", "A", false)
		w := on(t, f.client(client.Options{}), "quotes", client.SubscribeOptions{MaxHz: 5})
		synctest.Wait()
		if got := f.asked("subscribe"); got[0] != `{"channel":"quotes","deliver":"latest","max_hz":5}` {
			t.Error(got)
		}
		f.publishAs("quotes", "A2", "A", false) // 6
		f.publishAs("quotes", "B1", "B", false) // 9
		f.publishAs("quotes", "now", "A", true) // has no place
		old := maru.Publication{Offset: 4, Key: "A", Data: []byte("old")}
		overtaken := maru.Publication{Offset: 5, Key: "C", Data: []byte("C1")}
		f.socket().pushPublication("quotes", &old)
		f.socket().pushPublication("quotes", &overtaken) // by those of other keys
		w.saw(t, "A2, B1, now, C1")
		f.restart("two")
		pass(250 * time.Millisecond)
		f.publishAs("quotes", "A3", "A", false) // its offset is lower than that of A2
		w.saw(t, "A2, B1, now, C1, gap, A3")
	})
}

func TestLatestOfEverNewKeysIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		s, err := f.client(client.Options{}).Subscribe("orders", client.SubscribeOptions{Latest: true})
		if err != nil {
			t.Fatal(err)
		}
		next := func() client.Event {
			event, err := s.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return event
		}
		next() // Subscribed
		for i := range 2*client.MaxKeys + 1 {
			f.publishAs("orders", "", fmt.Sprint(i), false)
			next()
		}
		if n := client.Known(s); n > client.MaxKeys+1 {
			t.Error(n, "keys are kept")
		}
		old := maru.Publication{Offset: 3 * (2*client.MaxKeys - 1), Key: fmt.Sprint(2*client.MaxKeys - 2)}
		f.socket().pushPublication("orders", &old) // of a key that has spoken lately
		f.publishAs("orders", "new", "a", false)
		if p := next().(*client.Publication); string(p.Data) != "new" {
			t.Error(p)
		}
	})
}

func TestUnsubscribedNothingComes(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		first := on(t, c, "chat", client.SubscribeOptions{})
		synctest.Wait()
		f.publish("chat", "a")
		synctest.Wait()
		first.Unsubscribe()
		second := on(t, c, "chat", client.SubscribeOptions{}) // anew, at once
		synctest.Wait()
		f.publish("chat", "b")
		first.saw(t, "a")
		second.saw(t, "b")
		if _, err := first.Next(t.Context()); !errors.Is(err, client.ErrUnsubscribed) {
			t.Error(err)
		}
		var names []string
		for _, c := range f.log {
			names = append(names, c.name)
		}
		if want := []string{"connect", "subscribe", "unsubscribe", "subscribe"}; !slices.Equal(names, want) {
			t.Error(names)
		}
	})
}

func TestASubscriptionThatIsRefusedIsOver(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		f.errors["subscribe"] = refusal(maru.CodeNotAllowed)
		refused := on(t, c, "secret", client.SubscribeOptions{})
		refused.saw(t, "over not_allowed")
		for _, code := range []maru.Code{maru.CodeUnavailable, maru.CodeSlow, maru.CodeInternal, maru.CodeStorageFull} {
			f.set(func() { f.errors["subscribe"] = refusal(code) })
			w := on(t, c, string(code), client.SubscribeOptions{})
			pass(250 * time.Millisecond)
			f.publish(string(code), "a")
			w.saw(t, "a")
		}
	})
}

func TestATemporaryErrorOfAnUnknownCodeIsTriedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		f.mute["subscribe"] = true
		w := on(t, c, "a", client.SubscribeOptions{})
		synctest.Wait()
		f.set(func() { f.mute["subscribe"] = false })
		f.socket().push(`{"id":2,"error":{"code":"moon_is_full","message":"","temporary":true}}`)
		pass(250 * time.Millisecond)
		f.publish("a", "x")
		w.saw(t, "x")
	})
}

func TestTheServerEndsASubscription(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		made := 0
		lost := on(t, c, "a", client.SubscribeOptions{})
		kept := on(t, c, "b", client.SubscribeOptions{Token: func(context.Context) (string, error) {
			if made++; made == 2 {
				return "", errors.New("away")
			}
			return fmt.Sprint("t", made), nil
		}})
		synctest.Wait()
		end := func(channel string, code maru.Code) {
			f.set(func() { delete(f.sockets[0].subscribed, channel) })
			f.socket().push(`{"channel":%q,"unsubscribed":{"code":%q,"message":""}}`, channel, code)
		}
		f.publish("a", "first")
		end("a", maru.CodeTokenExpired) // and there is no other
		f.publish("b", "one")
		end("b", maru.CodeTokenExpired)
		f.publish("b", "two")
		pass(time.Second)
		f.publish("b", "three")
		lost.saw(t, "first, over token_expired")
		kept.saw(t, "one, two, three")
		if got := f.asked("subscribe")[1:]; !strings.Contains(got[0], `"token":"t1"`) || !strings.Contains(got[1], `"token":"t3"`) {
			t.Error(got)
		}
	})
}

func TestPresenceWholeThenChanges(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		f.mute["subscribe"] = true
		var wholes []string // one after the other
		f.answer = func(s *socket, c command) (any, error) {
			if c.name == "presence" {
				var whole string
				f.set(func() { whole, wholes = wholes[0], wholes[1:] })
				s.push(`{"id":%d,"presence":%s}`, c.id, whole)
			}
			return nil, nil
		}
		f.mute["presence"] = true
		w := on(t, c, "chat", client.SubscribeOptions{Presence: true})
		synctest.Wait()
		push := func(change string) {
			f.socket().push(`{"channel":"chat","presence":%s}`, change)
			synctest.Wait()
		}
		push(`{"version":1,"prev":0,"joined":["ahn"],"count":1}`) // of the subscription before
		f.socket().push(`{"id":2,"subscribe":{"epoch":"one","presence":{"version":1,"count":1,"users":[{"user":"kim"}]}}}`)
		w.saw(t, "here 1 kim")
		push(`{"version":2,"prev":1,"joined":["lee"],"left":[],"count":2}`)
		push(`{"version":3,"prev":2,"joined":["ahn"],"left":["kim"],"count":2}`)
		w.saw(t, "here 1 kim, here 2 kim lee +lee, here 2 ahn lee +ahn -kim")

		f.set(func() { wholes = []string{`{"version":7,"count":2,"users":[{"user":"oh"},{"user":"ahn"}]}`} })
		push(`{"version":6,"prev":5,"joined":["oh"],"left":[],"count":3}`) // something was missed
		push(`{"version":7,"prev":6,"joined":[],"left":["lee"],"count":2}`)
		push(`{"version":7,"prev":6,"joined":[],"left":["lee"],"count":2}`) // late
		w.saw(t, "here 1 kim, here 2 kim lee +lee, here 2 ahn lee +ahn -kim, here 2 ahn oh +oh -lee")

		push(`{"version":8,"prev":7,"count":201}`) // too many to name
		f.set(func() { wholes = []string{`{"version":9,"count":3,"users":[{"user":"ahn"}]}`} })
		push(`{"version":9,"prev":8,"joined":[],"left":["ko"],"count":3}`)
		if got := w.words(); !strings.HasSuffix(got, "here 201, here 3 ahn") {
			t.Error(got)
		}
		if n := len(f.asked("presence")); n != 2 {
			t.Error("the whole was asked for", n, "times")
		}

		f.set(func() { // the first is older than the known position
			wholes = []string{`{"version":10,"count":0,"users":[]}`, `{"version":12,"count":1,"users":[{"user":"yu"}]}`}
		})
		push(`{"version":12,"prev":11,"joined":["yu"],"left":[],"count":1}`)
		if got := w.words(); !strings.HasSuffix(got, "here 3 ahn, here 0 -ahn, here 1 yu +yu") && !strings.HasSuffix(got, "here 3 ahn, here 1 yu +yu -ahn") {
			t.Error(got)
		}
	})
}

// A whole list that cannot be had now is asked for again.
func TestPresenceAskedForAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		f.mute["subscribe"] = true
		asked := 0
		f.answer = func(s *socket, c command) (any, error) {
			if c.name != "presence" {
				return nil, nil
			}
			if asked++; asked < 3 {
				return nil, maru.NewError(maru.CodeUnavailable, "try again")
			}
			s.push(`{"id":%d,"presence":{"version":3,"count":1,"users":[{"user":"oh"}]}}`, c.id)
			f.set(func() { f.mute["presence"] = true })
			return struct{}{}, nil
		}
		w := on(t, c, "chat", client.SubscribeOptions{Presence: true})
		synctest.Wait()
		f.socket().push(`{"id":2,"subscribe":{"epoch":"one","presence":{"version":1,"count":1,"users":[{"user":"kim"}]}}}`)
		f.socket().push(`{"channel":"chat","presence":{"version":3,"prev":2,"joined":["oh"],"left":[],"count":1}}`)
		synctest.Wait()
		time.Sleep(time.Minute)
		synctest.Wait()
		w.saw(t, "here 1 kim, here 1 oh +oh -kim")
		if asked != 3 {
			t.Error("asked", asked, "times")
		}
	})
}

func TestPresenceIsToldOnceToWhoIsSlow(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		f.mute["subscribe"] = true
		s, err := c.Subscribe("chat", client.SubscribeOptions{Presence: true})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f.socket().push(`{"id":2,"subscribe":{"epoch":"one","presence":{"version":1,"count":1,"users":[{"user":"kim"}]}}}`)
		next := func() string {
			t.Helper()
			event, err := s.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return word(event, nil)
		}
		if next(); next() != "here 1 kim" {
			t.Error("the first change of presence was not received")
		}
		for i := range 5000 {
			f.socket().push(`{"channel":"chat","presence":{"version":%d,"prev":%d,"joined":["u%d"],"left":["u%d"],"count":2}}`, i+2, i+1, i, i-1)
		}
		synctest.Wait()
		if got := next(); got != "here 2 kim u4999 +u4999" {
			t.Error(got)
		}
	})
}

func TestWhoDoesNotTakeEventsRestsAndGoesOn(t *testing.T) {
	for _, most := range []int{1, 2, 5, 10} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake) {
				c := f.client(client.Options{})
				s, err := c.Subscribe("chat", client.SubscribeOptions{MaxQueued: most})
				if err != nil {
					t.Fatal(err)
				}
				other := on(t, c, "other", client.SubscribeOptions{})
				synctest.Wait()
				for i := range 60 {
					f.publish("chat", fmt.Sprint(i))
					synctest.Wait()
					if i == 30 { // a reconnect does not wake it
						f.end(1006, "")
						pass(time.Second)
					}
				}
				f.publish("other", "free")
				other.saw(t, "free")
				if n := len(f.asked("unsubscribe")); n != 1 {
					t.Fatal("it does not rest:", n)
				}
				var got []string
				for len(got) < 60 {
					event, err := s.Next(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if w := word(event, nil); w != "" {
						got = append(got, w)
					}
				}
				for i, w := range got {
					if w != fmt.Sprint(i) {
						t.Fatalf("%d: %v", i, got)
					}
				}
				synctest.Wait()
				f.publish("chat", "live")
				if event, err := s.Next(t.Context()); err != nil || word(event, err) != "" { // Subscribed
					t.Error(event, err)
				}
				if event, err := s.Next(t.Context()); word(event, err) != "live" {
					t.Error(event, err)
				}
				f.mu.Lock()
				defer f.mu.Unlock()
				if f.sent > 70 {
					t.Error("the history was sent more than once:", f.sent)
				}
			})
		})
	}
}

// Publications missed while it rested arrive by subscribing where they cannot be fetched.
func TestWhatCannotBeFetchedAfterARest(t *testing.T) {
	for name, refuse := range map[string]func(s *socket) error{
		"not allowed": func(*socket) error { return refusal(maru.CodeNotAllowed) },
		"too large": func(s *socket) error {
			s.end(1009, "too_large")
			return refusal(maru.CodeTooLarge)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake) {
				f.answer = func(s *socket, c command) (any, error) {
					if c.name == "history" {
						return nil, refuse(s)
					}
					return nil, nil
				}
				f.mute["history"] = name == "too large"
				c := f.client(client.Options{})
				s, err := c.Subscribe("chat", client.SubscribeOptions{MaxQueued: 5})
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				for i := range 30 {
					f.publish("chat", fmt.Sprint(i))
				}
				for i := range 30 {
					for {
						event, err := s.Next(t.Context())
						if err != nil {
							t.Fatal(err)
						}
						if w := word(event, nil); w == fmt.Sprint(i) {
							break
						} else if w != "" {
							t.Fatalf("%s came, not %d", w, i)
						}
					}
				}
				if n := len(f.asked("history")); n != 1 {
					t.Error("it was tried", n, "times")
				}
			})
		})
	}
}

func TestAHistoryThatBeginsAnewWhileItRests(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		s, err := c.Subscribe("chat", client.SubscribeOptions{MaxQueued: 2})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, word := range []string{"a", "b", "c"} {
			f.publish("chat", word)
			synctest.Wait()
		}
		f.restart("two")
		for _, word := range []string{"d", "e", "f"} {
			f.publish("chat", word)
		}
		pass(time.Second)
		var got []string
		for len(got) < 5 {
			event, err := s.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if w := word(event, nil); w != "" {
				got = append(got, w)
			}
		}
		if want := []string{"a", "gap", "d", "e", "f"}; !slices.Equal(got, want) {
			t.Error(got)
		}
		if at := s.Position(); at != (maru.Position{Epoch: "two", Offset: 9}) {
			t.Error(at)
		}
	})
}

func TestWhatIsLostWhileRestingIsAGap(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		f.keep = 3
		c := f.client(client.Options{})
		s, err := c.Subscribe("chat", client.SubscribeOptions{MaxQueued: 3})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for i := range 10 { // 3 to 30, of which 24, 27 and 30 are kept
			f.publish("chat", fmt.Sprint(i))
			synctest.Wait()
		}
		var got []string
		for len(got) < 6 {
			event, err := s.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if w := word(event, nil); w != "" {
				got = append(got, w)
			}
		}
		if want := []string{"0", "1", "gap 7-21", "7", "8", "9"}; !slices.Equal(got, want) {
			t.Error(got)
		}
	})
}

func TestLargePublicationsRestTheSubscriptionSooner(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		f.queuedBytes = 16 << 10
		c := f.client(client.Options{})
		s, err := c.Subscribe("chat", client.SubscribeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		large := strings.Repeat("x", 1<<10)
		for range 20 {
			f.publish("chat", large)
			synctest.Wait()
		}
		if n := len(f.asked("unsubscribe")); n != 1 {
			t.Error("20 KiB wait")
		}
		for n := 0; n < 20; {
			event, err := s.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := event.(*client.Publication); ok {
				n++
			}
		}
	})
}

func TestWithLatestOnlyTheNewestOfEachKeyWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		s, err := c.Subscribe("quotes", client.SubscribeOptions{Latest: true})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for i := range 2_000 {
			f.publishAs("quotes", fmt.Sprint(i), string(rune('A'+i%3)), false)
		}
		f.publishAs("quotes", "now", "A", true)
		f.restart("two")
		pass(250 * time.Millisecond)
		f.publishAs("quotes", "anew", "A", false)
		synctest.Wait()
		var got []string
		for len(got) < 6 {
			event, err := s.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if w := word(event, nil); w != "" {
				got = append(got, w)
			}
		}
		if want := []string{"1998", "1999", "1997", "now", "gap", "anew"}; !slices.Equal(got, want) {
			t.Error(got)
		}
	})
}

func TestOneChannelManyTimesAndManyChannels(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		f.welcome["max_channels"] = 2
		f.down = true
		c := f.client(client.Options{})
		watches := make(map[string]*watch)
		for _, name := range []string{"a", "b", "c", "d", "e"} { // before it is known how many fit
			watches[name] = on(t, c, name, client.SubscribeOptions{})
		}
		f.set(func() { f.down = false })
		pass(31 * time.Second)
		again := on(t, c, "a", client.SubscribeOptions{Last: 1})
		f.publish("a", "first")
		synctest.Wait()
		for name, w := range watches {
			f.publish(name, name)
			want := name
			if name == "a" {
				want = "first, a"
			}
			w.saw(t, want)
		}
		again.saw(t, "first, a")
		// One that was not answered, three, and another if a has one for itself already.
		if n := f.opened(); n != 4 && n != 5 {
			t.Error(n, "connections")
		}
		for _, w := range watches {
			w.Unsubscribe()
		}
		again.Unsubscribe()
		pass(2 * time.Second)
		f.mu.Lock()
		defer f.mu.Unlock()
		open := 0
		for _, s := range f.sockets {
			if s.live {
				open++
			}
		}
		if open != 1 || c.State() != client.Open {
			t.Error(open, "connections are left,", c.State())
		}
	})
}

// Issue 15 §14: the limit is known when the connection is open, and may be another one each time.
func TestAnyNumberOfChannelsWheneverTheyAreSubscribed(t *testing.T) {
	for _, when := range []string{"before the connection is open", "afterwards"} {
		t.Run(when, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake) {
				f.welcome["max_channels"] = 128
				f.down = true
				c := f.client(client.Options{})
				open := func() { f.set(func() { f.down = false }); pass(35 * time.Second) }
				if when == "afterwards" {
					open()
				}
				watches := make([]*watch, 300)
				for i := range watches {
					watches[i] = on(t, c, fmt.Sprint("c", i), client.SubscribeOptions{})
				}
				open()
				f.set(func() { f.welcome["max_channels"] = 50 })
				f.end(1006, "")
				pass(20 * time.Second)
				for i, w := range watches {
					f.publish(fmt.Sprint("c", i), "a")
					w.saw(t, "a")
				}
				f.mu.Lock()
				defer f.mu.Unlock()
				for _, s := range f.sockets {
					if n := len(s.subscribed); s.live && n > 50 {
						t.Error(n, "channels on one connection")
					}
				}
			})
		})
	}
}

// Issue 15 §14: leaving the loop ends the subscription, as in the client for browsers.
func TestLeavingTheLoopUnsubscribes(t *testing.T) {
	for _, how := range []string{"break", "context", "panic"} {
		t.Run(how, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake) {
				c := f.client(client.Options{})
				s, err := c.Subscribe("chat", client.SubscribeOptions{})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				func() {
					defer func() { recover() }()
					for range s.All(ctx) {
						switch how {
						case "break":
							return
						case "context":
							cancel()
						case "panic":
							panic(how)
						}
					}
				}()
				synctest.Wait()
				if got := f.asked("unsubscribe"); len(got) != 1 {
					t.Error(got)
				}
				if _, err := s.Next(t.Context()); !errors.Is(err, client.ErrUnsubscribed) {
					t.Error(err)
				}
			})
		})
	}
}

// A connection that is let go is not given to anybody else.
func TestSecondSubscriptionsThatComeAndGo(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		on(t, c, "a", client.SubscribeOptions{})
		for i := range 3 {
			w := on(t, c, "a", client.SubscribeOptions{})
			if i < 2 {
				w.Unsubscribe() // and the next comes at once
				continue
			}
			synctest.Wait()
			f.publish("a", "x")
			w.saw(t, "x")
		}
	})
}

func TestArgumentsOfSubscribe(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		for name, o := range map[string]client.SubscribeOptions{
			"last":  {Last: 1001},
			"less":  {Last: -1},
			"hz":    {MaxHz: 0.01},
			"many":  {MaxHz: 1001},
			"queue": {MaxQueued: -1},
		} {
			if _, err := c.Subscribe("a", o); !isCode(err, maru.CodeBadRequest) {
				t.Error(name, err)
			}
		}
		for _, channel := range []string{"", ".", "a/b", "a\x00", strings.Repeat("a", 256), "\xff"} {
			if _, err := c.Subscribe(channel, client.SubscribeOptions{}); !isCode(err, maru.CodeBadChannel) {
				t.Errorf("%q: %v", channel, err)
			}
		}
		if _, err := c.Subscribe("a", client.SubscribeOptions{Since: &maru.Position{Epoch: "\xff"}}); !isCode(err, maru.CodeBadPosition) {
			t.Error("epoch", err)
		}
		since := &maru.Position{Offset: 7}
		on(t, c, "a", client.SubscribeOptions{Since: since, Last: 3})
		synctest.Wait()
		if got := f.asked("subscribe"); !slices.Equal(got, []string{`{"channel":"a","since":"7"}`}) {
			t.Error(got)
		}
	})
}

func TestNextEndsWithItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		s, err := c.Subscribe("a", client.SubscribeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Next(t.Context()); err != nil { // Subscribed
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if event, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(event, err)
		}
		n := 0
		for _, err := range s.All(ctx) {
			if n++; !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
		if n != 1 {
			t.Error(n)
		}
	})
}

func TestAllWhoWaitAreWoken(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		s, err := f.client(client.Options{}).Subscribe("a", client.SubscribeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Next(t.Context()); err != nil { // Subscribed
			t.Fatal(err)
		}
		got := make(chan error, 20)
		for range 20 {
			go func() {
				_, err := s.Next(t.Context())
				got <- err
			}()
		}
		synctest.Wait()
		for i := range 20 {
			f.publish("a", fmt.Sprint(i))
		}
		synctest.Wait()
		if len(got) != 20 {
			t.Error(len(got))
		}
	})
}

func TestEachEventGoesToOneOfThoseWhoWait(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		s, err := c.Subscribe("a", client.SubscribeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan string, 100)
		over := make(chan error, 3)
		for range 3 {
			go func() {
				for {
					event, err := s.Next(t.Context())
					if err != nil {
						over <- err
						return
					}
					got <- word(event, nil)
				}
			}()
		}
		synctest.Wait()
		for i := range 50 {
			f.publish("a", fmt.Sprint(i))
		}
		synctest.Wait()
		seen := make(map[string]int)
		for range 51 {
			seen[<-got]++
		}
		if len(seen) != 51 {
			t.Error(seen)
		}
		s.Unsubscribe()
		for range 3 {
			if err := <-over; !errors.Is(err, client.ErrUnsubscribed) {
				t.Error(err)
			}
		}
	})
}

// A channel in which nobody has a name has an empty list, not too many people to name.
func TestPresenceOfNobodyIsAList(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		f.mute["subscribe"], f.mute["presence"] = true, true
		w := on(t, c, "chat", client.SubscribeOptions{Presence: true})
		synctest.Wait()
		for _, push := range []string{
			`{"id":2,"subscribe":{"epoch":"one","presence":{"version":1,"count":0,"users":[]}}}`,
			`{"channel":"chat","presence":{"version":2,"prev":1,"joined":[],"left":[],"count":0,"anonymous":1}}`,
			`{"channel":"chat","presence":{"version":3,"prev":2,"joined":["kim"],"left":[],"count":1,"anonymous":1}}`,
		} {
			f.socket().push("%s", push)
			synctest.Wait()
		}
		w.saw(t, "here 0, here 0, here 1 kim +kim")
		if n := len(f.asked("presence")); n != 0 {
			t.Error("the whole list was asked for", n, "times")
		}
	})
}
