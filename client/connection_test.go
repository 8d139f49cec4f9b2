package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/client"
	"maru.example/maru/ws"
)

func TestBackoffGrowsTo20Seconds(t *testing.T) {
	t.Parallel()
	for attempt, most := range []time.Duration{500, 1000, 2000, 4000, 8000, 16000, 20000, 20000} {
		if got := client.Backoff(attempt, func() float64 { return 1 }); got != most*time.Millisecond {
			t.Errorf("after %d failures at most %v, want %v ms", attempt, got, int(most))
		}
	}
	if got := client.Backoff(1<<40, func() float64 { return 0 }); got != 0 {
		t.Errorf("at least %v, want 0", got)
	}
}

// states records the calls of OnState.
type states struct {
	mu   sync.Mutex
	seen []string
}

func (s *states) note(state client.State, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	word := state.String()
	if e := new(maru.Error); errors.As(why, &e) {
		word += " " + string(e.Code)
	}
	s.seen = append(s.seen, word)
}

func (s *states) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

func TestItConnectsAndSaysWhoOneIs(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		f.welcome["user"] = "kim"
		var states states
		c := f.client(client.Options{OnState: states.note})
		if got := states.all(); !slices.Equal(got, []string{"connecting", "open"}) {
			t.Error(got)
		}
		if c.User() != "kim" || c.State() != client.Open || c.Err() != nil {
			t.Error(c.User(), c.State(), c.Err())
		}
		c.Close()
		if got := states.all(); got[len(got)-1] != "closed" || !errors.Is(c.Err(), client.ErrClosed) {
			t.Error(got, c.Err())
		}
		<-c.Done()
	})
}

func TestEachFailureWaitsLongerAndASteadyConnectionForgetsThem(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		refuse := false
		c, err := client.NewIn(client.Lab{
			Random: func() float64 { return 0.5 },
			Dial: func(ctx context.Context, h http.Header, to client.Sink) (client.Wire, error) {
				wire, err := f.dial(ctx, h, to)
				f.mu.Lock()
				defer f.mu.Unlock()
				if refuse {
					wire.Terminate()
					return nil, errors.New("connection refused")
				}
				return wire, err
			},
		}, "ws://host", client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		pass(6 * time.Second)
		f.set(func() { refuse = true })
		f.end(1006, "")
		for _, delay := range []time.Duration{250, 500, 1000, 2000} {
			before := f.opened()
			pass(delay*time.Millisecond - 1)
			if n := f.opened(); n != before {
				t.Fatalf("it came back before %d ms", delay)
			}
			pass(1)
			if n := f.opened(); n != before+1 {
				t.Fatalf("it did not come back after %d ms", delay)
			}
		}
		f.set(func() { refuse = false })
		pass(4 * time.Second)
		if c.State() != client.Open {
			t.Fatal(c.State(), c.Err())
		}
		pass(5 * time.Second)
		f.end(1006, "")
		if pass(250 * time.Millisecond); c.State() != client.Open {
			t.Error("a steady connection did not end the row:", c.State())
		}
	})
}

func TestAServerThatAcceptsAndHangsUpDoesNotResetTheDelay(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		for _, delay := range []time.Duration{250, 500, 1000} {
			if c.State() != client.Open {
				t.Fatal(c.State())
			}
			f.end(1006, "")
			if pass(delay*time.Millisecond - 1); c.State() != client.Waiting {
				t.Fatalf("%v before %d ms", c.State(), delay)
			}
			pass(1)
		}
	})
}

func TestAHandshakeOrAConnectWithoutAnAnswerIsGivenUp(t *testing.T) {
	for _, part := range []string{"handshake", "connect"} {
		for limit, want := range map[time.Duration]time.Duration{0: 30 * time.Second, 40 * time.Second: 40 * time.Second} {
			t.Run(fmt.Sprint(part, " ", limit), func(t *testing.T) {
				inBubble(t, func(t *testing.T, f *fake) {
					f.down = part == "handshake"
					f.mute["connect"] = true
					c := f.client(client.Options{HandshakeTimeout: limit})
					if pass(want - 1); c.State() != client.Connecting {
						t.Fatal(c.State())
					}
					if pass(1); c.State() != client.Waiting {
						t.Fatal(c.State())
					}
				})
			})
		}
		t.Run(part+", no bound", func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake) {
				f.down = part == "handshake"
				f.mute["connect"] = true
				c := f.client(client.Options{HandshakeTimeout: -1})
				if pass(10 * time.Minute); c.State() != client.Connecting {
					t.Fatal(c.State())
				}
			})
		})
	}
}

