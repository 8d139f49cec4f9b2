package auth_test

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// cluster is what the nodes of a test share.
type cluster struct {
	mu      sync.Mutex
	records map[string]record // by kind and key
	nodes   []*node
}

// node is the maru.SharedKeeper of one node. It sees the changes of all when deliver is called.
type node struct {
	in *cluster
	*fixture
	away atomic.Bool

	mu      sync.Mutex
	watches map[string]func(maru.KeptChange)
	pending []func()
}

func (c *cluster) join(t *testing.T, before *node) *node {
	t.Helper()
	n := &node{in: c, watches: make(map[string]func(maru.KeptChange)), fixture: newFixture(t)}
	if before != nil {
		n.Set(before.proofs)
		n.apiKey, n.proofs = before.apiKey, before.proofs
	}
	c.mu.Lock()
	c.nodes = append(c.nodes, n)
	c.mu.Unlock()
	if err := n.Authenticator.Keep(t.Context(), keeperOf{n}); err != nil {
		t.Fatal(err)
	}
	return n
}

// keeperOf has the methods of the keeper only: both a node and an Authenticator have a Keep.
type keeperOf struct{ n *node }

var errAway = maru.NewError(maru.CodeUnavailable, "away")

// change makes a change if is says so.
func (k keeperOf) change(kind string, c maru.KeptChange, is func(old record, there bool) bool) (bool, error) {
	if k.n.away.Load() {
		return false, errAway
	}
	in := k.n.in
	in.mu.Lock()
	defer in.mu.Unlock()
	old, there := in.records[kind+" "+c.Key]
	if !is(old, there && time.Now().Before(old.until)) {
		return false, nil
	}
	if c.Value == nil {
		delete(in.records, kind+" "+c.Key)
	} else {
		in.records[kind+" "+c.Key] = record{bytes.Clone(c.Value), c.Until}
	}
	for _, n := range in.nodes {
		n.mu.Lock()
		if each := n.watches[kind]; each != nil {
			n.pending = append(n.pending, func() { each(c) })
		}
		n.mu.Unlock()
	}
	return true, nil
}

func always(record, bool) bool { return true }

func (k keeperOf) Keep(_ context.Context, kind, key string, value []byte, until time.Time) error {
	_, err := k.change(kind, maru.KeptChange{Key: key, Value: append([]byte{}, value...), Until: until}, always)
	return err
}

func (k keeperOf) Forget(_ context.Context, kind, key string) error {
	_, err := k.change(kind, maru.KeptChange{Key: key}, always)
	return err
}

func (k keeperOf) Swap(_ context.Context, kind string, old []byte, c maru.KeptChange) (bool, error) {
	return k.change(kind, c, func(is record, there bool) bool {
		return there == (old != nil) && (!there || bytes.Equal(is.value, old))
	})
}

func (k keeperOf) Lookup(_ context.Context, kind, key string) ([]byte, time.Time, error) {
	if k.n.away.Load() {
		return nil, time.Time{}, errAway
	}
	k.n.in.mu.Lock()
	r, there := k.n.in.records[kind+" "+key]
	k.n.in.mu.Unlock()
	time.Sleep(time.Millisecond) // the answer's way: others act meanwhile
	if !there || !time.Now().Before(r.until) {
		return nil, time.Time{}, nil
	}
	return r.value, r.until, nil
}

func (k keeperOf) Kept(_ context.Context, kind string, each func(key string, value []byte, until time.Time) bool) error {
	k.n.in.mu.Lock()
	defer k.n.in.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(k.n.in.records)) {
		r := k.n.in.records[id]
		if key, of := strings.CutPrefix(id, kind+" "); of && time.Now().Before(r.until) && !each(key, r.value, r.until) {
			break
		}
	}
	return nil
}

func (k keeperOf) WatchKept(ctx context.Context, kind string, each func(maru.KeptChange)) error {
	k.n.mu.Lock()
	k.n.watches[kind] = each
	k.n.mu.Unlock()
	return k.Kept(ctx, kind, func(key string, value []byte, until time.Time) bool {
		each(maru.KeptChange{Key: key, Value: value, Until: until})
		return true
	})
}

