package raw_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/frame"
)

func TestEverybodyHearsEverybody(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		kim, lee := w.dial(t, "", w.signIn(t, "kim")), w.dial(t, "?last=5", nil)
		clients := []*client{kim, lee}
		for _, m := range []struct {
			op   frame.Opcode
			data string
		}{{frame.Text, "kim => 안녕"}, {frame.Text, `{ "a": 1 }`}, {frame.Binary, "\x00\xff"}, {frame.Text, ""}} {
			kim.send(m.op, m.data)
			for _, c := range clients {
				c.expect(m.op, m.data)
			}
		}
		lee.send(frame.Text, "lee => hi")
		for _, c := range clients {
			c.expect(frame.Text, "lee => hi")
		}
		maru.Publish(t.Context(), w.broker, "a", &maru.Publication{Kind: maru.JSON, Data: []byte("[1]")}, maru.PublishOptions{})
		for _, c := range clients {
			c.expect(frame.Text, "[1]")
		}

		h, _ := w.broker.History(t.Context(), "a", maru.HistoryQuery{Limit: -1})
		want := []maru.Publication{{Kind: maru.Text, User: "kim"}, {Kind: maru.Text}, {Kind: maru.JSON}}
		for i, p := range h.Publications {
			if p.Kind != want[i].Kind || p.User != want[i].User {
				t.Errorf("published %v by %q, want %v by %q", p.Kind, p.User, want[i].Kind, want[i].User)
			}
		}
		if p := w.hub.Presence("a"); p.Count != 1 || p.Users[0].User != "kim" || p.Anonymous != 1 {
			t.Errorf("presence %+v", p)
		}
		kim.nc.Close()
		lee.nc.Close()
		w.empty(t)
	})
}

// texts reads n publications.
func (c *client) texts(n int) string {
	var s []string
	for range n {
		ev := c.next()
		var p maru.Publication
		if err := json.Unmarshal(ev.Payload, &p); err != nil || ev.Op != frame.Text {
			c.t.Fatal(ev.Op, string(ev.Payload), err)
		}
		s = append(s, string(p.Data))
	}
	return strings.Join(s, " ")
}

func TestReplay(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for _, text := range []string{"1", "2", "3", "4"} { // three are kept
			w.publish(t, text)
		}
		bare := w.dial(t, "?last=2", nil)
		full := w.dial(t, "?as=publication&since="+w.epoch+":1", nil)
		bare.expect(frame.Text, "3")
		bare.expect(frame.Text, "4")
		full.send(frame.Text, "5") // input stays as it is
		if got := full.texts(4); got != "2 3 4 5" {
			t.Errorf("got %s", got)
		}
		bare.expect(frame.Text, "5")
	})
}

func TestGap(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for _, text := range []string{"1", "2", "3", "4", "5"} {
			w.publish(t, text)
		}
		for _, since := range []string{w.epoch + ":1", "before:5", w.epoch + ":9"} {
			c := w.dial(t, "?as=publication&since="+since, nil)
			c.expectClose(maru.CloseGap, "gap")
			c.nc.Close()
			w.empty(t)
		}
	})
}

func TestSignOut(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		kim := w.signIn(t, "kim")
		first, second := w.dial(t, "", kim), w.dial(t, "", kim)
		first.send(frame.Text, "hi") // both have joined when it comes
		first.expect(frame.Text, "hi")
		second.expect(frame.Text, "hi")
		w.signOut(kim)
		first.send(frame.Text, "not received any more")
		first.expectClose(maru.CloseRevoked, "revoked")
		second.expectClose(maru.CloseRevoked, "revoked")
		w.empty(t)
		if h, _ := w.broker.History(t.Context(), "a", maru.HistoryQuery{}); h.Head != 1 {
			t.Errorf("%d publications", h.Head)
		}
	})
}

func TestLimits(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.dial(t, "", nil)
		c.send(frame.Text, strings.Repeat("x", maxMessage+1))
		if ev := c.next(); ev.Op != frame.Close || ev.Code != maru.CloseTooBig {
			t.Errorf("got %+v", ev)
		}
		c.nc.Close()
		w.empty(t)

		w.dial(t, "", nil)
		w.dial(t, "", nil)
		refused(t, w, "", nil, 503, maru.CodeTooManyConnections)
	})
}

func TestBrokerClosed(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		c := w.dial(t, "", nil)
		w.broker.Close()
		c.send(frame.Text, "hi")
		c.expectClose(maru.CloseGoingAway, "shutting_down")
		w.dial(t, "?last=1", nil).expectClose(maru.CloseGoingAway, "shutting_down")
		w.empty(t)
	})
}

// A slow peer is closed, and does not delay others.
func TestSlow(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		stuck, good := w.dial(t, "", nil), w.dial(t, "", nil)
		text := strings.Repeat("x", 200<<10)
		for !w.log.contains("code=slow reason=") {
			w.publish(t, text)
			good.expect(frame.Text, text)
		}
		stuck.nc.Close()
		good.nc.Close()
		w.empty(t)
	})
}

