package socketio_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"maru.example/maru/socketio"
)

type move struct {
	X, Y int
	Note string
}

// Handlers get their arguments decoded, and answer by their Ack.
func TestHandlers(t *testing.T) {
	t.Parallel()
	failed := make(chan string, 10)
	w := newWorld(t, socketio.Options{Failed: func(_ *socketio.Socket, event string, err error) { failed <- event }})
	w.io.OnConnection(func(s *socketio.Socket) {
		s.On("add", func(a, b int, ack socketio.Ack) { ack(a + b) })
		s.On("move", func(m *move, more ...string) { s.Emit("moved", m.X, m.Note, more) })
		s.On("bytes", func(b []byte, name string, ack socketio.Ack) { ack(name, append(b, 0xff)) })
		s.On("rest", func(first any, rest socketio.Args) { s.Emit("rest", first, len(rest)) })
		s.On("panics", func() { panic("oops") })
		s.On("nothing", func() {})
		socketio.Handle(s, "typed", func(m move) { s.Emit("typed", m) })
		socketio.HandleAck(s, "half", func(n int) (int, error) {
			if n%2 != 0 {
				return 0, errors.New("odd")
			}
			return n / 2, nil
		})
	})
	c := w.connected()
	for says, want := range map[string]string{
		`421["add",1,2]`:                          `431[3]`,
		`422["add",1]`:                            `432[1]`,
		`423["add",1,2,"more"]`:                   `433[3]`,
		`42["move",{"X":5,"Note":"<é>"},"a","b"]`: `42["moved",5,"<é>",["a","b"]]`,
		`42["rest"]`:                              `42["rest",null,0]`,
		`42["rest",true,1,2]`:                     `42["rest",true,2]`,
		`42["typed",{"Y":1}]`:                     `42["typed",{"X":0,"Y":1,"Note":""}]`,
		`424["half",8]`:                           `434[4]`,
		`425["half",7]`:                           `435[{"error":"odd"}]`,
	} {
		c.says(says)
		c.wants(want)
	}
	c.says(`451-6["bytes",{"_placeholder":true,"num":0},"n"]`, "b:\x01")
	c.wants(`461-6["n",{"_placeholder":true,"num":0}]`, "b:\x01\xff")
	c.says(`42["unknown"]`, `42["nothing",1,2]`, `42["add","x"]`)
	if e := await(t, failed); e != "add" {
		t.Errorf("%s failed", e)
	}
	c.says(`42["panics"]`)
	if e := await(t, failed); e != "panics" {
		t.Errorf("%s failed", e)
	}
	c.says(`451-["add",{"_placeholder":true,"num":7}]`, "b:\x01")
	await(t, failed)
	c.says(`427["add",1,1]`)
	c.wants(`437[2]`)
}

// A function that cannot handle events is found when it is registered.
func TestHandlerSignatures(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	panics := make(chan string, 10)
	w.io.OnConnection(func(s *socketio.Socket) {
		for name, f := range map[string]any{
			"nil":            nil,
			"a value":        5,
			"a result":       func() int { return 0 },
			"ack first":      func(socketio.Ack, int) {},
			"a function":     func(func()) {},
			"a channel":      func(chan int) {},
			"a nil function": (func())(nil),
		} {
			func() {
				defer func() {
					if recover() == nil {
						panics <- name
					}
				}()
				s.On("x", f)
			}()
		}
		close(panics)
	})
	w.connected()
	for name := range panics {
		t.Errorf("%s was registered", name)
	}
}

