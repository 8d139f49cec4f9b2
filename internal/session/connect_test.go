package session_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/session"
)

func TestConnect(t *testing.T) {
	t.Parallel()
	welcome := session.Connected{Connection: "1", PingInterval: 25 * time.Second, MaxMessageBytes: 4096, MaxChannels: maxChannels}
	anonymous, kim, lee := welcome, welcome, welcome
	kim.User, kim.Expires, lee.User = "kim", identities["kim"].Grant.Expires, "lee"
	for name, tt := range map[string]struct {
		who    auth.Identity // by the handshake
		token  string
		refuse error // of Attach
		reply  session.Reply
		want   []string
	}{
		"whom the handshake proved":      {who: identities["lee"], reply: lee, want: []string{"attach lee"}},
		"somebody anonymous":             {reply: anonymous, want: []string{"attach "}},
		"a token":                        {token: "kim", reply: kim, want: []string{"attach kim"}},
		"a token before the handshake's": {who: identities["lee"], token: "kim", reply: kim, want: []string{"attach kim"}},
		"a token that is not valid":      {who: identities["lee"], token: "what", want: []string{"close bad_token"}},
		"somebody who is over already":   {who: identities["lee"], refuse: maru.NewError(maru.CodeRevoked, ""), want: []string{"attach lee", "close revoked"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.refuse = tt.refuse
				a := &answer{world: w}
				w.session.Begin(&w.options, a, tt.who)
				w.do(session.Connect{Ref: 7, Token: tt.token})
				w.want(tt.want...)
				if a.reply != tt.reply {
					t.Errorf("%+v, want %+v", a.reply, tt.reply)
				}
				w.session.Closed()
			})
		})
	}
}

func TestConnectTimeout(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		after func(w *world) // a second before the time is over
		want  []string
	}{
		"it does not come":             {func(*world) {}, []string{"close bad_request"}},
		"it comes":                     {func(w *world) { w.do(session.Connect{}) }, []string{"attach kim"}},
		"it comes with a wrong field":  {func(w *world) { w.do(session.Invalid{Err: maru.NewError(maru.CodeBadRequest, "")}) }, []string{"0 Failed bad_request", "close bad_request"}},
		"the connection ended instead": {func(w *world) { w.session.Closed() }, nil},
		"its token takes too long": {func(w *world) {
			w.identify = func(ctx context.Context, _ string) (auth.Identity, error) {
				<-ctx.Done() // the connection is closed
				return auth.Identity{}, ctx.Err()
			}
			w.do(session.Connect{Token: "slow"})
		}, []string{"close bad_request"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				time.Sleep(connectTimeout - time.Second)
				tt.after(w)
				time.Sleep(time.Second - 1)
				synctest.Wait()
				w.mu.Lock()
				early := len(w.events) > 0 && w.events[len(w.events)-1] == "close bad_request"
				w.mu.Unlock()
				if early {
					t.Error("it was closed before the time was over")
				}
				time.Sleep(time.Nanosecond)
				w.want(tt.want...)
				time.Sleep(time.Hour)
				w.want()
			})
		})
	}
}

// Connect is the first command, and comes once.
func TestConnectOrder(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		commands []session.Command
		want     []string
	}{
		"ping first":      {[]session.Command{session.Ping{Ref: 1}}, []string{"close bad_request"}},
		"subscribe first": {[]session.Command{session.Subscribe{Ref: 1, Channel: "a"}}, []string{"close bad_request"}},
		"refresh first":   {[]session.Command{session.Refresh{Ref: 1, Token: "kim"}}, []string{"close bad_request"}},
		"two":             {[]session.Command{session.Connect{Ref: 1}, session.Connect{Ref: 2}}, []string{"attach kim", "1 Connected", "close bad_request"}},
		"two with tokens": {[]session.Command{session.Connect{Ref: 1, Token: "kim"}, session.Connect{Ref: 2, Token: "kim"}}, []string{"attach kim", "1 Connected", "close bad_request"}},
		"what follows at once": {[]session.Command{session.Connect{Ref: 1, Token: "kim"}, session.Ping{Ref: 2}},
			[]string{"attach kim", "1 Connected", "2 Pong"}},
		"a mistake first": {[]session.Command{session.Invalid{Ref: 1, Err: maru.NewError(maru.CodeBadRequest, "")}, session.Connect{Ref: 2}},
			[]string{"1 Failed bad_request", "attach kim", "2 Connected"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.do(tt.commands...)
				w.want(tt.want...)
			})
		})
	}
}

