package socketio_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/server"
	"maru.example/maru/ws"
)

// Socket.IO, Connection to a namespace, and Disconnection from it.
func TestConnect(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{HandshakeTimeout: time.Second}, socketio.Options{})
	s := w.socket(nil)
	s.says("40/random")
	s.wants(`44/random,{"message":"Invalid namespace"}`)
	s.says(`40{"token":"","mine":[1]}`)
	s.wants(`40{"sid":…`)
	s.says(`42["publish","a","x"]`, `420["presence","a"]`)
	s.wants(`430[{"channel":"a",…`)
	s.says("41")
	s.wants("closed 1000 ")
	w.polling().post("1")
	for w.server.Connections() > 0 {
		<-time.After(time.Millisecond)
	}
	if m := w.metrics(); !strings.Contains(m, `reason="closed",transport="socketio"} 2`) {
		t.Errorf("a client that leaves is not counted as closed:\n%s", m)
	}

	w.socket(nil).wants(`44{"message":"no connect…`, "closed 4500 bad_request") // never connects
	twice := w.connected(nil)
	twice.says("40")
	twice.wants(`42["error",{"code":"bad_request",…`, "41", "closed 4500 bad_request")
}

// What a client emits is a command, and the ack its reply.
func TestCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	s := w.connected(nil)
	s.says(`420["subscribe","chat:1",{"last":5}]`)
	s.wants(`430[{"channel":"chat:1","position":"…`)
	s.says(`421["publish","chat:1",{"a": "<b>"}]`)
	s.wants(`42["message","chat:1",{"a":"<b>"},"…`, `431[{"channel":"chat:1","position":"…`)
	s.says(`42["publish","chat:1","téxt\n"]`)
	s.wants(`42["message","chat:1","téxt\n","…`)
	s.says(`42["publish","chat:1","gone",{"transient":true}]`)
	s.wants(`42["message","chat:1","gone",null]`)
	s.says(`451-2["publish","chat:1",{"_placeholder":true,"num":0}]`, "b:\x00\x01\xff")
	s.wants(`451-["message","chat:1",{"_placeholder":true,"num":0},"…`, "b:\x00\x01\xff", `432[{"channel":"chat:1",…`)
	s.says(`423["history","chat:1",{"limit":1}]`)
	s.wants(`433[{"channel":"chat:1","epoch":"…`)
	s.says(`424["unsubscribe","chat:1"]`, `42["publish","chat:1","unheard"]`, `425["presence","chat:1"]`)
	s.wants(`434[{"channel":"chat:1"}]`, `435[{"channel":"chat:1",…`)
}

func TestFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	s := w.connected(nil)
	for event, code := range map[string]string{
		`["nonsense"]`:                                   "bad_request",
		`["subscribe"]`:                                  "bad_request",
		`["subscribe",1]`:                                "bad_request",
		`["subscribe","a/b"]`:                            "bad_channel",
		`["subscribe","a",{"sinc":"x"}]`:                 "bad_request",
		`["subscribe","a",{"since":"x"}]`:                "bad_position",
		`["subscribe","a",{"deliver":"some"}]`:           "bad_request",
		`["subscribe","a",{"deliver":"all","max_hz":1}]`: "bad_request",
		`["subscribe","a",{},1]`:                         "bad_request",
		`["publish","a"]`:                                "bad_request",
		`["publish","a","\ud800"]`:                       "bad_text",
		`["publish","a",1,{"key":5}]`:                    "bad_request",
		`["publish","$a",1]`:                             "not_allowed",
		`["history","a",{"limit":-1}]`:                   "bad_request",
		`["refresh"]`:                                    "bad_request",
		`["refresh","x"]`:                                "bad_token",
		`["rpc","x"]`:                                    "not_found",
	} {
		s.says("427" + event)
		if got := s.wants("437[{…"); !strings.Contains(got, `{"error":{"code":"`+code+`"`) {
			t.Errorf("%s: %s, want %s", event, got, code)
		}
	}
	s.says(`42["nonsense"]`)
	s.wants(`42["error",{"code":"bad_request",…`)
	s.says(`451-8["publish","a",[{"_placeholder":true,"num":0}]]`, "b:x")
	s.wants(`438[{"error":{"code":"bad_request",…`)
}

