package sse_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"maru.example/maru"
)

// ticket is one of kim's.
func (w *world) ticket(t *testing.T) string {
	t.Helper()
	r := httptest.NewRequest("POST", "/tickets", nil)
	r.Header.Set("Cookie", w.cookie(t))
	answer := httptest.NewRecorder()
	w.admission.Authenticator.ServeTickets(answer, r)
	var got struct{ Ticket string }
	if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || answer.Code != http.StatusCreated {
		t.Fatal(answer.Code, answer.Body)
	}
	return got.Ticket
}

var secrets = regexp.MustCompile(`(?m)^id: (.*:([A-Z2-7]{26}))$`)

// Issue 15 §4: all ids of a ticket's stream carry its secret. With it, and with it alone, an
// EventSource opens the stream again, with nothing lost.
func TestTicketStreamsReopen(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		ticket := "?ticket=" + w.ticket(t)
		first := w.open(t, w.channel, ticket)
		w.publish(t, maru.Text, "1")
		ids := secrets.FindAllStringSubmatch(first.raw(), -1)
		if len(ids) != 2 || ids[0][2] != ids[1][2] {
			t.Fatalf("the stream is %s", first.raw())
		}
		first.cancel()
		synctest.Wait()
		w.publish(t, maru.Text, "2")
		for range 2 { // again and again
			again := w.open(t, w.channel, ticket, "Last-Event-ID: "+ids[1][1])
			if got := again.raw(); !strings.Contains(got, ":"+ids[1][2]+"\ndata: 2\n\n") || again.ended() {
				t.Errorf("again: %d %s", again.status, got)
			}
			if p := w.hub.Presence("a"); p.Count != 1 || p.Users[0].User != "kim" {
				t.Errorf("presence %+v", p)
			}
			again.cancel()
			synctest.Wait()
		}
		for name, headers := range map[string][]string{
			"the address alone":     nil,
			"an id without secret":  {"Last-Event-ID: EPOCH:1"},
			"another secret":        {"Last-Event-ID: EPOCH:1:" + strings.Repeat("A", 26)},
			"not an event stream":   {"Accept: application/json", "Last-Event-ID: " + ids[1][1]},
			"an id of many secrets": {"Last-Event-ID: " + ids[1][1] + ":x"},
		} {
			if s := w.open(t, w.channel, ticket, headers...); s.status != http.StatusUnauthorized {
				t.Errorf("%s: %d %s", name, s.status, s.body.String())
			}
		}
		if s := w.open(t, w.channel, "?ticket="+w.ticket(t), "Last-Event-ID: "+ids[1][1]); s.status != http.StatusUnauthorized {
			t.Errorf("with another ticket: %d", s.status)
		}
	})
}

// Presence has no positions; its id has the secret alone.
func TestTicketStreamsOfPresenceReopen(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		ticket := "?ticket=" + w.ticket(t)
		first := w.open(t, w.presence, ticket)
		ids := secrets.FindAllStringSubmatch(first.raw(), -1)
		if len(ids) != 1 {
			t.Fatalf("the stream is %s", first.raw())
		}
		first.cancel()
		synctest.Wait()
		if again := w.open(t, w.presence, ticket, "Last-Event-ID: "+ids[0][1]); again.ended() {
			t.Errorf("again: %d %s", again.status, again.body.String())
		}
	})
}

// The streams of others have no secret in their ids.
func TestOtherStreamsHaveNoSecret(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		s := w.open(t, w.channel, "", "Cookie: "+w.cookie(t))
		if got := s.raw(); secrets.MatchString(got) {
			t.Error(got)
		}
	})
}

// A ticket that was used by a request that was refused for now still opens the stream later.
func TestRefusedTicketStreamsReopen(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		ticket := "?ticket=" + w.ticket(t)
		first, _ := w.open(t, w.channel, ""), w.open(t, w.channel, "") // no more fit
		refused := w.open(t, w.channel, ticket)
		ids := secrets.FindAllStringSubmatch(refused.body.String(), -1)
		if !strings.Contains(refused.body.String(), "event: refused") || len(ids) != 1 {
			t.Fatalf("%d %s", refused.status, refused.body.String())
		}
		first.cancel()
		synctest.Wait()
		again := w.open(t, w.channel, ticket, "Last-Event-ID: "+ids[0][1])
		if got := again.text(w); !strings.HasPrefix(got, "retry: N\nid: EPOCH:0:"+ids[0][2]+"\nevent: position\n") || strings.Contains(got, "gap") {
			t.Errorf("%d %s", again.status, got)
		}
	})
}
