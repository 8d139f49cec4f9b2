package auth_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// keeper is a maru.Keeper in memory, which survives the restarts of a test.
type keeper struct {
	mu      sync.Mutex
	records map[string]record // by kind and key
	fails   error             // of Keep and Forget
}

type record struct {
	value []byte
	until time.Time
}

func newKeeper() *keeper { return &keeper{records: make(map[string]record)} }

func (k *keeper) Keep(_ context.Context, kind, key string, value []byte, until time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fails == nil {
		k.records[kind+" "+key] = record{slices.Clone(value), until}
	}
	return k.fails
}

func (k *keeper) Forget(_ context.Context, kind, key string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fails == nil {
		delete(k.records, kind+" "+key)
	}
	return k.fails
}

func (k *keeper) Kept(_ context.Context, kind string, each func(key string, value []byte, until time.Time) bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(k.records)) {
		key, of := strings.CutPrefix(id, kind+" ")
		if r := k.records[id]; of && time.Now().Before(r.until) && !each(key, r.value, r.until) {
			break
		}
	}
	return nil
}

// kinds are the kinds of what is kept, sorted.
func (k *keeper) kinds() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var kinds []string
	for id := range k.records {
		kind, _, _ := strings.Cut(id, " ")
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return strings.Join(kinds, " ")
}

// keptFixture is a fixture whose Authenticator begins with what k has kept: a server after a start.
// Its API key is the same as before, if there was one.
func keptFixture(t *testing.T, k *keeper, before *fixture) *fixture {
	t.Helper()
	x := newFixture(t)
	if before != nil {
		x.Set(before.proofs)
		x.apiKey, x.proofs = before.apiKey, before.proofs
	}
	if err := x.Keep(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	return x
}

// Issue 14, 19: revocations survive a restart, for as long as they are given for, and so does taking them
// back.
func TestRevocationsSurviveARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper()
		x := keptFixture(t, k, nil)
		revoke := func(target auth.Target, lasts time.Duration) {
			t.Helper()
			if _, err := x.Revoke(t.Context(), target, &lasts); err != nil {
				t.Fatal(err)
			}
		}
		revoke(auth.Target{User: "kim"}, time.Hour)
		revoke(auth.Target{Token: "J"}, 2*time.Hour)
		revoke(auth.Target{User: "lee"}, 3*time.Hour)
		revoke(auth.Target{User: "lee"}, 0)
		for _, tt := range []struct {
			after       time.Duration
			kim, j, lee maru.Code
		}{
			{0, maru.CodeRevoked, maru.CodeRevoked, ""},
			{time.Hour - 1, maru.CodeRevoked, maru.CodeRevoked, ""},
			{1, "", maru.CodeRevoked, ""},
			{time.Hour, "", "", ""},
		} {
			time.Sleep(tt.after)
			x = keptFixture(t, k, x)
			for id, want := range map[[2]string]maru.Code{{"kim", "1"}: tt.kim, {"park", "J"}: tt.j, {"lee", "2"}: tt.lee} {
				if _, err := x.Verify(t.Context(), x.token(id[0], id[1], day)); code(err) != want {
					t.Errorf("after %v more, %v: %v, want %q", tt.after, id, err, want)
				}
			}
		}
	})
}

// A revocation that cannot be kept holds all the same, and the answer says that it ends with the
// server. One that cannot be removed from disk is not taken back.
func TestRevocationsThatCannotBeKept(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	x := keptFixture(t, k, nil)
	conn := x.connect(auth.Identity{User: "kim"})
	k.fails = maru.NewError(maru.CodeStorageFull, "no room")
	bearer := "Authorization: Bearer " + x.apiKey
	status, got := answer(t, x.admin().ServeRevoke, request("POST", "/", `{"user":"kim"}`, bearer))
	if status != 507 || got.Error.Code != maru.CodeStorageFull || conn.ended() != maru.CodeRevoked {
		t.Errorf("%d %+v", status, got)
	}
	if err := x.Check(auth.Identity{User: "kim"}); code(err) != maru.CodeRevoked {
		t.Errorf("kim comes back: %v", err)
	}
	if status, _ := answer(t, x.admin().ServeRevoke, request("POST", "/", `{"user":"kim","for":"0s"}`, bearer)); status != 507 {
		t.Errorf("taken back with %d", status)
	}
	if err := x.Check(auth.Identity{User: "kim"}); code(err) != maru.CodeRevoked {
		t.Errorf("taken back in memory, and not on disk: %v", err)
	}
	k.fails = nil
	answer(t, x.admin().ServeRevoke, request("POST", "/", `{"user":"kim","for":"0s"}`, bearer))
	if err := x.Check(auth.Identity{User: "kim"}); err != nil {
		t.Error(err)
	}
}