func TestLaterIsLater(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		f.end(1013, "overloaded")
		if pass(2*time.Second - 1); c.State() != client.Waiting || !isCode(c.Err(), maru.CodeOverloaded) {
			t.Fatal(c.State(), c.Err())
		}
		if pass(1); c.State() != client.Open {
			t.Fatal(c.State())
		}
		f.set(func() { f.errors["connect"] = refusal(maru.CodeUnavailable) }) // a reply says the same as a close
		c.Reconnect()
		if pass(2*time.Second - 1); c.State() != client.Waiting {
			t.Fatal(c.State())
		}
		if pass(1); c.State() != client.Open {
			t.Fatal(c.State())
		}
	})
}

func TestTheServerSaysWhenToComeBack(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		for _, after := range []time.Duration{7 * time.Second, 0, time.Hour} {
			if after == time.Hour { // no more than that
				f.socket().push(`{"reconnect":{"after":1e300}}`)
			} else {
				f.socket().push(`{"reconnect":{"after":%d}}`, after.Milliseconds())
			}
			f.end(1001, "shutting_down")
			if after > 0 {
				if pass(after - 1); c.State() != client.Waiting {
					t.Fatalf("%v before %v", c.State(), after)
				}
				pass(1)
			}
			if c.State() != client.Open {
				t.Fatalf("%v after %v", c.State(), after)
			}
		}
		f.socket().push(`{"reconnect":{"after":3600000}}`)
		f.end(1006, "") // it was about another end
		if pass(10 * time.Second); c.State() != client.Open {
			t.Error(c.State())
		}
	})
}

func TestARefusedHandshakeSaysWhenToComeBack(t *testing.T) {
	for header, after := range map[string]time.Duration{"7": 7 * time.Second, "": 0, "soon": 0, "99999999": time.Hour} {
		t.Run(header, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake) {
				f.refuse = refusedHandshake(maru.CodeShuttingDown, header)
				c := f.client(client.Options{})
				if pass(after + 250*time.Millisecond - 1); c.State() != client.Waiting || !isCode(c.Err(), maru.CodeShuttingDown) {
					t.Error(c.State(), c.Err())
				}
				if pass(1); c.State() != client.Open {
					t.Error(c.State())
				}
			})
		})
	}
}

func refusedHandshake(code maru.Code, retryAfter string) error {
	body := io.NopCloser(strings.NewReader(fmt.Sprintf(`{"error":{"code":%q,"message":""}}`, code)))
	return &ws.HandshakeError{Response: &http.Response{Header: http.Header{"Retry-After": {retryAfter}}, Body: body}, Err: errors.New("refused")}
}

// The server's advice on reconnecting is used once.
func TestComingBackTooEarlyAllTheSame(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		f.socket().push(`{"reconnect":{"after":7000}}`)
		f.set(func() { f.refuse = refusedHandshake(maru.CodeShuttingDown, "") })
		f.end(1001, "shutting_down")
		if pass(7*time.Second + 250*time.Millisecond - 1); c.State() != client.Waiting || f.opened() != 2 {
			t.Error(c.State(), f.opened())
		}
		if pass(1); c.State() != client.Open {
			t.Error(c.State())
		}
	})
}

