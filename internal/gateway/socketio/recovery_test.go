package socketio_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/server"
)

// identity is what Connect is answered with.
type identity struct{ SID, PID string }

// connects sends auth with Connect and returns the answer.
func (s *socket) connects(auth string) (who identity) {
	s.t.Helper()
	s.says("40" + auth)
	answer := s.wants("40{…")
	if err := json.Unmarshal([]byte(answer[2:]), &who); err != nil || who.SID == "" || who.PID == "" {
		s.t.Fatalf("%s: %v", answer, err)
	}
	return who
}

func (i identity) auth(offset string) string {
	return fmt.Sprintf(`{"pid":%q,"offset":%q}`, i.PID, offset)
}

// offsetOf is the last argument of a message.
func offsetOf(t *testing.T, packet string) string {
	t.Helper()
	args := argsOf(t, packet)
	return args[len(args)-1].(string)
}

// argsOf are the name and the arguments of an event.
func argsOf(t *testing.T, packet string) (args []any) {
	t.Helper()
	if err := json.Unmarshal([]byte(packet[2:]), &args); err != nil {
		t.Fatal(packet, err)
	}
	return args
}

// A client whose connection broke gets back its id, its channels and what it missed, once and in
// the order of all of them; and again after the next break.
func TestRecovery(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	a := w.socket(nil)
	who := a.connects("")
	a.says(`420["subscribe","x"]`, `421["subscribe","y"]`, `422["subscribe","left"]`, `423["unsubscribe","left"]`)
	a.wants("430…", "431…", "432…", "433…")
	w.publish("x", "1")
	w.publish("y", "2")
	a.wants(`42["message","x","1",…`)
	last := offsetOf(t, a.wants(`42["message","y","2",…`))
	for range 2 {
		w.broken(a)
		w.publish("y", "3")
		w.publish("left", "no")
		w.publish("x", "4")
		w.publish("y", "5")
		w.publish("z", "no")
		a = w.socket(nil)
		if again := a.connects(who.auth(last)); again != who {
			t.Errorf("came back as %+v, was %+v", again, who)
		}
		a.wants(`42["message","y","3",…`, `42["message","x","4",…`)
		last = offsetOf(t, a.wants(`42["message","y","5",…`))
		w.publish("x", "6")
		last = offsetOf(t, a.wants(`42["message","x","6",…`))
	}
	if p := w.server.Presence("x"); p.Anonymous != 1 {
		t.Errorf("presence %+v", p)
	}
}

// broken cuts a client's connection, and waits until the server has noticed.
func (w *world) broken(s *socket) {
	w.t.Helper()
	n := w.server.Connections()
	s.Terminate()
	for w.server.Connections() >= n {
		<-time.After(time.Millisecond)
	}
}

// A client is recovered although nothing came in one of its channels since its last message.
func TestRecoveryWithQuietChannel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	a := w.socket(nil)
	who := a.connects("")
	a.says(`420["subscribe","x"]`, `421["subscribe","y"]`)
	a.wants("430…", "431…")
	w.publish("x", "1")
	w.publish("y", "2")
	a.wants(`42["message","x","1",…`)
	last := offsetOf(t, a.wants(`42["message","y","2",…`))
	w.broken(a)
	a = w.socket(nil)
	if again := a.connects(who.auth(last)); again != who {
		t.Fatalf("came back as %+v, was %+v", again, who)
	}
	w.publish("x", "3")
	w.publish("y", "4")
	a.wants(`42["message","x","3",…`, `42["message","y","4",…`)
}

// A client that has received nothing yet misses nothing either, and nothing of before.
func TestRecoveryWithoutOffset(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	w.publish("x", "before")
	a := w.socket(nil)
	who := a.connects("")
	a.says(`420["subscribe","x"]`)
	a.wants("430…")
	w.broken(a)
	w.publish("x", "missed")
	a = w.socket(nil)
	a.says(`40{"pid":"` + who.PID + `"}`)
	a.wants(`40{"sid":"`+who.SID+`",…`, `42["message","x","missed",…`)
}

// A client keeps its last offset when it begins anew. What it subscribes to then, and has not
// received when it breaks again, is not skipped because of it.
func TestRecoveryWithAnOldOffset(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	a := w.connected(nil)
	a.says(`420["subscribe","x"]`)
	a.wants("430…")
	since := w.publish("y", "1")
	w.publish("y", "2")
	w.publish("x", "3")
	old := offsetOf(t, a.wants(`42["message","x","3",…`))
	a = w.socket(nil)
	who := a.connects(identity{PID: "AAAAAAAAAAAAAAAAAAAA"}.auth(old))
	a.says(fmt.Sprintf(`420["subscribe","y",{"since":%q}]`, since))
	a.wants("430…", `42["message","y","2",…`) // and it breaks before it has read that
	w.broken(a)
	a = w.socket(nil)
	if again := a.connects(who.auth(old)); again != who {
		t.Errorf("came back as %+v, was %+v", again, who)
	}
	a.wants(`42["message","y","2",…`)
}