// A client comes back and gets what it missed, by the position of its last message.
func TestSince(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	at := w.publish("news", "1").String()
	w.publish("other", "x")
	w.publish("news", "2")
	p := w.polling()
	p.post("40\x1e" + `420["subscribe","news",{"since":"` + at + `"}]` + "\x1e" + `421["subscribe","other",{"since":"gone:7"}]`)
	p.wants(`40{"sid":…`, `430[{"channel":"news","position":"`+at+`","replay":1}]`, `42["message","news","2",…`, `431[{"channel":"other",…`, `42["message","other","x",…`)
}

// Socket.IO clients of both transports, a raw WebSocket and a POST share a channel.
func TestSharedChannel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	s, p := w.connected(nil), w.polling()
	raw := make(chan string, 10)
	plain, err := ws.Dial(t.Context(), "ws://"+w.host+"/channels/hall", ws.DialOptions{OnMessage: func(_ *ws.Conn, m ws.Message) { raw <- string(m.Data) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(plain.Terminate)
	s.says(`420["subscribe","hall"]`)
	s.wants(`430[…`)
	p.post("40\x1e" + `420["subscribe","hall"]`)
	p.wants(`40{"sid":…`, `430[{"channel":"hall",…`)

	plain.Send(ws.Text("by raw"))
	s.wants(`42["message","hall","by raw",…`)
	resp, err := w.http.Post("http://"+w.host+"/channels/hall", "application/json", strings.NewReader(`{"by": "POST"}`))
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	s.wants(`42["message","hall",{"by":"POST"},…`)
	s.says(`42["publish","hall","by socket"]`)
	s.wants(`42["message","hall","by socket",…`)
	p.post(`42["publish","hall","by poll"]`)
	s.wants(`42["message","hall","by poll",…`)
	p.wants(`42["message","hall","by raw",…`, `42["message","hall",{"by":"POST"},…`, `42["message","hall","by socket",…`, `42["message","hall","by poll",…`)
	for _, want := range []string{"by raw", `{"by":"POST"}`, "by socket", "by poll"} {
		if got := <-raw; got != want {
			t.Errorf("raw got %q, want %q", got, want)
		}
	}
}

// The namespaces' rules hold.
func TestRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{Access: server.Access{Namespaces: map[string]server.Namespace{
		maru.DefaultNamespace: {Subscribe: maru.Anyone, Publish: maru.Nobody, History: maru.Nobody, Presence: maru.Nobody},
		"closed":              {},
	}}}, socketio.Options{})
	s := w.connected(nil)
	for _, event := range []string{`["subscribe","closed:a"]`, `["publish","a",1]`, `["presence","a"]`, `["subscribe","a",{"last":1}]`, `["history","a"]`} {
		s.says("421" + event)
		s.wants(`431[{"error":{"code":"not_allowed",…`)
	}
	s.says(`422["subscribe","a"]`)
	s.wants(`432[{"channel":"a",…`)
}

// A client whose token is not valid gets a connect_error, after which it does not come back.
func TestRefusedIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	bad := w.socket(nil)
	bad.says(`40{"token":"bad"}`)
	bad.wants(`44{"message":"the token is not valid…`, "closed 4501 bad_token")
	wrong := w.socket(nil)
	wrong.says(`40{"token":5}`)
	wrong.wants(`44{"message":"auth: …`, "closed 4500 bad_request")
	p := w.polling()
	p.post(`40{"token":"bad"}`)
	p.wants(`44{"message":"the token is not valid…`)
	p.gone()
}

