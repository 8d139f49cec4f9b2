package v1_test

import (
	"encoding/json"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/gateway/v1"
	"maru.example/maru/internal/session"
)

var (
	when     = time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.FixedZone("KST", 9*3600))
	position = maru.Position{Epoch: "k3f9", Offset: 812}
	gap      = &maru.Gap{Reason: maru.GapExpired, From: 1, To: 3}
	presence = maru.Presence{Channel: "a", Version: 7, Count: 2, Users: []maru.PresentUser{{User: "kim", Connections: 2}}, Anonymous: 3}
)

func TestEncodeReply(t *testing.T) {
	t.Parallel()
	many := maru.Presence{Channel: "a", Version: 7, Count: 500, Anonymous: 3} // too many to name
	for want, r := range map[string]session.Reply{
		`{"id":7,"connect":{"user":"kim","connection":"12","ping":25000,"expires":"2026-01-01T18:04:05.6Z","max_message":1048576,"max_channels":128}}`: session.Connected{
			User: "kim", Connection: "12", Expires: when, PingInterval: 25 * time.Second, MaxMessageBytes: 1 << 20, MaxChannels: 128},
		`{"id":7,"connect":{"ping":0,"max_message":4096,"max_channels":3}}`: session.Connected{MaxMessageBytes: 4096, MaxChannels: 3},

		`{"id":7,"subscribe":{"channel":"a","epoch":"k3f9","offset":812}}`: session.Subscribed{Channel: "a", From: position},
		`{"id":7,"subscribe":{"channel":"a","epoch":"k3f9","offset":0}}`:   session.Subscribed{Channel: "a", From: maru.Position{Epoch: "k3f9"}},
		`{"id":7,"subscribe":{"channel":"<b>&\"안\"","epoch":"k3f9","offset":812,"replay":2,"gap":{"reason":"expired","from":1,"to":3},` +
			`"presence":{"channel":"a","version":7,"count":2,"users":[{"user":"kim","connections":2}],"anonymous":3}}}`: session.Subscribed{
			Channel: `<b>&"안"`, From: position, Replay: 2, Gap: gap, Presence: &presence},

		`{"id":7,"unsubscribe":{"channel":"a"}}`: session.Unsubscribed{Channel: "a"},
		`{"id":7,"unsubscribe":{"channel":""}}`:  session.Unsubscribed{},

		`{"id":7,"publish":{"channel":"a","epoch":"k3f9","offset":812}}`:                 acknowledged("a", maru.Published{Position: position}),
		`{"id":7,"publish":{"channel":"<\"\\>안","epoch":"k3f9","offset":812}}`:           acknowledged(`<"\>안`, maru.Published{Position: position}),
		`{"id":7,"publish":{"channel":"a","epoch":"k3f9"}}`:                              acknowledged("a", maru.Published{Position: maru.Position{Epoch: "k3f9"}}),
		`{"id":7,"publish":{"channel":"a","epoch":"k3f9","offset":812,"replayed":true}}`: acknowledged("a", maru.Published{Position: position, Replayed: true}),
		`{"id":7,"publish":{"channel":"a","epoch":"k3f9","offset":812,"stale":true}}`:    acknowledged("a", maru.Published{Position: position, Stale: true}),

		`{"id":7,"history":{"channel":"a","epoch":"k3f9","offset":812,"publications":[]}}`: session.HistoryRead{Channel: "a", History: maru.History{Epoch: "k3f9", Head: 812}},
		`{"id":7,"history":{"channel":"a","epoch":"k3f9","offset":812,"publications":[` +
			`{"offset":811,"kind":"text","data":"<b>","time":"2026-01-01T18:04:05.6Z"},{"offset":812,"kind":"json","data":{"a":1},"key":"k","time":"2026-01-01T18:04:05.6Z","user":"kim"}` +
			`],"gap":{"reason":"epoch"}}}`: session.HistoryRead{Channel: "a", History: maru.History{Epoch: "k3f9", Head: 812, Gap: &maru.Gap{Reason: maru.GapEpoch},
			Publications: []*maru.Publication{{Offset: 811, Data: []byte("<b>"), Time: when}, {Offset: 812, Kind: maru.JSON, Data: []byte(`{"a":1}`), Key: "k", Time: when, User: "kim"}}}},

		`{"id":7,"presence":{"channel":"a","version":7,"count":2,"users":[{"user":"kim","connections":2}],"anonymous":3}}`: session.PresenceRead{Presence: presence},
		`{"id":7,"presence":{"channel":"a","version":7,"count":500,"anonymous":3}}`:                                        session.PresenceRead{Presence: many},

		`{"id":7,"refresh":{"user":"kim","expires":"2026-01-01T18:04:05.6Z"}}`: session.Refreshed{User: "kim", Expires: when},
		`{"id":7,"refresh":{}}`:               session.Refreshed{},
		`{"id":7,"rpc":{"data":{"a":"<b>"}}}`: session.Answered{Data: []byte(`{"a":"<b>"}`)},
		`{"id":7,"rpc":{}}`:                   session.Answered{},
		`{"id":7,"ping":{}}`:                  session.Pong{},

		`{"id":7,"error":{"code":"not_allowed","message":"no \"<b>\""}}`:  session.Failed{Err: maru.NewError(maru.CodeNotAllowed, `no "<b>"`)},
		`{"id":7,"error":{"code":"slow","message":"m","temporary":true}}`: session.Failed{Err: maru.NewError(maru.CodeSlow, "m")},
		`{"id":7,"error":{"code":"bad_request","message":"m"}}`:           session.Failed{Err: maru.NewError(maru.CodeBadRequest, "m")},
	} {
		if got := string(v1.EncodeReply(7, r)); got != want {
			t.Errorf("%T\n got %s\nwant %s", r, got, want)
		}
		_, failed := r.(session.Failed)
		if got := v1.EncodeReply(0, r); (got != nil) != failed {
			t.Errorf("%T without a ref: %s", r, got)
		}
	}
	failed := session.Failed{Err: maru.NewError(maru.CodeBadRequest, "m")}
	if got := string(v1.EncodeReply(0, failed)); got != `{"error":{"code":"bad_request","message":"m"}}` {
		t.Error(got)
	}
}

