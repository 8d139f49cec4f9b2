package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/client"
)

func text(s string) *maru.Publication { return &maru.Publication{Data: []byte(s)} }

func TestPublish(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		f.welcome["max_message"] = 1000
		c := f.client(client.Options{})
		at, err := c.Publish(t.Context(), "chat", text("a <b> \"c\"\n"))
		if err != nil || at != (maru.Position{Epoch: "one", Offset: 3}) {
			t.Error(at, err)
		}
		_, err = c.PublishWith(t.Context(), "chat", &maru.Publication{Kind: maru.JSON, Data: []byte(`{"price":1}`), Key: "K", Event: "price"}, maru.PublishOptions{IdempotencyKey: "mine", Version: 4})
		if err != nil {
			t.Error(err)
		}
		if _, err = c.Publish(t.Context(), "chat", &maru.Publication{Kind: maru.Binary, Data: []byte{0, 255}}); err != nil {
			t.Error(err)
		}
		if _, err = c.PublishWith(t.Context(), "chat", text("now"), maru.PublishOptions{Transient: true}); err != nil {
			t.Error(err)
		}
		got := f.asked("publish")
		key := func(body string) string {
			_, rest, _ := strings.Cut(body, `"idempotency_key":"`)
			key, _, _ := strings.Cut(rest, `"`)
			return key
		}
		want := []string{
			`{"channel":"chat","data":"a <b> \"c\"\n","kind":"text","idempotency_key":"` + key(got[0]) + `"}`,
			`{"channel":"chat","data":{"price":1},"kind":"json","key":"K","event":"price","idempotency_key":"mine","version":4}`,
			`{"channel":"chat","data":"AP8=","kind":"binary","idempotency_key":"` + key(got[2]) + `"}`,
			`{"channel":"chat","data":"now","kind":"text","transient":true}`,
		}
		if !slices.Equal(got, want) || len(key(got[0])) < 20 || key(got[0]) == key(got[2]) {
			t.Errorf("%q", got)
		}
		for code, p := range map[maru.Code]*maru.Publication{
			maru.CodeBadText:    {Data: []byte{0xff}},
			maru.CodeBadJSON:    {Kind: maru.JSON, Data: []byte(`{`)},
			maru.CodeTooLarge:   {Data: make([]byte, 1000)},
			maru.CodeBadRequest: {Kind: 7},
		} {
			if _, err := c.Publish(t.Context(), "chat", p); !isCode(err, code) {
				t.Error(code, err)
			}
		}
		for _, o := range []maru.PublishOptions{{IdempotencyKey: strings.Repeat("k", 256)}, {IdempotencyKey: "\xff"}, {Publisher: "me"}} {
			if _, err := c.PublishWith(t.Context(), "chat", text(""), o); !isCode(err, maru.CodeBadRequest) {
				t.Error(o, err)
			}
		}
		if _, err := c.Publish(t.Context(), "a/b", text("")); !isCode(err, maru.CodeBadChannel) {
			t.Error(err)
		}
		f.errors["publish"] = refusal(maru.CodeRateLimited)
		if _, err := c.Publish(t.Context(), "chat", text("")); !isCode(err, maru.CodeRateLimited) {
			t.Error(err)
		}
		if n := len(f.asked("publish")); n != 5 {
			t.Error("what is known to be wrong was sent:", n)
		}
	})
}