// A client whose channels lie in several namespaces, which count on their own with one epoch, gets
// what it missed of each; its messages have the list as the last argument, and the position as before.
func TestRecoveryOfSeveralNamespaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{Access: server.Access{Namespaces: map[string]server.Namespace{"a": everything, "b": everything}}}, socketio.Options{})
	s := w.socket(nil)
	who := s.connects("")
	s.says(`420["subscribe","a:x"]`)
	s.wants("430…")
	for range 5 {
		w.publish("a:x", "1")
		s.wants(`42["message","a:x","1",…`)
	}
	w.publish("b:y", "0")
	s.says(`421["subscribe","b:y",{"last":1}]`)
	var args []any
	for _, want := range []string{"431…", `42["message","b:y","0",…`} {
		if got := s.wants(want); want[1] == '2' {
			args = argsOf(t, got)
		}
	}
	if _, err := maru.ParsePosition(args[3].(string)); err != nil || len(args) != 5 {
		t.Errorf("%q: %v", args, err)
	}
	for range 2 {
		w.broken(s)
		w.publish("b:y", "missed")
		w.publish("a:x", "missed")
		s = w.socket(nil)
		if again := s.connects(who.auth(args[4].(string))); again != who {
			t.Fatalf("came back as %+v, was %+v", again, who)
		}
		got := map[any]bool{}
		for range 2 {
			args = argsOf(t, s.wants("42…"))
			got[args[1]] = args[2] == "missed"
		}
		if !got["a:x"] || !got["b:y"] {
			t.Errorf("got %v", got)
		}
	}
}

// A channel with presence comes back with it, and one of which the client gets only the newest with the
// newest of each key. Messages of the latter have no position.
func TestRecoveryOfEachKind(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{Hooks: server.Hooks{Identify: byQuery}}, socketio.Options{})
	s := w.socket(nil)
	next := func(packets ...string) (got string) { // changes of the presence come at any time
		t.Helper()
		for _, want := range packets {
			for got = s.wants("4…"); strings.HasPrefix(got, `42["presence","people",{"version"`); {
				got = s.wants("4…")
			}
			matches(t, got, want)
		}
		return got
	}
	who := s.connects("")
	s.says(`420["subscribe","x"]`, `421["subscribe","news",{"deliver":"latest"}]`, `422["subscribe","prices",{"max_hz":50}]`, `423["subscribe","people",{"presence":true}]`)
	next("430…", "431…", "432…", "433…")
	w.publish("news", "1")
	next(`42["message","news","1",null]`)
	w.publish("x", "1")
	last := offsetOf(t, next(`42["message","x","1",…`))
	for range 2 {
		w.broken(s)
		w.publish("x", "2")
		w.publish("news", "2")
		w.publish("news", "3")
		w.publish("prices", "4")
		s = w.socket(nil)
		if again := s.connects(who.auth(last)); again != who {
			t.Fatalf("came back as %+v, was %+v", again, who)
		}
		next(`42["presence","people",{"channel":"people","version":…`)
		last = offsetOf(t, next(`42["message","x","2",…`))
		got := []string{next("42…"), next("42…")}
		slices.Sort(got)
		if want := []string{`42["message","news","3",null]`, `42["message","prices","4",null]`}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		s.says(`424["unsubscribe","people"]`, `425["subscribe","people",{"presence":true}]`)
		next("434…", "435…")
	}
	kim, err := w.dial("EIO=4&transport=websocket&user=kim", nil)
	if err != nil {
		t.Fatal(err)
	}
	kim.wants("0…")
	kim.connects("")
	kim.says(`420["subscribe","people"]`)
	for got := ""; !strings.Contains(got, `"joined":["kim"]`); {
		got = s.wants(`42["presence","people",{"version":…`)
	}
}

// A channel that the rules begin to conflate does not come back.
func TestNotRecoveredAtAnotherPace(t *testing.T) {
	t.Parallel()
	paced := everything
	paced.MaxHz = 10
	w := newWorld(t, server.Options{Access: server.Access{Namespaces: map[string]server.Namespace{maru.DefaultNamespace: everything}}}, socketio.Options{})
	s := w.socket(nil)
	who := s.connects("")
	s.says(`420["subscribe","x"]`)
	s.wants("430…")
	w.broken(s)
	if err := w.server.Reload(server.Access{Namespaces: map[string]server.Namespace{maru.DefaultNamespace: paced}}); err != nil {
		t.Fatal(err)
	}
	if again := w.socket(nil).connects(who.auth("")); again.SID == who.SID {
		t.Error("came back")
	}
}