func acknowledged(channel string, done maru.Published) session.Published {
	return session.Published{Channel: channel, Published: done}
}

// An invalid JSON answer of the program is an internal error; the server keeps running.
func TestEncodeWrongAnswer(t *testing.T) {
	t.Parallel()
	const want = `{"id":7,"error":{"code":"internal","message":"internal error","temporary":true}}`
	for _, data := range []string{"no JSON", "\"\xff\""} {
		if got := string(v1.EncodeReply(7, session.Answered{Data: []byte(data)})); got != want {
			t.Errorf("%q: got %s, want %s", data, got, want)
		}
	}
}

func TestEncodePush(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]session.Push{
		`{"channel":"a","unsubscribed":{"code":"token_expired","message":"<m>"}}`:       session.SubscriptionEnded{Channel: "a", Err: maru.NewError(maru.CodeTokenExpired, "<m>")},
		`{"channel":"a","unsubscribed":{"code":"slow","message":"m","temporary":true}}`: session.SubscriptionEnded{Channel: "a", Err: maru.NewError(maru.CodeSlow, "m")},
		`{"reconnect":{"after":1200}}`: session.ComeBack{After: 1200 * time.Millisecond},
		`{"reconnect":{"after":0}}`:    session.ComeBack{},
	} {
		if got := string(v1.EncodePush(p)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestEncodePublication(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]*maru.Publication{
		`{"channel":"a \"<안>","publication":{"offset":812,"kind":"text","data":"<b>","time":"2026-01-01T18:04:05.6Z"}}`:             {Offset: 812, Data: []byte("<b>"), Time: when},
		`{"channel":"a \"<안>","publication":{"kind":"json","data":{"a":1},"key":"k","time":"2026-01-01T18:04:05.6Z","user":"kim"}}`: {Kind: maru.JSON, Data: []byte(`{"a":1}`), Key: "k", Time: when, User: "kim"},
		`{"channel":"a \"<안>","publication":{"offset":812,"kind":"binary","data":"AP8=","time":"2026-01-01T18:04:05.6Z"}}`:          {Offset: 812, Kind: maru.Binary, Data: []byte("\x00\xff"), Time: when},
	} {
		got := v1.EncodePublication(`a "<안>`, p)
		if string(got) != want || !json.Valid(got) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestEncodePresenceChange(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]maru.PresenceChange{
		`{"channel":"a","presence":{"version":8,"prev":7,"joined":["kim","<이>"],"left":[],"count":3,"anonymous":2}}`: {Version: 8, Prev: 7, Joined: []string{"kim", "<이>"}, Left: []string{}, Count: 3, Anonymous: 2},
		`{"channel":"a","presence":{"version":8,"prev":7,"joined":[],"left":["kim"],"count":0,"anonymous":0}}`:       {Version: 8, Prev: 7, Joined: []string{}, Left: []string{"kim"}},
		`{"channel":"a","presence":{"version":8,"prev":7,"count":300,"anonymous":2}}`:                                {Version: 8, Prev: 7, Count: 300, Anonymous: 2},
	} {
		if got := string(v1.EncodePresenceChange("a", c)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