// Issue 14 §14: what is sent is what the program has said, or there is an error.
func TestTextThatIsNotUTF8IsNotSent(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		ctx := t.Context()
		for want, calls := range map[maru.Code][]func() error{
			maru.CodeBadChannel: {
				func() error { _, err := c.History(ctx, "a\xff", maru.HistoryQuery{}); return err },
				func() error { _, err := c.Presence(ctx, "a\xed\xa0\x80"); return err },
				func() error { _, err := c.Publish(ctx, "a\xff", text("")); return err },
			},
			maru.CodeBadRequest: {
				func() error { _, err := c.Publish(ctx, "a", &maru.Publication{Key: "\xff"}); return err },
				func() error { _, err := c.Publish(ctx, "a", &maru.Publication{Event: "gap"}); return err },
				func() error {
					_, err := c.History(ctx, "a", maru.HistoryQuery{Since: &maru.Position{Epoch: "\xff", Offset: 1}})
					return err
				},
				func() error { return c.RPC(ctx, "move\xff", nil, nil) },
			},
			maru.CodeBadText: {func() error { _, err := c.Publish(ctx, "a", text("\xff")); return err }},
			maru.CodeBadJSON: {
				func() error {
					_, err := c.Publish(ctx, "a", &maru.Publication{Kind: maru.JSON, Data: []byte("\"\xff\"")})
					return err
				},
				func() error { return c.RPC(ctx, "move", json.RawMessage("\"\xff\""), nil) },
			},
		} {
			for i, call := range calls {
				if err := call(); !isCode(err, want) {
					t.Errorf("%s %d: %v", want, i, err)
				}
			}
		}
		for _, name := range []string{"publish", "history", "presence", "rpc"} {
			if got := f.asked(name); len(got) > 0 {
				t.Error("sent:", got)
			}
		}
	})
}

type cycle struct{ Me *cycle }

type failing struct{}

func (failing) MarshalJSON() ([]byte, error) { return nil, errors.New("no") }

// Issue 15 §14: a value that JSON cannot carry is an error of that call, and of nothing else.
func TestAValueThatJSONCannotCarryIsAnErrorOfItsCall(t *testing.T) {
	round := new(cycle)
	round.Me = round
	for name, value := range map[string]any{
		"function": func() {}, "Go channel": make(chan int), "NaN": math.NaN(), "cycle": round, "MarshalJSON": failing{}, "no JSON": json.RawMessage("{"),
	} {
		for _, down := range []bool{false, true} {
			t.Run(fmt.Sprint(name, down), func(t *testing.T) {
				inBubble(t, func(t *testing.T, f *fake) {
					f.down = down
					c := f.client(client.Options{})
					w := on(t, c, "chat", client.SubscribeOptions{})
					if err := c.RPC(t.Context(), "move", value, nil); err == nil {
						t.Error("sent") // at once: this test has no other goroutine that could answer
					}
					bad := &maru.Publication{Kind: maru.JSON, Data: []byte("{")}
					if _, err := c.Publish(t.Context(), "chat", bad); !isCode(err, maru.CodeBadJSON) {
						t.Error(err)
					}
					f.set(func() { f.down = false })
					pass(time.Minute)
					if _, err := c.Publish(t.Context(), "chat", text("good")); err != nil {
						t.Error(err)
					}
					w.saw(t, "good")
					if got := f.asked("rpc"); len(got) > 0 || f.opened() > 2 {
						t.Error(got, f.opened())
					}
				})
			})
		}
	}
}

func TestATokenThatIsNotUTF8IsNotSent(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		tokens := []string{"a", "\xff"}
		c := f.client(client.Options{Token: func(context.Context) (string, error) {
			token := tokens[len(tokens)-1]
			tokens = tokens[:max(1, len(tokens)-1)]
			return token, nil
		}})
		if _, err := c.Publish(t.Context(), "a", text("")); err != nil {
			t.Error(err)
		}
		if got := f.asked("connect"); !slices.Equal(got, []string{`{"token":"a"}`}) {
			t.Error(got)
		}
	})
}

func TestWhatWasSentIntoADropIsSentAgainAndIsThereOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		w := on(t, c, "chat", client.SubscribeOptions{})
		synctest.Wait()
		f.set(func() { f.mute["publish"] = true }) // carried out, but the ack is lost
		acks := make([]maru.Published, 3)
		publish := func(i int, word string) {
			go func() {
				done, err := c.PublishWith(t.Context(), "chat", text(word), maru.PublishOptions{})
				if err != nil {
					t.Error(err)
				}
				acks[i] = done
			}()
			synctest.Wait()
		}
		publish(0, "one")
		publish(1, "two")
		f.end(1006, "")
		f.set(func() { f.mute["publish"] = false })
		publish(2, "three") // while there is no connection
		pass(250 * time.Millisecond)
		for i, want := range []maru.Published{
			{Position: maru.Position{Epoch: "one", Offset: 3}, Replayed: true},
			{Position: maru.Position{Epoch: "one", Offset: 6}, Replayed: true},
			{Position: maru.Position{Epoch: "one", Offset: 9}},
		} {
			if got := acks[i]; got != want {
				t.Errorf("%+v, not %+v", got, want)
			}
		}
		w.saw(t, "one, two, three")
	})
}

func TestWhatWaitsKeepsItsOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		f.set(func() { f.mute["publish"] = true })
		done := make(chan error, 20)
		for i := range 20 {
			go func() {
				_, err := c.Publish(t.Context(), "a", text(fmt.Sprint(i)))
				done <- err
			}()
			synctest.Wait()
			if i == 10 {
				f.set(func() { clear(f.keys); f.past["a"], f.down = nil, true }) // as if nothing had arrived
				f.end(1006, "")
			}
		}
		f.set(func() { clear(f.mute); f.down = false })
		pass(time.Minute)
		for range 20 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		for i, p := range f.past["a"] {
			if string(p.Data) != fmt.Sprint(i) {
				t.Fatalf("%d is %s", i, p.Data)
			}
		}
	})
}

func TestWhatIsOnTheWayIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		f.set(func() { f.mute["publish"] = true })
		const n = client.MaxFlying + 10
		done := make(chan error, n)
		for range n {
			go func() {
				_, err := c.Publish(t.Context(), "a", text("x"))
				done <- err
			}()
		}
		synctest.Wait()
		if sent := len(f.asked("publish")); sent != client.MaxFlying {
			t.Error(sent, "are on the way")
		}
		f.set(func() { clear(f.mute) })
		f.end(1006, "")
		pass(time.Second)
		for range n {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if len(f.past["a"]) != n {
			t.Error(len(f.past["a"]))
		}
		f.set(func() { f.mute["publish"] = true })
		large := strings.Repeat("x", 1<<20)
		for i := range 6 {
			go func() {
				_, err := c.Publish(t.Context(), "b", text(fmt.Sprint(i, large)))
				done <- err
			}()
			synctest.Wait()
		}
		if sent := len(f.asked("publish")) - n - client.MaxFlying; sent != 4 {
			t.Error(sent, "MiB are on the way")
		}
		f.set(func() { clear(f.mute); clear(f.keys); f.past["b"] = nil }) // as if nothing had arrived
		f.end(1006, "")
		pass(time.Second)
		for range 6 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		for i, p := range f.past["b"] { // those that had been sent first
			if p.Data[0] != byte('0'+i) {
				t.Errorf("%d is %c", i, p.Data[0])
			}
		}
	})
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		f.set(func() { f.down = true })
		f.end(1006, "")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := c.Publish(ctx, "chat", text("a")); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, err := c.Publish(ctx, "chat", text("b")); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		f.set(func() { f.down = false })
		pass(time.Minute)
		if got := f.asked("publish"); len(got) != 0 {
			t.Error("it was sent after all:", got)
		}
		// One that flies is not sent again either.
		f.set(func() { f.mute["publish"] = true })
		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Publish(late, "chat", text("c")); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		f.end(1006, "")
		pass(time.Minute)
		if got := f.asked("publish"); len(got) != 1 {
			t.Error(got)
		}
	})
}

// The server knows an idempotency key for ten minutes; after that a repeat would be a
// second publication.
func TestWhatTheServerMayHaveForgottenIsNotRepeated(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		f.set(func() { f.mute["publish"], f.mute["history"] = true, true })
		unsure, safe := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := c.Publish(t.Context(), "chat", text("a"))
			unsure <- err
		}()
		go func() {
			_, err := c.History(t.Context(), "chat", maru.HistoryQuery{})
			safe <- err
		}()
		synctest.Wait()
		f.set(func() {
			f.down = true
			f.answer = func(_ *socket, c command) (any, error) {
				if c.name == "history" {
					return map[string]any{"epoch": "one"}, nil
				}
				return nil, nil
			}
		})
		f.end(1006, "")
		pass(client.KnownTime)
		f.set(func() { f.down = false; clear(f.mute) })
		pass(time.Minute)
		if err := <-unsure; !errors.Is(err, client.ErrDisconnected) {
			t.Error(err)
		}
		if err := <-safe; err != nil {
			t.Error(err)
		}
		if got := f.asked("publish"); len(got) != 1 {
			t.Error(got)
		}
	})
}

