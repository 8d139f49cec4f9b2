package interop_test

import (
	"strings"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// Issue 16: published clients get what is published as an event of the name that its publisher gave
// it, and nothing else under that name.
func TestNamedEvents(t *testing.T) {
	t.Parallel()
	server := program.Serve(t, maruPath)
	stream := program.Start(t, "node", "events.js", server.URL+"/channels/stock", "price", "base64:photo")
	if e := nextEvent(t, stream); e.Kind != "open" {
		t.Fatalf("%+v", e)
	}
	s := startSocketIO(t, server.URL, `{}`)
	s.wants(`["connect"`)
	s.emits(`["subscribe","stock"]`)
	s.wants(`["ack subscribe",{"channel":"stock"`)

	s.emits(`["publish","stock",{"AAPL":7.5},{"event":"price"}]`)
	s.wants(`["price","stock",{"AAPL":7.5},"`)
	s.emits(`["publish","stock",{"bytes":"AAH/"},{"event":"photo"}]`)
	s.wants(`["photo","stock",{"bytes":"AAH/"},"`)
	publish(t, server.URL+"/channels/stock?event=other", "text/plain", "not listened to")
	s.wants(`["other","stock","not listened to","`)
	publish(t, server.URL+"/channels/stock", "text/plain", "no name")
	s.wants(`["message","stock","no name","`)
	s.emits(`["publish","stock",1,{"event":"disconnect"}]`)
	s.wants(`["ack publish",{"error":{"code":"bad_request"`)

	for _, want := range []sse{{"price", "", `{"AAPL":7.5}`}, {"base64:photo", "", "AAH/"}, {"message", "", "no name"}} {
		if got := nextEvent(t, stream); got.Kind != want.Kind || got.Data != want.Data || !strings.Contains(got.ID, ":") {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}
