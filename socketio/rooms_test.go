package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"maru.example/maru"
	"maru.example/maru/server"
	"maru.example/maru/socketio"
)

// member connects a client whose socket is in rooms.
func (w *world) member(rooms ...string) (*client, *socketio.Socket) {
	w.t.Helper()
	c := w.connected()
	s := await(w.t, w.arrived)
	s.Join(rooms...)
	return c, s
}

// Issue 16: rooms are channels of the hub. Every kind of emit reaches the sockets of another node that
// shares the broker, each once.
func TestRoomsCrossNodes(t *testing.T) {
	t.Parallel()
	b := newShared()
	here := newWorldOn(t, socketio.Options{}, server.Options{Broker: b.open})
	there := newWorldOn(t, socketio.Options{}, server.Options{Broker: b.open})
	mine, s := here.member("x")
	theirs, other := there.member("x", "y", "방 / ?")
	emits := []struct {
		what    string
		emit    func(event string) error
		to      string // m: mine, t: theirs
		channel string
	}{
		{"all", func(e string) error { return here.io.Emit(e) }, "mt", "all"},
		{"a room", func(e string) error { return here.io.To("x").Emit(e, []byte{1}) }, "mt", "room:x"},
		{"a room of any text", func(e string) error { return here.io.To("방 / ?").Emit(e) }, "t", "room:%EB%B0%A9+%2F+%3F"},
		{"two rooms", func(e string) error { return here.io.To("x").To("y").Emit(e) }, "mt", "some"},
		{"except", func(e string) error { return here.io.To("x").Except("y").Emit(e) }, "m", "some"},
		{"all except", func(e string) error { return here.io.Except("y").Emit(e) }, "m", "some"},
		{"a socket there", func(e string) error { return here.io.To(other.ID()).Emit(e) }, "t", "some"},
		{"broadcast", func(e string) error { return s.Broadcast().Emit(e) }, "t", "all"},
		{"of a member", func(e string) error { return s.To("x").Emit(e) }, "t", "room:x"},
		{"of the other, two rooms", func(e string) error { return other.To("x", "y").Emit(e) }, "m", "some"},
		{"local", func(e string) error { return here.io.Local().Emit(e) }, "m", ""},
		{"a room, local", func(e string) error { return there.io.To("x").Local().Emit(e) }, "t", ""},
		{"nobody", func(e string) error { return here.io.To("nobody").Emit(e) }, "", "room:nobody"},
	}
	for i, e := range emits {
		event := "e" + strconv.Itoa(i)
		before := len(b.submitted(t))
		if err := e.emit(event); err != nil {
			t.Fatalf("%s: %v", e.what, err)
		}
		if got := b.submitted(t)[before:]; e.channel == "" && len(got) > 0 || e.channel != "" && (len(got) != 1 || got[0] != "$socketio:%2Fsocket.io%2F:%2F:"+e.channel) {
			t.Errorf("%s was published in %q", e.what, got)
		}
		here.io.Emit("end")
		for name, c := range map[string]*client{"m": mine, "t": theirs} {
			if strings.Contains(e.to, name) {
				if c.wants("4…"); e.what == "a room" {
					c.wants("b:\x01")
				}
			}
			if got := c.wants("42…"); got != `42["end"]` {
				t.Errorf("%s: %s got %s", e.what, name, got)
			}
		}
	}
	here.io.To("y").Join("z")
	here.io.To("z").Leave("x")
	if got := other.Rooms(); !slices.Contains(got, "z") || slices.Contains(got, "x") {
		t.Errorf("rooms of the socket there: %q", got)
	}
	here.io.To("z").Disconnect(false)
	theirs.wants("41")
	if here.io.To().Sockets()[0] != s || len(here.io.Sockets()) != 1 {
		t.Error("the socket here has gone")
	}
}

// The room of an id has its socket and those that have joined it; a room may also look like one.
func TestRoomsThatLookLikeIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	a, sa := w.member()
	b, sb := w.member(sa.ID(), "abcdefghij0123456789")
	steps := []struct {
		do func()
		to string
	}{
		{func() { w.io.To(sa.ID()).Emit("e") }, "ab"},
		{func() { w.io.To(sb.ID()).Emit("e") }, "b"},
		{func() { sa.To(sa.ID()).Emit("e") }, "b"},
		{func() { sb.To(sa.ID()).Emit("e") }, "a"},
		{func() { w.io.To("abcdefghij0123456789").Emit("e") }, "b"},
		{func() { w.io.To("abcdefghij0123456789", sb.ID()).Emit("e") }, "b"},
		{func() { w.io.Except(sa.ID()).Emit("e") }, ""},
		{func() { w.io.To(sa.ID()).Volatile().Emit("none"); sa.Leave(sa.ID()); w.io.To(sa.ID()).Emit("e") }, "b"},
		{func() { sb.Leave(sa.ID()); w.io.To(sa.ID()).Emit("e") }, ""},
		{func() { sa.Join(sa.ID()); w.io.To(sa.ID()).Emit("e") }, "a"},
	}
	for i, step := range steps {
		step.do()
		w.io.Emit("end")
		for name, c := range map[string]*client{"a": a, "b": b} {
			got := c.wants("42…")
			for got == `42["none"]` { // volatile: it may have been dropped
				got = c.wants("42…")
			}
			if strings.Contains(step.to, name) {
				if got != `42["e"]` {
					t.Errorf("step %d: %s got %s", i, name, got)
				}
				got = c.wants("42…")
			}
			if got != `42["end"]` {
				t.Errorf("step %d: %s got %s", i, name, got)
			}
		}
	}
}