// byQuery identifies a client by ?user=.
func byQuery(r *http.Request, _ string) (server.Caller, error) {
	return server.Caller{User: r.URL.Query().Get("user")}, nil
}

// Disconnect ends connections of both transports, a right that is taken ends a subscription, and
// both are counted as socketio.
func TestDisconnectDrainAndMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{Hooks: server.Hooks{Identify: byQuery}}, socketio.Options{})
	kim, err := w.dial("EIO=4&transport=websocket&user=kim", nil)
	if err != nil {
		t.Fatal(err)
	}
	kim.says("40")
	kim.wants("0{…", `40{"sid":…`)
	lee := w.connected(nil)
	_, body := w.ask("GET", "EIO=4&transport=polling&user=kim", "")
	p := &polls{world: w, query: "EIO=4&transport=polling&sid=" + w.readHandshake(body).SID}
	p.post("40\x1e" + `420["subscribe","news"]`)
	p.wants(`40{"sid":…`, `430[{"channel":"news",…`)
	lee.says(`420["subscribe","news",{"presence":true}]`)
	if got := lee.wants(`430[{…`); !strings.Contains(got, `"users":[{"user":"kim","connections":1}]`) {
		t.Errorf("presence: %s", got)
	}
	if n, _ := w.server.Unsubscribe(server.Target{User: "kim", Channel: "news"}); n != 1 {
		t.Errorf("%d subscriptions of kim", n)
	}
	p.wants(`42["unsubscribed","news",{"code":"revoked",…`)
	lee.wants(`42["presence","news",{"version":…`)
	if m := w.metrics(); !strings.Contains(m, `maru_connections{transport="socketio"} 3`) {
		t.Errorf("metrics:\n%s", m)
	}
	if n, _ := w.server.Disconnect(server.Target{User: "kim"}); n != 2 {
		t.Errorf("%d connections of kim", n)
	}
	kim.wants(`42["error",{"code":"revoked",…`, "41", "closed 4503 revoked")
	p.wants(`42["error",{"code":"revoked",…`, "41")
	p.gone()
	if err := w.server.Drain(t.Context(), time.Second/2); err != nil {
		t.Fatal(err)
	}
	lee.wants("closed 1001 shutting_down")
	m := w.metrics()
	for _, want := range []string{`reason="revoked",transport="socketio"} 2`, `reason="shutting_down",transport="socketio"} 1`, `maru_connections{transport="socketio"} 0`} {
		if !strings.Contains(m, want) {
			t.Errorf("no %s in metrics:\n%s", want, m)
		}
	}
}

func (w *world) metrics() string {
	w.t.Helper()
	resp, err := w.http.Get("http://" + w.host + "/metrics")
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

// A page of another origin may not connect by either transport.
func TestOrigins(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	header := http.Header{"Origin": {"https://evil.example"}}
	var refusal *ws.HandshakeError
	if _, err := w.dial("EIO=4&transport=websocket", header); !errors.As(err, &refusal) || refusal.Response.StatusCode != 403 {
		t.Errorf("%v, want 403", err)
	}
	r, _ := http.NewRequest("GET", "http://"+w.host+"/socket.io/?EIO=4&transport=polling", nil)
	r.Header = header
	resp, err := w.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 403 {
		t.Errorf("%d, want 403", resp.StatusCode)
	}
}

// The limits of connections and of rates hold for both transports.
func TestLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{MaxConnectionsPerAddress: 2, Access: server.Access{PublishRatePerConnection: 1}}, socketio.Options{})
	s := w.connected(nil)
	w.polling()
	if status, body := w.ask("GET", "EIO=4&transport=polling", ""); status != 503 || !strings.Contains(body, "too_many_connections") {
		t.Errorf("%d %s", status, body)
	}
	s.says(`421["publish","a",1]`, `422["publish","a",2]`, `423["publish","a",3]`)
	s.wants(`431[{"channel":…`, `432[{…`, `433[{"error":{"code":"rate_limited",…`)
}