func TestRefusedForGood(t *testing.T) {
	for _, end := range []ending{
		{1008, "not_allowed"}, {4503, "revoked"}, {4500, "bad_request"}, {4500, ""}, {4999, ""}, {4501, "bad_token"},
	} {
		t.Run(fmt.Sprint(end.code, end.reason), func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake) {
				c := f.client(client.Options{})
				w := on(t, c, "a", client.SubscribeOptions{})
				extra := on(t, c, "a", client.SubscribeOptions{}) // has a connection of its own
				synctest.Wait()
				f.mu.Lock()
				first := f.sockets[0]
				f.mu.Unlock()
				first.end(end.code, end.reason)
				<-c.Done()
				code := maru.Code(end.reason)
				if c.State() != client.Closed || code != "" && !isCode(c.Err(), code) {
					t.Error(c.State(), c.Err())
				}
				_, err := c.Publish(t.Context(), "a", &maru.Publication{})
				if err == nil || code != "" && !isCode(err, code) {
					t.Error(err)
				}
				if _, err := c.Subscribe("b", client.SubscribeOptions{}); err == nil {
					t.Error("a subscription of a client that has ended")
				}
				if code == "" {
					w.saw(t, "over")
				} else {
					w.saw(t, "over "+end.reason)
				}
				synctest.Wait()
				if extra.words() != w.words() {
					t.Error(extra.words())
				}
				if pass(time.Minute); f.opened() != 2 {
					t.Error("it came back")
				}
			})
		})
	}
}

func TestReturnForOtherCodes(t *testing.T) {
	for _, code := range []int{1000, 1001, 1002, 1005, 1006, 1007, 1009, 1011, 1013, 4000, 4408, 4429, 4499} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake) {
				c := f.client(client.Options{})
				f.end(code, "")
				if pass(2 * time.Second); c.State() != client.Open {
					t.Error(c.State(), c.Err())
				}
			})
		})
	}
}

func TestSilenceIsMetWithAPing(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		if pass(24 * time.Second); len(f.asked("ping")) != 0 {
			t.Error("a ping too early")
		}
		if pass(6 * time.Second); len(f.asked("ping")) != 1 {
			t.Error("no ping")
		}
		f.set(func() { f.mute["ping"] = true })
		pass(39 * time.Second)
		if c.State() != client.Open || f.opened() != 2 {
			t.Error("a dead connection was not replaced:", c.State(), f.opened())
		}
		// Any message is a sign of life.
		on(t, c, "a", client.SubscribeOptions{})
		for range 10 {
			pass(20 * time.Second)
			f.publish("a", "x")
		}
		if n := f.opened(); n != 2 {
			t.Error(n)
		}
	})
}

func TestAfterSleepItAsksAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		pass(6 * time.Second)
		f.set(func() { f.mute["ping"] = true; f.slept = time.Hour }) // a dead connection that nobody has closed
		if pass(5 * time.Second); len(f.asked("ping")) != 1 || c.State() != client.Open {
			t.Fatal(f.asked("ping"), c.State())
		}
		if pass(4250 * time.Millisecond); f.opened() != 2 || c.State() != client.Open {
			t.Fatal(f.opened(), c.State())
		}
	})
}

func TestReconnectIsAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		made := 0
		c := f.client(client.Options{Token: func(context.Context) (string, error) { made++; return fmt.Sprint("t", made), nil }})
		w := on(t, c, "a", client.SubscribeOptions{})
		synctest.Wait()
		c.Reconnect()
		synctest.Wait()
		f.publish("a", "x")
		w.saw(t, "x")
		f.set(func() { f.down = true })
		f.end(1013, "")
		c.Reconnect() // while it waits
		synctest.Wait()
		f.set(func() { f.down = false })
		c.Reconnect() // while it connects
		synctest.Wait()
		if c.State() != client.Open || f.opened() != 4 {
			t.Error(c.State(), f.opened())
		}
		if got := f.asked("connect"); !slices.Equal(got, []string{`{"token":"t1"}`, `{"token":"t2"}`, `{"token":"t4"}`}) {
			t.Error(got)
		}
	})
}

func TestCloseReleasesEverything(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		s, err := c.Subscribe("a", client.SubscribeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		f.set(func() { f.mute["rpc"], f.errors["subscribe"] = true, refusal(maru.CodeUnavailable) })
		if _, err := c.Subscribe("b", client.SubscribeOptions{}); err != nil { // is to be tried again
			t.Fatal(err)
		}
		waiting, sent := make(chan error, 2), make(chan error, 1)
		f.set(func() { f.mute["publish"] = true })
		go func() { sent <- c.RPC(t.Context(), "never", nil, nil) }()
		go func() {
			_, err := c.Publish(t.Context(), "a", text("x"))
			waiting <- err
		}()
		go func() {
			for {
				if _, err := s.Next(t.Context()); err != nil {
					waiting <- err
					return
				}
			}
		}()
		synctest.Wait()
		c.Close()
		for range 2 {
			if err := <-waiting; !errors.Is(err, client.ErrClosed) || !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		}
		if err := <-sent; !errors.Is(err, client.ErrDisconnected) {
			t.Error(err)
		}
		if _, err := c.History(t.Context(), "a", maru.HistoryQuery{}); !errors.Is(err, client.ErrClosed) {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		s.Unsubscribe() // does nothing
		// The bubble fails if a goroutine is left.
	})
}