// Emit returns the broker's error, and then nobody gets the event.
func TestEmitReturnsTheBrokersError(t *testing.T) {
	t.Parallel()
	b := newShared()
	w := newWorldOn(t, socketio.Options{}, server.Options{Broker: b.open})
	c, s := w.member("x")
	b.fail(maru.NewError(maru.CodeUnavailable, "away"))
	for what, err := range map[string]error{
		"all": w.io.Emit("lost"), "room": w.io.To("x").Emit("lost"), "rooms": w.io.To("x", "y").Emit("lost"),
		"join": w.io.To("x").Join("z"), "broadcast": s.Broadcast().Emit("lost"),
	} {
		if e := (*maru.Error)(nil); !errors.As(err, &e) || e.Code != maru.CodeUnavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
	b.fail(nil)
	w.io.Emit("end")
	c.wants(`42["end"]`)
	if err := socketio.New(socketio.Options{}).Emit("x"); err == nil {
		t.Error("a Server without a server emitted")
	}
}

// Emits of all kinds, and those of the socket itself, keep the order of their calls.
func TestEmitsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	c, s := w.member("x", "y")
	targets := []func(args ...any) error{
		func(args ...any) error { return w.io.To("x").Emit("n", args...) },
		func(args ...any) error { return w.io.To("x", "y").Emit("n", args...) },
		func(args ...any) error { return w.io.Emit("n", args...) },
		func(args ...any) error { return s.Emit("n", args...) },
		func(args ...any) error { return w.io.To(s.ID()).Emit("n", args...) },
		func(args ...any) error { return w.io.To("y").Local().Emit("n", args...) },
		func(args ...any) error { return w.io.To("y").Except("z").Emit("n", args...) },
	}
	const events = 400
	for n := range events {
		if err := targets[n%len(targets)](n); err != nil {
			t.Fatal(err)
		}
	}
	for n := range events {
		c.wants(`42["n",` + strconv.Itoa(n) + `]`)
	}
}

// A channel of the hub exists only while the node has members of it, and they are in no presence.
func TestRoomsAreChannelsWhileTheyHaveMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	size := func() string { channels, shares := w.hub.Size(); return fmt.Sprint(channels, " ", shares) }
	if got := size(); got != "0 0" {
		t.Errorf("at the beginning: %s", got)
	}
	_, one := w.member("x")
	_, two := w.member("x", "y", strings.Repeat("long", 100), one.ID())
	if got := size(); got != "5 7" { // some and all with 1 + 2, x with 2, y, and the long name; none for an id
		t.Errorf("with members: %s", got)
	}
	for _, room := range []string{"all", "room:x"} {
		if p := w.hub.Presence("$socketio:%2Fsocket.io%2F:%2F:" + room); p.Count+p.Anonymous != 0 {
			t.Errorf("presence %+v", p)
		}
	}
	two.Leave("x", "y", two.ID())
	if got := two.Rooms(); len(got) != 2 {
		t.Errorf("rooms %q", got)
	}
	if got := w.io.To(two.ID()).Sockets(); len(got) != 0 {
		t.Errorf("a socket that has left the room of its id is in it")
	}
	if got := w.io.To(one.ID()).Sockets(); len(got) != 2 {
		t.Errorf("%d sockets in the room of an id that another one has joined", len(got))
	}
	gone := make(chan string, 2)
	one.OnDisconnect(func(string) { gone <- size() })
	two.OnDisconnect(func(string) { gone <- size() })
	two.Disconnect(true)
	await(t, gone)
	one.Disconnect(true)
	if got := await(t, gone); got != "0 0" {
		t.Errorf("at the end: %s", got)
	}
	if one.Join("x"); len(one.Rooms()) != 0 {
		t.Error("a socket that has gone is in a room")
	}
}

// A socket may join rooms in middleware: it is a member when it is connected.
func TestJoinInMiddleware(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	w.io.Use(func(s *socketio.Socket) error {
		s.Join("early", "left")
		s.Leave("left")
		return nil
	})
	c := w.connected()
	await(t, w.arrived)
	w.io.To("left").Emit("no")
	w.io.To("early").Emit("yes")
	c.wants(`42["yes"]`)
}