func TestWhatMayNotBeDoneTwiceIsNot(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		f.answer = func(_ *socket, c command) (any, error) {
			if c.name == "rpc" {
				return map[string]any{"data": map[string]int{"to": 2}}, nil
			}
			return nil, nil
		}
		f.set(func() { f.mute["rpc"] = true })
		lost := make(chan error, 1)
		go func() { lost <- c.RPC(t.Context(), "move", 1, nil) }()
		synctest.Wait()
		f.end(1006, "")
		if err := <-lost; !errors.Is(err, client.ErrDisconnected) {
			t.Error(err)
		}
		_, err := c.PublishWith(t.Context(), "chat", text("typing"), maru.PublishOptions{Transient: true})
		if !errors.Is(err, client.ErrDisconnected) {
			t.Error(err)
		}
		f.set(func() { f.mute["rpc"] = false })
		var reply struct{ To int }
		if err := c.RPC(t.Context(), "move", nil, &reply); err != nil || reply.To != 2 { // not sent yet: it waits
			t.Error(err, reply)
		}
		var wrong string
		if err := c.RPC(t.Context(), "move", nil, &wrong); err == nil {
			t.Error("an object is a string")
		}
		if err := c.RPC(t.Context(), "move", math.Inf(1), nil); err == nil {
			t.Error("infinity has JSON")
		}
		if got := f.asked("rpc"); !slices.Equal(got, []string{`{"method":"move","data":1}`, `{"method":"move"}`, `{"method":"move"}`}) {
			t.Error(got)
		}
	})
}

func TestWhatTheConnectionWasClosedForIsNotSentAgain(t *testing.T) {
	for code, word := range map[int]maru.Code{1009: maru.CodeTooLarge, 1007: maru.CodeBadText} {
		t.Run(string(word), func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake) {
				c := f.client(client.Options{})
				w := on(t, c, "other", client.SubscribeOptions{})
				f.set(func() { f.mute["publish"], f.mute["subscribe"] = true, true })
				refused := make(chan error, 1)
				go func() {
					_, err := c.Publish(t.Context(), "chat", text("a"))
					refused <- err
				}()
				synctest.Wait()
				f.end(code, string(word))
				f.set(func() { clear(f.mute) })
				if err := <-refused; !isCode(err, word) {
					t.Error(err)
				}
				if pass(250 * time.Millisecond); c.State() != client.Open || len(f.asked("publish")) != 1 {
					t.Error(c.State(), f.asked("publish"))
				}
				f.publish("other", "x") // a subscription on its way goes on
				w.saw(t, "x")
			})
		})
	}
}

func TestAReplyThatCannotBeUnderstood(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		f.set(func() {
			for _, name := range []string{"publish", "history", "presence", "rpc"} {
				f.mute[name] = true
			}
			f.answer = func(s *socket, c command) (any, error) {
				if f.mute[c.name] {
					s.push(`{"id":%d,"ping":{}}`, c.id)
				}
				return nil, nil
			}
		})
		_, publish := c.Publish(t.Context(), "a", text(""))
		_, history := c.History(t.Context(), "a", maru.HistoryQuery{Limit: -1})
		_, presence := c.Presence(t.Context(), "a")
		rpc := c.RPC(t.Context(), "a", nil, nil)
		for _, err := range []error{publish, history, presence, rpc} {
			if err == nil {
				t.Error("it was understood")
			}
		}
		f.socket().push(`{"error":{"code":"bad_request","message":"nobody asked"}}`)
		f.socket().push(`{"id":99,"publish":{}}`)
		f.socket().push(`{"something":"new"}`)
		if c.State() != client.Open {
			t.Error(c.State())
		}
	})
}

// Issue 14 §13: a nil publication is an error, and nothing is sent.
func TestPublishNil(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		if _, err := c.Publish(t.Context(), "chat", nil); !errors.Is(err, &maru.Error{Code: maru.CodeBadRequest}) {
			t.Errorf("%v, want %s", err, maru.CodeBadRequest)
		}
		if got := f.asked("publish"); len(got) != 0 {
			t.Errorf("sent %v", got)
		}
	})
}