// A protocol may have no connect command.
func TestNoConnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.options.NoConnect = true
		w.begin()
		p := text("x")
		w.do(session.Ping{Ref: 1}, session.Publish{Ref: 2, Channel: "a", Publication: p})
		w.want("1 Pong", "2 Published e1:1")
		if p.User != "kim" {
			t.Errorf("published by %q", p.User)
		}
		time.Sleep(time.Hour)
		w.want()
		w.do(session.Connect{Ref: 3})
		w.want("close bad_request")
		w.session.Closed()
	})
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		token  string
		refuse error
		want   []string
	}{
		"the same person":      {"kim", nil, []string{"attach kim", "7 Refreshed"}},
		"another person":       {"lee", nil, []string{"7 Failed bad_token"}},
		"nobody":               {"anonymous", nil, []string{"7 Failed bad_token"}},
		"no token":             {"what", nil, []string{"7 Failed bad_token"}},
		"who is over already":  {"kim", maru.NewError(maru.CodeTokenExpired, ""), []string{"attach kim", "7 Failed token_expired"}},
		"a fault of ours":      {"kim", context.DeadlineExceeded, []string{"attach kim", "7 Failed internal"}},
		"wrapped, for clients": {"kim", &wrapped{maru.NewError(maru.CodeUnavailable, "")}, []string{"attach kim", "7 Failed unavailable"}},
	} {
		t.Run(name, func(t *testing.T) {
			connectedWorld(t, func(t *testing.T, w *world) {
				w.refuse = tt.refuse
				w.do(session.Refresh{Ref: 7, Token: tt.token}, session.Ping{Ref: 8})
				w.want(append(tt.want, "8 Pong")...) // the connection lives on
			})
		})
	}
}

type wrapped struct{ error }

func (w *wrapped) Unwrap() error { return w.error }

// Commands after a refresh are done by the new identity.
func TestRefreshedIdentity(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var publisher []string
		w.submit = func(_ string, _ *maru.Publication, o maru.PublishOptions, done func(maru.Published, error)) {
			publisher = append(publisher, o.Publisher)
			done(w.placed(), nil)
		}
		publish := session.Publish{Channel: "a", Publication: text("x")}
		w.do(session.Connect{Token: "key"}, publish, session.Refresh{Token: "channel"}, publish)
		w.want("attach ", "attach ")
		if !slices.Equal(publisher, []string{"\x00key:back end", "\x00address:192.0.2.1"}) {
			t.Errorf("published by %q", publisher)
		}
	})
}

// The secret of an anonymous client owns its idempotency keys over its connections. One that
// could be guessed is refused.
func TestSecret(t *testing.T) {
	t.Parallel()
	short, long := strings.Repeat("s", session.MinSecretBytes), strings.Repeat("s", session.MaxSecretBytes)
	for name, tt := range map[string]struct {
		secret, publisher string
		who               auth.Identity
	}{
		"anonymous":               {short, "\x00secret:" + short, auth.Identity{}},
		"as long as it can be":    {long, "\x00secret:" + long, auth.Identity{}},
		"none":                    {"", "\x00address:192.0.2.1", auth.Identity{}},
		"a person has the person": {short, "lee", identities["lee"]},
		"too short":               {short[1:], "", auth.Identity{}},
		"too long":                {long + "s", "", auth.Identity{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.session.Begin(&w.options, w, tt.who)
				w.session.Do(session.Connect{Ref: 1, Secret: tt.secret})
				if tt.publisher == "" {
					w.want("close bad_request")
				} else {
					w.want("attach "+tt.who.User, "1 Connected")
					var publisher string
					w.submit = func(_ string, _ *maru.Publication, o maru.PublishOptions, done func(maru.Published, error)) {
						publisher = o.Publisher
						done(maru.Published{}, nil)
					}
					w.session.Do(session.Publish{Ref: 2, Channel: "a", Publication: &maru.Publication{}})
					if publisher != tt.publisher {
						t.Errorf("publisher %q, want %q", publisher, tt.publisher)
					}
				}
				w.session.Closed()
			})
		})
	}
}