// Handlers, also those of the end, may emit to everybody.
func TestHandlersEmit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	joined := make(chan bool, 2)
	w.io.OnConnection(func(s *socketio.Socket) {
		s.Join("x")
		s.On("say", func() { s.To("x").Emit("said"); w.io.To("x", "y").Emit("said twice") })
		s.OnDisconnect(func(string) {
			w.io.To("x").Emit("gone", 1)
			w.io.To("x", "y").Emit("gone", 2)
			s.Broadcast().Emit("gone", 3)
			w.io.To("x").Disconnect(false)
		})
		joined <- true
	})
	a, b := w.connected(), w.connected()
	await(t, joined)
	await(t, joined)
	w.io.To("x").Emit("both")
	a.wants(`42["both"]`)
	b.wants(`42["both"]`)
	a.says(`42["say"]`)
	a.wants(`42["said twice"]`)
	b.wants(`42["said"]`, `42["said twice"]`)
	a.Terminate()
	b.wants(`42["gone",1]`, `42["gone",2]`, `42["gone",3]`, "41")
}

// EmitWithAck to many returns a reply of each client, also together with an error.
func TestEmitWithAckToMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	a, sa := w.member("x")
	b, sb := w.member("x")
	c, _ := w.member()
	type result struct {
		replies []socketio.Reply
		err     error
	}
	results := make(chan result, 1)
	ask := func(ctx context.Context, to socketio.Target) {
		replies, err := to.EmitWithAck(ctx, "ask", "q")
		results <- result{replies, err}
	}
	check := func(what string, r result, is error, want map[string]string) {
		t.Helper()
		got := map[string]string{}
		for _, reply := range r.replies {
			got[reply.ID] = string(reply.Args[0].JSON)
		}
		if !errors.Is(r.err, is) || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v and %v, want %v and %v", what, got, r.err, want, is)
		}
	}
	ids := func(number string) {
		a.wants(`42` + number + `["ask","q"]`)
		b.wants(`42` + number + `["ask","q"]`)
	}
	go ask(t.Context(), w.io.To("x"))
	ids("0")
	b.says(`430[2]`)
	a.says(`430[1]`)
	check("all", await(t, results), nil, map[string]string{sa.ID(): "1", sb.ID(): "2"})

	ctx, cancel := context.WithCancelCause(t.Context())
	late := errors.New("late")
	go ask(ctx, w.io.To("x"))
	ids("1")
	b.says(`431[2]`)
	done := make(chan bool, 1)
	sb.On("sync", func() { done <- true })
	b.says(`42["sync"]`)
	await(t, done)
	cancel(late)
	check("one is late", await(t, results), late, map[string]string{sb.ID(): "2"})

	go ask(t.Context(), w.io.To("x"))
	ids("2")
	a.says(`432[1]`)
	b.Terminate()
	check("one goes", await(t, results), net.ErrClosed, map[string]string{sa.ID(): "1"})

	go ask(t.Context(), w.io.To("nobody"))
	check("nobody", await(t, results), nil, map[string]string{})
	go func() {
		replies, err := w.io.EmitWithAck(t.Context(), "everybody")
		results <- result{replies, err}
	}()
	a.wants(`424["everybody"]`)
	c.wants(`424["everybody"]`)
	a.says(`434[1]`)
	c.says(`434[3]`)
	if r := await(t, results); len(r.replies) != 2 || r.err != nil {
		t.Errorf("%+v", r)
	}
	if _, err := w.io.EmitWithAck(t.Context(), "bad", func() {}); err == nil {
		t.Error("a function was encoded")
	}
}

// Emits, joins, leaves and ends of all kinds at once: nothing waits for another for ever.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{RemoveEmpty: true, Recovery: &socketio.Recovery{}})
	other := newWorld(t, socketio.Options{RemoveEmpty: true})
	for _, w := range []*world{w, other} {
		w.io.OfMatch(shops).OnConnection(func(s *socketio.Socket) {
			s.Join("x", "y")
			s.On("say", func(n int) { s.To("x").Emit("said", n); s.Namespace().To("x", "y").Emit("said", n) })
			s.OnDisconnect(func(string) { s.Broadcast().Emit("gone"); s.Namespace().Except("x").Emit("gone") })
		})
	}
	var all sync.WaitGroup
	for i := range 8 {
		w := []*world{w, other}[i%2]
		name := "/shop-" + strconv.Itoa(i%4/2)
		all.Go(func() {
			for n := range 10 {
				c := w.dial()
				c.says("40"+name+",", "42"+name+`,["say",1]`)
				c.wants("40" + name + ",…")
				of := w.io.Of(name)
				of.To("x").Join("z")
				of.To("x", "z").Emit("many", n)
				of.To("z").Leave("y")
				of.Local().Volatile().Emit("many", n)
				of.To("y").Emit("one", n)
				of.EmitWithAck(canceled(t), "ask")
				if n%3 == 0 {
					of.To("z").Disconnect(n%2 == 0)
				}
				c.Terminate()
			}
		})
	}
	all.Wait()
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