func TestWhatWaitsIsToldOfARefusal(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(client.Options{})
		f.set(func() { f.mute["publish"] = true })
		refused := make(chan error, 1)
		go func() {
			_, err := c.Publish(t.Context(), "a", text("x"))
			refused <- err
		}()
		synctest.Wait()
		f.end(4503, "revoked")
		if err := <-refused; !isCode(err, maru.CodeRevoked) {
			t.Error(err)
		}
	})
}

func TestAServerThatDoesNotSayGoodbyeIsNotWaitedForLong(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c, err := client.NewIn(client.Lab{Dial: func(ctx context.Context, h http.Header, to client.Sink) (client.Wire, error) {
			wire, err := f.dial(ctx, h, to)
			return deaf{wire}, err
		}}, "ws://host", client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		began := time.Now()
		c.Close()
		if took := time.Since(began); took != time.Second {
			t.Error(took)
		}
	})
}

type deaf struct{ client.Wire }

func (deaf) Close() {}

func TestEachAttemptIsPrepared(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		var prepared int
		var headers []string
		c, err := client.NewIn(client.Lab{
			Random: func() float64 { return 0.5 },
			Dial: func(ctx context.Context, h http.Header, to client.Sink) (client.Wire, error) {
				headers = append(headers, h.Get("X-Number")+h.Get("X-Always")+h.Get("User-Agent"))
				return f.dial(ctx, h, to)
			},
		}, "ws://host", client.Options{
			Name: "desk", Header: http.Header{"X-Always": {"yes"}},
			Prepare: func(ctx context.Context, h http.Header) error {
				if prepared++; prepared == 1 {
					return errors.New("no session service")
				}
				h.Set("X-Number", fmt.Sprint(prepared))
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		synctest.Wait()
		if c.State() != client.Waiting || f.opened() != 0 {
			t.Fatal(c.State(), f.opened())
		}
		pass(250 * time.Millisecond)
		f.end(1006, "")
		pass(time.Second)
		if c.State() != client.Open || !slices.Equal(headers, []string{"2yesdesk", "3yesdesk"}) {
			t.Error(c.State(), headers)
		}
	})
}

func TestATokenIsKeptRefreshedAndMadeAnew(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		made := 0
		f.welcome["expires"] = time.Now().Add(120 * time.Second)
		c := f.client(client.Options{Token: func(context.Context) (string, error) { made++; return fmt.Sprint("t", made), nil }})
		f.end(1006, "")
		pass(250 * time.Millisecond)
		f.set(func() {
			f.answer = func(s *socket, c command) (any, error) {
				if c.name == "refresh" {
					return map[string]any{"expires": time.Now().Add(600 * time.Second)}, nil
				}
				return nil, nil
			}
		})
		pass(90 * time.Second)
		if got := f.asked("refresh"); !slices.Equal(got, []string{`{"token":"t2"}`}) {
			t.Error("refreshed with", got)
		}
		f.set(func() { delete(f.welcome, "expires") })
		f.end(1006, "")
		pass(250 * time.Millisecond)
		f.end(4401, "token_expired")
		pass(500 * time.Millisecond)
		want := []string{`{"token":"t1"}`, `{"token":"t1"}`, `{"token":"t2"}`, `{"token":"t3"}`}
		if got := f.asked("connect"); !slices.Equal(got, want) || c.State() != client.Open {
			t.Error("connected with", got, c.State())
		}
		// The owner of an anonymous client's idempotency keys stays the same.
		if all := f.secrets(); len(all[0]) < 16 || len(slices.Compact(all)) != 1 {
			t.Errorf("secrets %q", all)
		}
	})
}

func TestARefreshThatFailsIsTriedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		made := 0
		f.welcome["expires"] = time.Now().Add(120 * time.Second)
		f.client(client.Options{Token: func(context.Context) (string, error) {
			if made++; made == 2 {
				return "", errors.New("away")
			}
			return fmt.Sprint("t", made), nil
		}})
		f.set(func() { f.errors["refresh"] = refusal(maru.CodeUnavailable) })
		pass(119 * time.Second)
		if got := f.asked("refresh"); len(got) < 2 || got[0] != `{"token":"t3"}` || got[1] != `{"token":"t4"}` {
			t.Error(got)
		}
	})
}

func TestATokenThatIsNotValidIsMadeAnewOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		made := 0
		c := f.client(client.Options{Token: func(context.Context) (string, error) { made++; return fmt.Sprint("t", made), nil }})
		f.end(4501, "bad_token") // its key is gone
		if pass(250 * time.Millisecond); c.State() != client.Open {
			t.Fatal(c.State())
		}
		f.set(func() {
			f.answer = func(s *socket, c command) (any, error) {
				s.end(4501, "bad_token")
				return struct{}{}, nil
			}
			f.mute["connect"] = true
		})
		f.end(1006, "")
		<-c.Done()
		if made != 3 || !isCode(c.Err(), maru.CodeBadToken) {
			t.Error(made, c.Err())
		}
	})
}

// A client whose rights have changed comes back with a new token; one without tokens comes back
// too, since its cookie or its address may have other rights.
func TestComingBackWithNewRights(t *testing.T) {
	for name, token := range map[string]string{"with tokens": "t", "without": ""} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake) {
				made := 0
				var o client.Options
				if token != "" {
					o.Token = func(context.Context) (string, error) { made++; return fmt.Sprint(token, made), nil }
				}
				c := f.client(o)
				on(t, c, "a", client.SubscribeOptions{})
				f.end(4205, "reconnect")
				if pass(500 * time.Millisecond); c.State() != client.Open {
					t.Fatal(c.State(), c.Err())
				}
				want := []string{`{"token":"t1"}`, `{"token":"t2"}`}
				if token == "" {
					want = []string{`{}`, `{}`}
				}
				if got := f.asked("connect"); !slices.Equal(got, want) || len(f.asked("subscribe")) != 2 {
					t.Errorf("connected with %v, subscribed with %v", got, f.asked("subscribe"))
				}
			})
		})
	}
}

func TestATokenThatCannotBeHadYetIsAskedForAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		asked := 0
		c := f.client(client.Options{Token: func(ctx context.Context) (string, error) {
			if asked++; asked < 3 {
				<-ctx.Done() // after 15 s
				return "", ctx.Err()
			}
			return "t", nil
		}})
		if pass(15*time.Second - 1); c.State() != client.Connecting {
			t.Fatal(c.State())
		}
		if pass(1); c.State() != client.Waiting || !errors.Is(c.Err(), context.DeadlineExceeded) {
			t.Fatal(c.State(), c.Err())
		}
		pass(250*time.Millisecond + 15*time.Second)
		if pass(500 * time.Millisecond); c.State() != client.Open {
			t.Fatal(c.State())
		}
	})
}

func TestWhatCannotBeUnderstoodEndsTheConnection(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":       `{`,
		"no object":     `7`,
		"a wrong type":  `{"id":"seven"}`,
		"a wrong reply": `{"id":1,"ping":{}}`,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake) {
				f.mute["connect"] = true
				c := f.client(client.Options{})
				f.set(func() { f.mute["connect"] = false })
				f.socket().push("%s", text)
				if synctest.Wait(); c.State() != client.Waiting {
					t.Error(c.State())
				}
				if pass(250 * time.Millisecond); c.State() != client.Open {
					t.Error(c.State())
				}
			})
		})
	}
}

func TestDialSaysWhyThereIsNoConnection(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "host", "ftp://host", "http://", "http://host/#a", "http://ho st"} {
		if _, err := client.New(address, client.Options{}); err == nil {
			t.Errorf("%q is an address", address)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	down := errors.New("down")
	_, err := client.Dial(ctx, "ws://host", client.Options{Prepare: func(context.Context, http.Header) error { return down }})
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, down) {
		t.Error(err)
	}
}
