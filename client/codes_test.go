package client_test

import (
	"context"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/client"
)

// row is a row of docs/protocol.md §7.
type row struct {
	code  maru.Code
	close int
	back  string
}

var rowPattern = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\d{4}) \\| ([^|]*) \\|")

func protocolRows(t *testing.T) (rows []row) {
	t.Helper()
	text, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range rowPattern.FindAllStringSubmatch(string(text), -1) {
		number, _ := strconv.Atoi(m[2])
		rows = append(rows, row{maru.Code(m[1]), number, m[3]})
	}
	if len(rows) < 20 {
		t.Fatalf("%d rows in docs/protocol.md §7", len(rows))
	}
	return rows
}

// Issue 15 §5: a client ends for good only when the server says that a person must act.
func TestEachCloseCodeOfTheProtocol(t *testing.T) {
	for _, r := range protocolRows(t) {
		t.Run(string(r.code), func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake) {
				c := f.client(client.Options{})
				w := on(t, c, "chat", client.SubscribeOptions{})
				synctest.Wait()
				f.end(r.close, string(r.code))
				if r.back == "no" {
					<-c.Done()
					if w.saw(t, "over "+string(r.code)); !isCode(c.Err(), r.code) {
						t.Error(c.Err())
					}
					return
				}
				if r.back == "later" {
					pass(1999 * time.Millisecond) // half of 500 ms × 2³
				}
				if synctest.Wait(); c.State() != client.Waiting || !isCode(c.Err(), r.code) {
					t.Error(c.State(), c.Err())
				}
				pass(20 * time.Second)
				f.publish("chat", "a")
				if w.saw(t, "a"); c.State() != client.Open {
					t.Error(c.State(), c.Err())
				}
			})
		})
	}
}

func TestEachErrorOfASubscription(t *testing.T) {
	for _, r := range protocolRows(t) {
		for _, way := range []string{"reply", "push"} {
			t.Run(string(r.code)+" by "+way, func(t *testing.T) {
				inBubble(t, func(t *testing.T, f *fake) {
					c := f.client(client.Options{})
					if way == "reply" {
						f.errors["subscribe"] = maru.NewError(r.code, "m")
					}
					token := func(context.Context) (string, error) { return "t", nil }
					w := on(t, c, "chat", client.SubscribeOptions{Token: token})
					synctest.Wait()
					if way == "push" {
						f.mu.Lock()
						s := f.sockets[0]
						delete(s.subscribed, "chat")
						f.mu.Unlock()
						s.push(`{"channel":"chat","unsubscribed":{"code":%q,"message":"m"}}`, r.code)
					}
					pass(5 * time.Second)
					f.publish("chat", "a")
					if r.code.Temporary() || r.code == maru.CodeTokenExpired || r.code == maru.CodeBadFrame {
						w.saw(t, "a")
					} else {
						w.saw(t, "over "+string(r.code))
					}
				})
			})
		}
	}
}

// What has expired may be an identity of the handshake: then the next handshake decides.
func TestAnExpiredIdentityWithoutATokenFunction(t *testing.T) {
	prepare := func(_ context.Context, h http.Header) error { h.Set("Authorization", "Bearer new"); return nil }
	for name, test := range map[string]struct {
		o       client.Options
		refused bool // the next handshake
		want    client.State
	}{
		"the webhook knows it again": {want: client.Open},
		"a fixed header":             {refused: true, want: client.Closed},
		"Prepare has a new header":   {client.Options{Prepare: prepare}, true, client.Open},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fake) {
				c := f.client(test.o)
				if test.refused {
					f.set(func() { f.refuse = refusedHandshake(maru.CodeTokenExpired, "") })
				}
				f.end(maru.CloseTokenExpired, "token_expired")
				if pass(5 * time.Second); c.State() != test.want {
					t.Error(c.State(), c.Err())
				}
				if test.want == client.Closed && !isCode(c.Err(), maru.CodeTokenExpired) {
					t.Error(c.Err())
				}
			})
		})
	}
}