// Sessions survive a restart with their age, and those that have ended do not come back.
func TestSessionsSurviveARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper()
		x := keptFixture(t, k, nil)
		signIn := func(nickname string) (cookie string) {
			w := httptest.NewRecorder()
			x.ServeSession(w, request("POST", "/session", `{"nickname":"`+nickname+`"}`))
			if w.Code != http.StatusCreated {
				t.Fatal(w.Code, w.Body)
			}
			return "Cookie: maru_session=" + w.Result().Cookies()[0].Value
		}
		who := func(cookie string) auth.Identity { return must(x.Identify(request("GET", "/", "", cookie), "")) }
		lee, park, choi := signIn("lee"), signIn("park"), signIn("choi")
		before := who(lee)
		x.ServeSession(httptest.NewRecorder(), request("DELETE", "/session", "", park))
		if _, err := x.Revoke(t.Context(), auth.Target{Session: who(choi).Session}, nil); err != nil {
			t.Fatal(err)
		}
		for id := range k.records {
			if token := strings.TrimPrefix(lee, "Cookie: maru_session="); strings.Contains(id, token) {
				t.Error("the cookie's token is on disk")
			}
		}

		x = keptFixture(t, k, x)
		if who(lee) != before {
			t.Errorf("lee is %+v, was %+v", who(lee), before)
		}
		for _, cookie := range []string{park, choi} {
			if got := who(cookie); got != (auth.Identity{}) {
				t.Errorf("an ended session is %+v", got)
			}
		}
		w := httptest.NewRecorder()
		x.ServeSession(w, request("POST", "/session", `{"nickname":"lee"}`))
		if w.Code != http.StatusConflict {
			t.Errorf("the nickname is free: %d", w.Code)
		}
		w = httptest.NewRecorder() // with its own cookie it goes on, and gets the same cookie
		x.ServeSession(w, request("POST", "/session", `{"nickname":"lee"}`, lee))
		if c := w.Result().Cookies(); w.Code != http.StatusCreated || len(c) != 1 || "Cookie: maru_session="+c[0].Value != lee {
			t.Errorf("%d %v", w.Code, c)
		}

		time.Sleep(day + 1) // idle
		x = keptFixture(t, k, x)
		time.Sleep(day) // the restart was a use
		if who(lee) != before {
			t.Error("ended within a day of the restart")
		}
		for range 29 {
			time.Sleep(day)
			who(lee)
			x = keptFixture(t, k, x)
		}
		if got := who(lee); got != (auth.Identity{}) {
			t.Errorf("after its lifetime: %+v", got)
		}
	})
}

// A session that was never used is kept as long as it may be unused, and a restart is no use.
func TestUnusedSessionsOverARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper()
		x := keptFixture(t, k, nil)
		var cookies []string
		for _, nickname := range []string{"lee", "park", "choi"} {
			w := httptest.NewRecorder()
			x.ServeSession(w, request("POST", "/session", `{"nickname":"`+nickname+`"}`))
			cookies = append(cookies, "Cookie: maru_session="+w.Result().Cookies()[0].Value)
		}
		who := func(i int) string { return must(x.Identify(request("GET", "/", "", cookies[i]), "")).User }
		if who(0) != "lee" {
			t.Error("lee is", who(0))
		}
		time.Sleep(9 * time.Minute)
		x = keptFixture(t, k, x)
		if who(1) != "park" {
			t.Error("park is", who(1))
		}
		time.Sleep(time.Minute + 1)
		if who(2) != "" {
			t.Error("choi's session outlives its ten minutes:", who(2))
		}
		x = keptFixture(t, k, x)
		if who(0) != "lee" || who(1) != "park" || who(2) != "" {
			t.Error("after another restart:", who(0), who(1), who(2))
		}
	})
}

