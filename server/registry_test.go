package server_test

import (
	"cmp"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/frame"
	"maru.example/maru/server"
)

// Connections of every transport are in one registry, with their details, as long as they
// live.
func TestRegistry(t *testing.T) {
	o := server.Options{Hooks: server.Hooks{Identify: func(*http.Request, string) (server.Caller, error) {
		return server.Caller{User: "kim"}, nil
	}}}
	over(t, o, func(t *testing.T, w *world) {
		start := time.Now()
		raw := w.dial("/channels/a")
		full := w.dialFull()
		full.send(frame.Text, `{"id":2,"subscribe":{"channel":"b"}}`)
		full.next()
		full.send(frame.Text, `{"id":3,"subscribe":{"channel":"c"}}`)
		full.next()
		stream := w.events("/channels/a")
		presence := w.events("/channels/a/presence")
		poll := w.poll()

		want := "maru.v1 [b c], poll [poll], sse [a], sse presence [a], websocket [a]"
		var live []admission.Info
		for end := time.Now().Add(patience); ; runtime.Gosched() { // the poll comes in its own time
			live = w.server.Live()
			if len(live) == 5 || time.Now().After(end) {
				break
			}
		}
		ids := make(map[uint64]bool)
		var got []string
		slices.SortFunc(live, func(a, b admission.Info) int { return cmp.Compare(a.Transport, b.Transport) })
		for _, info := range live {
			got = append(got, fmt.Sprint(info.Transport, " ", info.Channels))
			ids[info.ID] = true
			if !info.Addr.IsLoopback() || info.Since.Before(start.Add(-time.Second)) || info.Since.After(time.Now()) || info.User != "kim" {
				t.Errorf("%+v", info)
			}
		}
		if got := strings.Join(got, ", "); got != want || len(ids) != 5 {
			t.Errorf("live are %s with %d ids, want %s", got, len(ids), want)
		}
		raw.nc.Close()
		full.nc.Close()
		stream.body.Close()
		presence.body.Close()
		w.request("POST", "/channels/poll", "for the poll")
		<-poll
		for end := time.Now().Add(patience); len(w.server.Live()) > 0; runtime.Gosched() {
			if time.Now().After(end) {
				t.Fatalf("after their end: %+v", w.server.Live())
			}
		}
	})
}