// deliver has the node see what has changed.
func (n *node) deliver() {
	for {
		n.mu.Lock()
		pending := n.pending
		n.pending = nil
		n.mu.Unlock()
		if len(pending) == 0 {
			return
		}
		for _, f := range pending {
			f()
		}
	}
}

// twoNodes runs f with two nodes, whose time is that of a test.
func twoNodes(t *testing.T, f func(t *testing.T, a, b *node)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := &cluster{records: make(map[string]record)}
		a := in.join(t, nil)
		b := in.join(t, a)
		defer a.Sessions.Close()
		defer b.Sessions.Close()
		f(t, a, b)
	})
}

// settle waits for what is being kept in goroutines.
func settle() { time.Sleep(time.Second) }

// signIn signs in and returns the status and the cookie.
func (n *node) signIn(nickname string, headers ...string) (int, string) {
	w := httptest.NewRecorder()
	n.ServeSession(w, request("POST", "/session", `{"nickname":"`+nickname+`"}`, headers...))
	if c := w.Result().Cookies(); len(c) == 1 {
		return w.Code, "Cookie: maru_session=" + c[0].Value
	}
	return w.Code, ""
}

func (n *node) signOut(cookie string) int {
	w := httptest.NewRecorder()
	n.ServeSession(w, request("DELETE", "/session", "", cookie))
	return w.Code
}

func (n *node) who(cookie string) (auth.Identity, error) {
	return n.Identify(request("GET", "/", "", cookie), "")
}

// A session that begins on one node is known on the other at once, and ends on both.
func TestSessionsOfTwoNodes(t *testing.T) {
	twoNodes(t, func(t *testing.T, a, b *node) {
		status, lee := a.signIn("lee")
		if status != 201 {
			t.Fatal(status)
		}
		before := must(a.who(lee))
		if before.User != "lee" {
			t.Fatalf("%+v", before)
		}
		if got, err := b.who(lee); got != before || err != nil { // nothing was delivered: it is looked up
			t.Errorf("%+v %v, want %+v", got, err, before)
		}
		if status, _ := b.signIn("lee"); status != 409 {
			t.Errorf("the nickname is free on the other node: %d", status)
		}
		if status, again := b.signIn("lee", lee); status != 201 || again != lee {
			t.Errorf("with its own cookie: %d %s", status, again)
		}
		conn := b.connect(before)
		if status := a.signOut(lee); status != 204 {
			t.Error(status)
		}
		if a.deliver(); must(a.who(lee)) != (auth.Identity{}) {
			t.Error("it goes on where it has ended")
		}
		if b.deliver(); conn.ended() != maru.CodeRevoked || must(b.who(lee)) != (auth.Identity{}) {
			t.Errorf("the other node: %q %+v", conn.ended(), must(b.who(lee)))
		}
		if status, _ := b.signIn("lee"); status != 201 {
			t.Errorf("the nickname is not free again: %d", status)
		}
	})
}

// Of many that want a nickname at once, on both nodes, one gets it.
func TestNicknameOfTwoNodes(t *testing.T) {
	twoNodes(t, func(t *testing.T, a, b *node) {
		var got atomic.Int32
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if status, _ := []*node{a, b}[i%2].signIn("lee"); status == 201 {
					got.Add(1)
				} else if status != 409 {
					t.Error(status)
				}
			})
		}
		wg.Wait()
		if got.Load() != 1 {
			t.Errorf("%d have the nickname", got.Load())
		}
	})
}

// A change of nickname ends the old session on both nodes, and frees its name.
func TestAnotherNicknameOnAnotherNode(t *testing.T) {
	twoNodes(t, func(t *testing.T, a, b *node) {
		_, lee := a.signIn("lee")
		status, park := b.signIn("park", lee)
		if status != 201 || must(b.who(park)).User != "park" {
			t.Fatal(status)
		}
		if a.deliver(); must(a.who(lee)) != (auth.Identity{}) || must(a.who(park)).User != "park" {
			t.Error("the old session goes on, or the new one is unknown")
		}
		if status, _ := a.signIn("lee"); status != 201 {
			t.Errorf("the old name is not free: %d", status)
		}
	})
}