// A ticket is valid once, across a restart too, and for 30 s.
func TestTicketsSurviveARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper()
		x := keptFixture(t, k, nil)
		ticket := func(body string, headers ...string) string {
			t.Helper()
			status, got := answer(t, x.ServeTickets, request("POST", "/tickets", body, headers...))
			if status != 201 {
				t.Fatal(status, got.Error)
			}
			return got.Ticket
		}
		key := "Authorization: Bearer " + x.apiKey
		used, kept, late := ticket(`{"user":"lee"}`, key), ticket(`{"user":"lee","channels":["chat:7"]}`, key), ticket(`{"user":"lee"}`, key)
		own := ticket("", "Authorization: Bearer "+x.token("kim", "J", time.Hour))
		redeem := func(ticket string) (auth.Identity, error) {
			return x.Identify(request("GET", "/?ticket="+ticket, ""), "")
		}
		must(redeem(used))
		x = keptFixture(t, k, x)
		if _, err := redeem(used); code(err) != maru.CodeBadToken {
			t.Errorf("used twice: %v", err)
		}
		if who, err := redeem(kept); err != nil || who.User != "lee" || !slices.Equal(who.Grant.Channels, []string{"chat:7"}) || who.Server() {
			t.Errorf("%+v %v", who, err)
		}
		if who, err := redeem(own); err != nil || who.User != "kim" || who.Grant.ID != "J" {
			t.Errorf("%+v %v", who, err)
		}
		if _, err := redeem(kept); code(err) != maru.CodeBadToken {
			t.Errorf("used twice: %v", err)
		}
		time.Sleep(30 * time.Second)
		if _, err := redeem(late); code(err) != maru.CodeBadToken {
			t.Errorf("after 30 s: %v", err)
		}

		// What it rests on is kept too: the keys may change during the restart.
		byKey, byToken := ticket(`{"user":"lee"}`, key), ticket("", "Authorization: Bearer "+x.token("kim", "J", time.Hour))
		x.proofs = auth.Proofs{}
		x = keptFixture(t, k, x)
		for _, ticket := range []string{byKey, byToken} {
			if _, err := redeem(ticket); code(err) != maru.CodeBadToken {
				t.Errorf("without its key: %v", err)
			}
		}
	})
}

// Sessions and tickets that the store cannot keep work until the server ends.
func TestSessionsAndTicketsThatCannotBeKept(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	x := keptFixture(t, k, nil)
	k.fails = maru.NewError(maru.CodeUnavailable, "no disk")
	w := httptest.NewRecorder()
	x.ServeSession(w, request("POST", "/session", `{"nickname":"lee"}`))
	cookie := "Cookie: maru_session=" + w.Result().Cookies()[0].Value
	if who := must(x.Identify(request("GET", "/", "", cookie), "")); who.User != "lee" {
		t.Errorf("%+v", who)
	}
	_, got := answer(t, x.ServeTickets, request("POST", "/tickets", "", cookie))
	if who := must(x.Identify(request("GET", "/?ticket="+got.Ticket, ""), "")); who.User != "lee" {
		t.Errorf("%+v", who)
	}
	if k.kinds() != "" {
		t.Errorf("kept %s", k.kinds())
	}
}

// Records that this version cannot read are no reason not to start.
func TestDamagedRecords(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	until := time.Now().Add(time.Hour)
	for _, value := range []string{"", "{", "[]", `{"id":"","user":""}`, `{"grant":{"proof":{"signer":"xyz"}}}`} {
		for _, kind := range []string{"session", "ticket", "revoked", "else"} {
			k.Keep(t.Context(), kind, "x"+value, []byte(value), until)
		}
	}
	x := keptFixture(t, k, nil)
	if tokens, ids, _ := auth.Kept(x.Sessions); tokens != 1 || ids != 1 { // kim's own
		t.Errorf("%d %d sessions", tokens, ids)
	}
}

func FuzzKeptRecords(f *testing.F) {
	f.Add([]byte(`{"id":"a","user":"kim"}`))
	f.Add([]byte(`{"user":"kim","grant":{"id":"J","channels":["a"],"expires":"2026-11-27T12:00:00Z","proof":{"signer":"00112233445566778899aabbccddeeff"}}}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		k := newKeeper()
		until := time.Now().Add(time.Hour)
		k.Keep(t.Context(), "session", "key", value, until)
		k.Keep(t.Context(), "ticket", "key", value, until)
		p := auth.NewAuthenticator(auth.NewSessions(auth.SessionOptions{}), discard)
		if err := p.Keep(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	})
}