var everything = server.Namespace{Subscribe: maru.Anyone, Publish: maru.Anyone, History: maru.Anyone, Presence: maru.Anyone}

// A client that closed only its session, of Engine.IO, comes back: that of npm does so when a proxy has
// answered one of its requests with 502.
func TestRecoveryAfterClose(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	for name, closes := range map[string]func() identity{
		"polling": func() (who identity) {
			p := w.polling()
			p.post("40\x1e" + `420["subscribe","x"]`)
			if err := json.Unmarshal([]byte(p.wants("40{…")[2:]), &who); err != nil {
				t.Fatal(err)
			}
			p.wants("430…")
			p.post("1")
			return who
		},
		"WebSocket": func() identity {
			s := w.socket(nil)
			who := s.connects("")
			s.says(`420["subscribe","x"]`)
			s.wants("430…")
			s.says("1")
			s.wants("closed 1000 ")
			return who
		},
	} {
		who := closes()
		w.publish("x", "missed by "+name)
		back := w.socket(nil)
		if again := back.connects(who.auth("")); again != who {
			t.Errorf("%s: came back as %+v, was %+v", name, again, who)
		}
		back.wants(`42["message","x","missed by ` + name + `",…`)
	}
}

// Each of these begins anew: with another id, and without channels.
func TestNotRecovered(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options server.Options
		says    []string
		user    string
		back    func(who identity, last string) string
	}{
		"an unknown pid":     {back: func(identity, string) string { return identity{PID: "AAAAAAAAAAAAAAAAAAAA"}.auth("") }},
		"no pid at all":      {back: func(identity, string) string { return identity{PID: "?"}.auth("") }},
		"another epoch":      {back: func(who identity, _ string) string { return who.auth("gone:1") }},
		"not a position":     {back: func(who identity, _ string) string { return who.auth("text") }},
		"no longer retained": {options: server.Options{HistoryPublications: 1}},
		"another person":     {user: "kim"},
		"no right to history": {options: server.Options{Access: server.Access{Namespaces: map[string]server.Namespace{
			maru.DefaultNamespace: {Subscribe: maru.Anyone, Publish: maru.Anyone}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.options.Identify = byQuery
			w := newWorld(t, c.options, socketio.Options{})
			w.publish("y", "0")
			a := w.socket(nil)
			who := a.connects("")
			a.says(append([]string{`420["subscribe","x"]`}, c.says...)...)
			a.wants("430…")
			w.publish("x", "1")
			var last string
			for last == "" {
				if got := a.wants("4…"); strings.HasPrefix(got, `42["message","x"`) {
					last = offsetOf(t, got)
				}
			}
			w.broken(a)
			w.publish("x", "2")
			w.publish("x", "3")
			back, err := w.dial("EIO=4&transport=websocket&user="+c.user, nil)
			if err != nil {
				t.Fatal(err)
			}
			back.wants("0…")
			auth := who.auth(last)
			if c.back != nil {
				auth = c.back(who, last)
			}
			if again := back.connects(auth); again.SID == who.SID || again.PID == who.PID {
				t.Errorf("came back as %+v", again)
			}
			back.says(`421["presence","x"]`, `422["unsubscribe","x"]`)
			if got := back.wants("431…"); c.options.Access.Namespaces == nil && !strings.Contains(got, `"anonymous":0`) {
				t.Errorf("presence %s", got)
			}
			back.wants("432…")
		})
	}
}

// A client that has left, or was dismissed, does not come back.
func TestNotRecoveredAfterGoodbye(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{Hooks: server.Hooks{Identify: byQuery}}, socketio.Options{})
	left := w.socket(nil)
	who := left.connects("")
	left.says(`420["subscribe","x"]`)
	left.wants("430…")
	left.says("41")
	left.wants("closed 1000 ")
	if again := w.socket(nil).connects(who.auth("")); again.SID == who.SID {
		t.Error("came back after it had left")
	}
	kim, err := w.dial("EIO=4&transport=websocket&user=kim", nil)
	if err != nil {
		t.Fatal(err)
	}
	kim.wants("0…")
	who = kim.connects("")
	w.server.Disconnect(server.Target{User: "kim"})
	kim.wants(`42["error",…`, "41", "closed 4503 revoked")
	if kim, err = w.dial("EIO=4&transport=websocket&user=kim", nil); err != nil {
		t.Fatal(err)
	}
	kim.wants("0…")
	if again := kim.connects(who.auth("")); again.SID == who.SID {
		t.Error("came back after it was dismissed")
	}
}