// What is used on one node does not expire on another; what is used on none ends within 25 hours. A live
// connection is a use.
func TestSessionsOfTwoNodesExpire(t *testing.T) {
	twoNodes(t, func(t *testing.T, a, b *node) {
		_, lee := a.signIn("lee")
		_, park := a.signIn("park")
		_, choi := a.signIn("choi")
		seen := func() { settle(); a.deliver(); b.deliver() }
		b.connect(must(b.who(park)))
		must(b.who(choi))
		must(b.who(lee))
		for range 5 {
			seen()
			time.Sleep(13 * time.Hour)
			if must(b.who(lee)).User != "lee" {
				t.Fatal("a session that is used has ended")
			}
			a.signIn("somebody") // which forgets sessions that have expired
		}
		seen()
		if must(a.who(lee)).User != "lee" || must(a.who(park)).User != "park" || must(b.who(choi)) != (auth.Identity{}) {
			t.Errorf("%v %v %v", must(a.who(lee)), must(a.who(park)), must(b.who(choi)))
		}
		if status, _ := a.signIn("choi"); status != 201 {
			t.Errorf("the name of an ended session: %d", status)
		}
		seen()
		time.Sleep(25*time.Hour + 1)
		if must(a.who(lee)) != (auth.Identity{}) || must(b.who(lee)) != (auth.Identity{}) {
			t.Error("25 hours after its last use")
		}
	})
}

// A node that has not seen for a day that a session is used elsewhere forgets it, and does not end it.
func TestStaleSessionOfTwoNodes(t *testing.T) {
	twoNodes(t, func(t *testing.T, a, b *node) {
		_, lee := a.signIn("lee")
		must(a.who(lee))
		for range 3 {
			settle()
			time.Sleep(13 * time.Hour)
			must(b.who(lee))
		}
		settle()
		a.signIn("somebody") // which forgets sessions that have expired
		settle()
		if got := must(a.who(lee)).User; got != "lee" {
			t.Errorf("where it was not used: %q", got)
		}
		b.deliver()
		if got := must(b.who(lee)).User; got != "lee" {
			t.Errorf("where it was used: %q", got)
		}
	})
}

// A use does not bring back a session that has ended on another node.
func TestRenewalOfAnEndedSession(t *testing.T) {
	twoNodes(t, func(t *testing.T, a, b *node) {
		_, lee := a.signIn("lee")
		must(b.who(lee))
		settle()
		b.deliver()
		time.Sleep(2 * time.Hour)
		if a.signOut(lee) != 204 {
			t.Fatal("not signed out")
		}
		b.who(lee) // b does not know yet
		settle()
		if must(b.who(lee)) != (auth.Identity{}) || must(a.who(lee)) != (auth.Identity{}) {
			t.Error("it is back")
		}
	})
}

// While the cluster is away nothing is refused for good: a session that the node knows stays valid, all else is 503.
func TestSessionsWithTheClusterAway(t *testing.T) {
	twoNodes(t, func(t *testing.T, a, b *node) {
		_, lee := a.signIn("lee")
		_, park := b.signIn("park")
		bearer := "Authorization: Bearer " + b.apiKey
		_, ticket := answer(t, a.ServeTickets, request("POST", "/tickets", `{"user":"x"}`, bearer))
		redeem := func() error {
			_, err := b.Identify(request("GET", "/?ticket="+ticket.Ticket, ""), "")
			return err
		}
		b.away.Store(true)
		if _, err := b.who(lee); code(err) != maru.CodeUnavailable {
			t.Errorf("a cookie that is not known: %v", err)
		}
		if who, err := b.who(park); err != nil || who.User != "park" {
			t.Errorf("a cookie that is known: %+v %v", who, err)
		}
		w := httptest.NewRecorder()
		b.ServeSession(w, request("POST", "/session", `{"nickname":"choi"}`))
		if w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("sign-in: %d %v", w.Code, w.Header())
		}
		if status := b.signOut(park); status != 503 {
			t.Errorf("sign-out: %d", status)
		}
		if status, _ := answer(t, b.ServeTickets, request("POST", "/tickets", `{"user":"x"}`, bearer)); status != 503 {
			t.Errorf("a new ticket: %d", status)
		}
		if err := redeem(); code(err) != maru.CodeUnavailable {
			t.Errorf("a ticket: %v", err)
		}
		b.away.Store(false)
		if status, _ := b.signIn("choi"); status != 201 {
			t.Errorf("sign-in: %d", status)
		}
		if must(b.who(park)).User != "park" || b.signOut(park) != 204 || must(b.who(park)) != (auth.Identity{}) {
			t.Error("sign-out does not work afterwards")
		}
		if err := redeem(); err != nil {
			t.Errorf("the ticket: %v", err)
		}
	})
}