// refused sends a handshake by hand and checks the answer.
func refused(t *testing.T, w *world, query string, change func(http.Header), status int, code maru.Code) http.Header {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", w.url+"/"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Upgrade": "websocket", "Connection": "Upgrade",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		r.Header.Set(name, value)
	}
	if change != nil {
		change(r.Header)
	}
	client := http.Client{Transport: new(http.Transport), Timeout: patience}
	defer client.CloseIdleConnections()
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var body struct {
		Error struct{ Code maru.Code }
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil || answer.StatusCode != status || body.Error.Code != code {
		t.Errorf("%s: %d %+v %v, want %d %s", query, answer.StatusCode, body, err, status, code)
	}
	return answer.Header
}

func TestRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	for query, code := range map[string]maru.Code{
		"?as=json":                   maru.CodeBadRequest,
		"?as=":                       maru.CodeBadRequest,
		"?since=0":                   maru.CodeBadRequest,
		"?as=publication&since=x":    maru.CodeBadPosition,
		"?as=publication&since=":     maru.CodeBadPosition,
		"?last=0":                    maru.CodeBadRequest,
		"?last=1001":                 maru.CodeBadRequest,
		"?as=publication&last=ten":   maru.CodeBadRequest,
		"?as=publication;since=1":    maru.CodeBadRequest,
		"?as=publication&since=%zz1": maru.CodeBadRequest,
	} {
		refused(t, w, query, nil, 400, code)
	}
	header := refused(t, w, "?token=hush", func(h http.Header) { h.Set("Sec-WebSocket-Version", "8") }, 426, maru.CodeUpgradeRequired)
	if v := header.Get("Sec-WebSocket-Version"); v != "13" {
		t.Errorf("Sec-WebSocket-Version: %s", v)
	}
	refused(t, w, "", func(h http.Header) { h.Del("Sec-WebSocket-Key") }, 400, maru.CodeBadRequest)
	refused(t, w, "", func(h http.Header) { h.Set("Sec-WebSocket-Extensions", "a;;b") }, 400, maru.CodeBadRequest)
	if !w.log.contains("level=WARN msg=refused code=upgrade_required") || w.log.contains("hush") {
		t.Errorf("logged %s", w.log.text.String())
	}
	if n := w.admission.Registry.Count(); n != 0 {
		t.Errorf("%d connections counted", n)
	}
}

// A subprotocol that is not known is not selected, and no reason to refuse.
func TestUnknownSubprotocol(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	c := w.dial(t, "", http.Header{"Sec-Websocket-Protocol": {"chat, superchat"}})
	c.send(frame.Text, "hi")
	c.expect(frame.Text, "hi")
}

func TestLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	header := w.signIn(t, "kim")
	c := w.dial(t, "?last=1&token=hush", header)
	payload, _ := frame.ClosePayload(1000, "bye")
	c.send(frame.Close, string(payload))
	if ev := c.next(); ev.Code != 1000 {
		t.Error(ev)
	}
	w.empty(t)
	for _, want := range []string{"msg=connected connection=", " transport=websocket ", " user=kim channels=[a] code=closed reason=bye close_code=1000 lived_seconds="} {
		if !w.log.contains(want) {
			t.Errorf("no %q in %s", want, w.log.text.String())
		}
	}
	cookie, _, _ := strings.Cut(header.Get("Cookie"), ";")
	for _, secret := range []string{"hush", cookie} {
		if w.log.contains(secret) {
			t.Errorf("%s is in the log", secret)
		}
	}
}

// Connections that come and go at once leave nothing behind, whichever of
// handshake and loop is the last to know of them.
func TestChurn(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.admission.Registry = admission.NewRegistry(0, 0, nil)
		w.publish(t, "1")
		for i := range 100 {
			w.dial(t, []string{"", "?last=1", "?as=publication&since=9"}[i%3], nil).nc.Close()
		}
		w.empty(t)
	})
}

// Issue 15 §8: a client that ends its half of the stream behind a message receives it, also while
// the broker still works on it. Then the connection ends.
func TestEndBehindMessage(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for _, works := range []bool{false, true} {
			if works {
				w.works = make(chan struct{})
			}
			c, other := w.dial(t, "", nil), w.dial(t, "", nil)
			c.send(frame.Text, "one")
			if err := c.nc.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if works {
				w.publish(t, "meanwhile")
				other.expect(frame.Text, "meanwhile")
				c.expect(frame.Text, "meanwhile")
				w.works <- struct{}{}
			}
			c.expect(frame.Text, "one")
			other.expect(frame.Text, "one")
			if n, err := c.nc.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("then came %d bytes, %v", n, err)
			}
			other.send(frame.Close, "")
			w.empty(t)
		}
	})
}