// The server asks for an ack, too: it waits for it, with its context, and not for a client that has
// gone.
func TestEmitWithAck(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	sockets := make(chan *socketio.Socket, 1)
	w.io.OnConnection(func(s *socketio.Socket) { sockets <- s })
	c := w.connected()
	s := await(t, sockets)
	type answer struct {
		args []socketio.Arg
		err  error
	}
	answers := make(chan answer, 1)
	ask := func(ctx context.Context) {
		args, err := s.EmitWithAck(ctx, "ask", "name", []byte{7})
		answers <- answer{args, err}
	}
	go ask(t.Context())
	c.wants(`451-0["ask","name",{"_placeholder":true,"num":0}]`, "b:\x07")
	c.says(`439[1]`, `461-0["kim",{"_placeholder":true,"num":0}]`, "b:\x08")
	got := await(t, answers)
	var name string
	var b []byte
	if got.err != nil || len(got.args) != 2 || got.args[0].Decode(&name) != nil || got.args[1].Decode(&b) != nil || name != "kim" || string(b) != "\x08" {
		t.Errorf("%+v", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	go ask(ctx)
	if got := await(t, answers); !errors.Is(got.err, context.DeadlineExceeded) {
		t.Errorf("%v", got.err)
	}
	c.wants(`451-1["ask",…`, "b:\x07")
	go ask(t.Context())
	c.wants(`451-2["ask",…`, "b:\x07")
	c.Terminate()
	if got := await(t, answers); !errors.Is(got.err, net.ErrClosed) {
		t.Errorf("%v", got.err)
	}
	if _, err := s.EmitWithAck(t.Context(), "ask"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
	if err := s.Emit("bad", func() {}); err == nil {
		t.Error("a function was encoded")
	}
}

// A handler asks its own client, and waits for the ack. One that names an attachment which is not
// there is an error.
func TestEmitWithAckInHandler(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	errs := make(chan error, 1)
	w.io.OnConnection(func(s *socketio.Socket) {
		s.On("double", func(ack socketio.Ack) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			args, err := s.EmitWithAck(ctx, "number")
			errs <- err
			var n int
			if err == nil {
				err = args[0].Decode(&n)
			}
			ack(2*n, err)
		})
	})
	c := w.connected()
	c.says(`421["double"]`)
	c.wants(`420["number"]`)
	c.says(`430[21]`)
	c.wants(`431[42,null]`)
	if err := await(t, errs); err != nil {
		t.Error(err)
	}
	c.says(`422["double"]`)
	c.wants(`421["number"]`)
	c.says(`461-1[{"_placeholder":true,"num":1}]`, "b:\x01")
	if err := await(t, errs); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// A handler may wait for an ack of its own client, and decode it as a type.
func TestEmitAckInHandler(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	w.io.OnConnection(func(s *socketio.Socket) {
		s.On("start", func(ack socketio.Ack) {
			m, err := socketio.EmitAck[move](t.Context(), s, "one", 1)
			n, failed := socketio.EmitAck[int](t.Context(), s, "two")
			none, err3 := socketio.EmitAck[*int](t.Context(), s, "three")
			all, err4 := socketio.EmitAck[socketio.Args](t.Context(), s, "four")
			ack(m.X, n, failed != nil, none, len(all), errors.Join(err, err3, err4) == nil)
		})
	})
	c := w.connected()
	c.says(`427["start"]`)
	c.wants(`420["one",1]`)
	c.says(`430[{"X":5}]`)
	c.wants(`421["two"]`)
	c.says(`431["no number"]`)
	c.wants(`422["three"]`)
	c.says(`432[]`)
	c.wants(`423["four"]`)
	c.says(`433[1,2]`)
	c.wants(`437[5,0,true,null,2,true]`)
}

// Rooms: a socket in several rooms of a target gets an event once, and never its own broadcast.
func TestRooms(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	sockets := make(chan *socketio.Socket, 1)
	w.io.OnConnection(func(s *socketio.Socket) { sockets <- s })
	clients, ss := map[string]*client{}, map[string]*socketio.Socket{}
	for _, name := range []string{"a", "b", "c"} {
		clients[name] = w.connected()
		ss[name] = await(t, sockets)
		ss[name].Data = name
	}
	ss["a"].Join("x", "any text / at all")
	ss["b"].Join("x", "y")
	ss["c"].Join("y")
	n := 0
	check := func(what string, emit func(event string) error, to ...string) {
		t.Helper()
		n++
		event := "e" + strings.Repeat("i", n)
		if err := emit(event); err != nil {
			t.Fatal(err)
		}
		w.io.Emit("end")
		for name, c := range clients {
			if slices.Contains(to, name) {
				c.wants(`42["` + event + `"]`)
			}
			if got := c.wants("42…"); got != `42["end"]` {
				t.Errorf("%s: %s got %s", what, name, got)
			}
		}
	}
	check("all", func(e string) error { return w.io.Emit(e) }, "a", "b", "c")
	check("a room", func(e string) error { return w.io.To("x").Emit(e) }, "a", "b")
	check("two rooms", func(e string) error { return w.io.To("x").To("y").Emit(e) }, "a", "b", "c")
	check("except", func(e string) error { return w.io.To("x").Except("y").Emit(e) }, "a")
	check("all except", func(e string) error { return w.io.Except("x").Emit(e) }, "c")
	check("one socket", func(e string) error { return w.io.To(ss["b"].ID()).Emit(e) }, "b")
	check("no room", func(e string) error { return w.io.To("nobody").Emit(e) })
	check("broadcast", func(e string) error { return ss["a"].Broadcast().Emit(e) }, "b", "c")
	check("of a member", func(e string) error { return ss["b"].To("x").Emit(e) }, "a")
	check("of a member, two rooms", func(e string) error { return ss["b"].To("x", "y").Emit(e) }, "a", "c")
	check("others except", func(e string) error { return ss["a"].Except("y").Emit(e) })
	ss["b"].Leave("x", "never")
	check("after leaving", func(e string) error { return w.io.To("x").Emit(e) }, "a")
	w.io.To("y").Join("z")
	check("joined together", func(e string) error { return w.io.To("z").Emit(e) }, "b", "c")
	if got := ss["b"].Rooms(); len(got) != 3 || !slices.Contains(got, "z") {
		t.Errorf("rooms %q", got)
	}
	if got := w.io.To("z").Sockets(); len(got) != 2 {
		t.Errorf("%d sockets", len(got))
	}
}

// Namespaces are apart, and middleware refuses clients with data.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	admin := w.io.Of("/admin")
	admin.Use(func(s *socketio.Socket) error {
		if string(s.Handshake().Auth) == `{"key":1}` {
			return nil
		}
		return &socketio.ConnectError{Message: "no key", Data: map[string]int{"code": 7}}
	})
	gone := make(chan string, 2)
	admin.OnConnection(func(s *socketio.Socket) {
		s.On("whoami", func(ack socketio.Ack) { ack(s.Namespace().Name()) })
		s.On("bye", func() { s.Disconnect(false) })
		s.OnDisconnect(func(reason string) { gone <- reason })
	})
	c := w.dial()
	c.says("40/nothing,")
	c.wants(`44/nothing,{"message":"Invalid namespace"}`)
	c.says("40/admin,")
	c.wants(`44/admin,{"message":"no key","data":{"code":7}}`)
	c.says(`40/admin,{"key":1}`, "40")
	c.wants(`40/admin,{"sid":"…`, `40{"sid":"…`)
	c.says(`42/admin,1["whoami"]`)
	c.wants(`43/admin,1["/admin"]`)
	w.io.Emit("root")
	admin.Emit("all", []byte{1})
	c.wants(`42["root"]`, `451-/admin,["all",{"_placeholder":true,"num":0}]`, "b:\x01")
	c.says("41/admin,")
	if r := await(t, gone); r != "client namespace disconnect" {
		t.Error(r)
	}
	admin.Emit("nobody")
	c.says(`40/admin,{"key":1}`)
	c.wants(`40/admin,{"sid":"…`)
	c.says(`42/admin,["bye"]`)
	c.wants(`41/admin,`)
	if r := await(t, gone); r != "server namespace disconnect" {
		t.Error(r)
	}
	w.io.Of("/").To().Disconnect(true)
	c.wants("41", "closed 1000 ")
}

// Many events keep their order; a client that sends more than its handlers take is not read.
func TestOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	go1 := make(chan struct{})
	w.io.OnConnection(func(s *socketio.Socket) {
		s.On("n", func(n int) {
			if n == 0 {
				<-go1
			}
			s.Emit("n", n)
		})
	})
	c := w.connected()
	const events = 500
	for n := range events {
		c.says(`42["n",` + strconv.Itoa(n) + `]`)
	}
	close(go1)
	for n := range events {
		c.wants(`42["n",` + strconv.Itoa(n) + `]`)
	}
}

// A client that connects to no namespace, and one that the server disconnects for good.
func TestEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{ConnectTimeout: 10 * time.Millisecond})
	w.dial().wants("closed 4500 bad_request")

	kim := newWorld(t, socketio.Options{})
	gone := make(chan string, 1)
	kim.io.OnConnection(func(s *socketio.Socket) { s.OnDisconnect(func(reason string) { gone <- reason }) })
	c := kim.connected()
	var id string
	for _, s := range kim.io.Sockets() {
		id = s.ID()
	}
	if id == "" {
		t.Error("no socket is listed")
	}
	kim.server.Shutdown(t.Context())
	c.wants("closed 1001 shutting_down")
	if r := await(t, gone); r != "transport close" {
		t.Error(r)
	}
}