// A ticket of one node is valid on the other, once on both.
func TestTicketsOfTwoNodes(t *testing.T) {
	twoNodes(t, func(t *testing.T, a, b *node) {
		_, got := answer(t, a.ServeTickets, request("POST", "/tickets", `{"user":"lee"}`, "Authorization: Bearer "+a.apiKey))
		var taken atomic.Int32
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				who, err := []*node{a, b}[i%2].Identify(request("GET", "/?ticket="+got.Ticket, ""), "")
				if err == nil && who.User == "lee" {
					taken.Add(1)
				} else if code(err) != maru.CodeBadToken {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if taken.Load() != 1 {
			t.Errorf("taken %d times", taken.Load())
		}
	})
}

// An event stream of a ticket is opened again on another node, and its end on the first one does not end
// it there.
func TestTicketStreamsOfTwoNodes(t *testing.T) {
	twoNodes(t, func(t *testing.T, a, b *node) {
		_, got := answer(t, a.ServeTickets, request("POST", "/tickets", `{"user":"lee"}`, "Authorization: Bearer "+a.apiKey))
		first := request("GET", "/?ticket="+got.Ticket, "", "Accept: text/event-stream")
		secret, endA := a.Reopenable(first, must(a.Identify(first, "a")))
		again := func() *http.Request {
			return request("GET", "/?ticket="+got.Ticket, "", "Accept: text/event-stream", "Last-Event-ID: e:1:"+secret)
		}
		who, err := b.Identify(again(), "a")
		if err != nil || who.User != "lee" {
			t.Fatal(who, err)
		}
		_, endB := b.Reopenable(again(), who)
		endA()
		time.Sleep(time.Hour)
		if _, err := a.Identify(again(), "a"); err != nil {
			t.Errorf("it is open on the other node: %v", err)
		}
		time.Sleep(time.Hour)
		endB()
		time.Sleep(5*time.Minute + 1)
		for _, n := range []*node{a, b} {
			if _, err := n.Identify(again(), "a"); code(err) != maru.CodeBadToken {
				t.Errorf("5 min after its end: %v", err)
			}
		}
	})
}

// A revocation holds on the other node too, ends what is there, and can be taken back by any.
func TestRevocationsOfTwoNodes(t *testing.T) {
	twoNodes(t, func(t *testing.T, a, b *node) {
		_, lee := b.signIn("lee")
		token := b.token("park", "J", day)
		conns := []*live{b.connect(must(b.who(lee))), b.connect(must(b.Verify(t.Context(), token)))}
		hour, zero := time.Hour, time.Duration(0)
		for _, x := range []auth.Target{{User: "lee"}, {Token: "J"}} {
			if _, err := a.Revoke(t.Context(), x, &hour); err != nil {
				t.Fatal(err)
			}
		}
		b.deliver()
		settle()
		for i, conn := range conns {
			if conn.ended() != maru.CodeRevoked {
				t.Errorf("connection %d: %q", i, conn.ended())
			}
		}
		if _, err := b.Verify(t.Context(), token); code(err) != maru.CodeRevoked {
			t.Error(err)
		}
		if err := b.Check(auth.Identity{User: "lee"}); code(err) != maru.CodeRevoked {
			t.Error(err)
		}
		if _, err := b.Revoke(t.Context(), auth.Target{Token: "J"}, &zero); err != nil {
			t.Fatal(err)
		}
		a.deliver()
		if _, err := a.Verify(t.Context(), token); err != nil {
			t.Errorf("taken back on the other node: %v", err)
		}
	})
}