// A client that breaks again and again, known to the server or not, while two channels are published to,
// gets every message once, in the order of both channels together.
func TestRecoveryUnderLoad(t *testing.T) {
	t.Parallel()
	const messages = 2000
	w := newWorld(t, server.Options{HistoryPublications: messages, BacklogMessages: 2 * messages}, socketio.Options{})
	a := w.socket(nil)
	who := a.connects("")
	a.says(`420["subscribe","x"]`, `421["subscribe","y"]`)
	a.wants("430…", "431…")
	go func() {
		for i := range messages {
			p := &maru.Publication{Data: fmt.Append(nil, i)}
			if _, err := w.server.Publish(t.Context(), []string{"x", "y"}[i%2], p); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	last, breaks := "", 0
	for i := range messages {
		if i%97 == 96 {
			if breaks%2 == 0 { // else the server has not noticed yet
				a.Terminate()
			}
			a = w.socket(nil)
			if again := a.connects(who.auth(last)); again != who {
				t.Fatalf("after %d messages: came back as %+v", i, again)
			}
			breaks++
		}
		last = offsetOf(t, a.wants(fmt.Sprintf(`42["message","%c","%d",…`, "xy"[i%2], i)))
	}
	if breaks < 10 {
		t.Errorf("%d breaks", breaks)
	}
}

// A client sends one Connect: a second one, with what another session has left, ends the connection,
// and nothing else.
func TestRecoveryTwiceAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	left := func(channel string) identity {
		a := w.socket(nil)
		who := a.connects("")
		a.says(`420["subscribe","` + channel + `"]`)
		a.wants("430…")
		w.broken(a)
		return who
	}
	first, second := left("x"), left("y")
	p := w.polling()
	p.post("40" + first.auth("") + "\x1e40" + second.auth(""))
	w.until("the session has ended", func() bool { return w.server.Connections() == 0 })
	a := w.socket(nil)
	if again := a.connects(second.auth("")); again != second {
		t.Errorf("the second session came back as %+v, was %+v", again, second)
	}
}

// A replay that was at its end before the client got a second namespace does not come again, even if
// nothing was published in its channel since: neither one that it asked for, nor what it had missed.
func TestRecoveryAfterAReplay(t *testing.T) {
	t.Parallel()
	for name, missed := range map[string]bool{"asked for": false, "missed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, server.Options{Access: server.Access{Namespaces: map[string]server.Namespace{"a": everything, "b": everything}}}, socketio.Options{})
			s := w.socket(nil)
			who := s.connects("")
			if missed {
				s.says(`420["subscribe","a:x"]`)
				s.wants("430…")
				w.broken(s)
			}
			w.publish("a:x", "1")
			w.publish("a:x", "2")
			if missed {
				s = w.socket(nil)
				s.connects(who.auth(""))
			} else {
				s.says(`420["subscribe","a:x",{"last":2}]`)
				s.wants("430…")
			}
			s.wants(`42["message","a:x","1",…`, `42["message","a:x","2",…`)
			s.says(`421["subscribe","b:y"]`)
			s.wants("431…")
			w.publish("b:y", "3")
			args := argsOf(t, s.wants(`42["message","b:y","3",…`))
			w.broken(s)
			w.publish("b:y", "4")
			s = w.socket(nil)
			if again := s.connects(who.auth(args[4].(string))); again != who {
				t.Errorf("came back as %+v, was %+v", again, who)
			}
			s.wants(`42["message","b:y","4",…`)
		})
	}
}

// A client that comes back and does not take what it missed leaves nothing in its channels, not in those
// either whose turn had not come.
func TestRecoveryBreaksOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{BacklogAge: 100 * time.Millisecond}, socketio.Options{})
	s := w.socket(nil)
	who := s.connects("")
	s.says(`420["subscribe","x"]`, `421["subscribe","news",{"deliver":"latest"}]`)
	s.wants("430…", "431…")
	w.broken(s)
	stays := w.connected(nil)
	stays.says(`420["subscribe","news"]`)
	stays.wants("430…")
	for range 3 {
		w.publish("x", strings.Repeat("x", 200<<10))
	}
	p := w.polling()
	p.post("40" + who.auth(""))
	w.until("it is closed as slow", func() bool { return w.server.Connections() == 1 })
	const metric = `maru_namespace_deliveries_total{namespace="default"} `
	before := numberBehind(t, w.metrics(), metric)
	w.publish("news", "1")
	stays.wants(`42["message","news","1",…`)
	if after := numberBehind(t, w.metrics(), metric); after != before+1 {
		t.Errorf("one publication was handed to %d subscribers", after-before)
	}
}

// numberBehind is the number behind a text.
func numberBehind(t *testing.T, s, before string) (n int) {
	t.Helper()
	_, s, found := strings.Cut(s, before)
	if _, err := fmt.Sscan(s, &n); err != nil || !found {
		t.Fatalf("no number behind %q: %v", before, err)
	}
	return n
}
