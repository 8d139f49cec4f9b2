package socketio_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"maru.example/maru/socketio"
)

// Several handlers of one event are called in their order; Once, Off and off remove them.
func TestSeveralHandlers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	w.io.OnConnection(func(s *socketio.Socket) {
		var calls []string
		note := func(name string) func(string) { return func(x string) { calls = append(calls, name+x) } }
		s.On("e", note("a"))
		s.Once("e", note("b"))
		offC := s.On("e", note("c"))
		socketio.Handle(s, "e", note("d"))
		s.Once("e", func(s string, ack socketio.Ack) { ack("first") })
		s.On("e", func(s string, ack socketio.Ack) { ack("second") })
		s.On("off", func(what string) {
			switch what {
			case "c":
				offC()
				offC()
			case "":
				s.Off()
			default:
				s.Off(what, "unknown")
			}
		})
		s.On("names", func(ack socketio.Ack) { ack(s.EventNames()) })
		s.On("calls", func(ack socketio.Ack) { ack(strings.Join(calls, " ")); calls = nil })
	})
	c := w.connected()
	c.says(`420["e","1"]`, `421["e","2"]`, `422["calls"]`)
	c.wants(`430["first"]`, `431["second"]`, `432["a1 b1 c1 d1 a2 c2 d2"]`)
	c.says(`42["off","c"]`, `423["e","3"]`, `424["calls"]`)
	c.wants(`433["second"]`, `434["a3 d3"]`)
	c.says(`42["off","e"]`, `425["e","4"]`, `426["calls"]`, `428["names"]`)
	c.wants(`436[""]`, `438[["calls","names","off"]]`)
	c.says(`42["off",""]`, `427["calls"]`)
	w.io.Emit("end")
	c.wants(`42["end"]`)
}

// counted counts how often it is decoded.
type counted struct{ Name string }

var decodings atomic.Int64

func (c *counted) UnmarshalJSON(b []byte) error {
	decodings.Add(1)
	return json.Unmarshal(b, &c.Name)
}

// Handlers of one event share what was decoded: issue 16, "arguments decoded once per type". One whose
// arguments do not fit does not keep the others from being called.
func TestArgumentsAreDecodedOncePerType(t *testing.T) {
	t.Parallel()
	failed := make(chan string, 10)
	w := newWorld(t, socketio.Options{Failed: func(_ *socketio.Socket, event string, err error) { failed <- err.Error() }})
	w.io.OnConnection(func(s *socketio.Socket) {
		s.On("e", func(a, b counted) { s.Emit("got", a.Name, b.Name) })
		s.On("e", func(a counted) { s.Emit("got", a.Name) })
		s.On("e", func(a int) { s.Emit("got", a) })
		s.On("e", func(a *counted, rest ...counted) { s.Emit("got", a.Name, rest[0].Name) })
		s.On("e", func(a int) { s.Emit("got", a) })
	})
	c := w.connected()
	before := decodings.Load()
	c.says(`42["e","x","y"]`)
	c.wants(`42["got","x","y"]`, `42["got","x"]`, `42["got","x","y"]`)
	for range 2 {
		if got := await(t, failed); !strings.Contains(got, "argument 1") {
			t.Error(got)
		}
	}
	if n := decodings.Load() - before; n != 3 { // x as counted and as *counted, y as counted
		t.Errorf("decoded %d times, want 3", n)
	}
}

// OnAny is called before middleware, and that before the handlers. An error of middleware is the
// event's end and goes to OnError; npm socket.io has the event "error".
func TestEventMiddleware(t *testing.T) {
	t.Parallel()
	failed := make(chan string, 10)
	w := newWorld(t, socketio.Options{Failed: func(_ *socketio.Socket, event string, err error) { failed <- event }})
	w.io.OnConnection(func(s *socketio.Socket) {
		s.PrependAny(func(event string, args []socketio.Arg) { s.Emit("any 1", event, len(args)) })
		s.PrependAny(func(event string, args []socketio.Arg) { s.Emit("any 0", event) })
		off := s.OnAny(func(string, []socketio.Arg) { s.Emit("never") })
		off()
		s.Use(func(event string, args []socketio.Arg) error {
			if event == "forbidden" {
				return errors.New("not allowed")
			}
			if len(args) > 0 {
				args[0] = socketio.Arg{JSON: []byte(`"replaced"`)}
			}
			return nil
		})
		s.Use(func(event string, _ []socketio.Arg) error {
			switch event {
			case "panic":
				panic("oops")
			case "leave":
				s.Disconnect(false)
			}
			s.Emit("second")
			return nil
		})
		for _, event := range []string{"forbidden", "allowed", "panic", "leave"} {
			s.On(event, func(text string) { s.Emit("handled", text) })
		}
		s.On("quiet", func() { s.OffAny() })
		s.On("own", func() {
			s.OnError(func(event string, err error) { s.Emit("failed", event, err.Error()) })
		})
	})
	c := w.connected()
	c.says(`42["allowed","x"]`)
	c.wants(`42["any 0","allowed"]`, `42["any 1","allowed",1]`, `42["second"]`, `42["handled","replaced"]`)
	c.says(`42["quiet"]`)
	c.wants(`42["any 0","quiet"]`, `42["any 1","quiet",0]`, `42["second"]`)
	for _, event := range []string{"forbidden", "panic"} {
		c.says(fmt.Sprintf(`42[%q]`, event))
		if got := await(t, failed); got != event {
			t.Errorf("%s failed, want %s", got, event)
		}
	}
	c.says(`42["own"]`, `42["forbidden"]`, `42["leave"]`)
	c.wants(`42["second"]`, `42["failed","forbidden","not allowed"]`, `41`)
	c.says(`40`)
	c.wants(`40{"sid":"…`)
	if len(failed) > 0 {
		t.Error("Options.Failed was called, too")
	}
}

// OnAnyOutgoing gets what is emitted to the socket, alone, with others, and with an ack; not acks.
func TestOutgoing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	sockets, out := make(chan *socketio.Socket, 1), make(chan string, 20)
	w.io.OnConnection(func(s *socketio.Socket) { sockets <- s })
	c := w.connected()
	s := await(t, sockets)
	off := s.OnAnyOutgoing(func(event string, args []any) { out <- fmt.Sprint(event, args) })
	w.connected()
	other := await(t, sockets)
	s.Join("room")
	s.On("ask", func(ack socketio.Ack) { ack("no event") })
	s.Emit("one", 1, nil)
	s.Send("text")
	w.io.Emit("all")
	w.io.To("room").Send(2)
	other.Broadcast().Emit("others")
	s.Broadcast().Emit("not to it")
	other.Emit("not to it")
	w.io.To("empty").Emit("not to it")
	c.says(`421["ask"]`)
	c.wants(`42["one",1,null]`, `42["message","text"]`, `42["all"]`, `42["message",2]`, `42["others"]`, `431["no event"]`)
	go s.EmitWithAck(t.Context(), "asked")
	c.wants(`420["asked"]`)
	off()
	s.Emit("off")
	s.OnAnyOutgoing(func(string, []any) { out <- "second" })
	s.PrependAnyOutgoing(func(string, []any) { out <- "first" })
	w.io.Emit("both")
	s.OffAnyOutgoing()
	w.io.Emit("off")
	c.wants(`42["off"]`, `42["both"]`, `42["off"]`)
	close(out)
	got := slices.Collect(func(yield func(string) bool) {
		for o := range out {
			if !yield(o) {
				return
			}
		}
	})
	if want := []string{"one[1 <nil>]", "message[text]", "all[]", "message[2]", "others[]", "asked[]", "first", "second"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Reserved names are found when they are used: clients refuse such events, and no client sends them.
func TestReservedEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	sockets := make(chan *socketio.Socket, 1)
	w.io.OnConnection(func(s *socketio.Socket) { sockets <- s })
	w.connected()
	s := await(t, sockets)
	for _, event := range []string{"connect", "connect_error", "disconnect", "disconnecting"} {
		if s.Emit(event) == nil || w.io.Emit(event) == nil {
			t.Errorf("%s was emitted", event)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s has a handler", event)
				}
			}()
			s.On(event, func() {})
		}()
	}
}

// Before a socket has left its rooms, OnDisconnecting can notify the others in them.
func TestDisconnecting(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*client, *socketio.Socket){
		"client namespace disconnect": func(c *client, _ *socketio.Socket) { c.says("41") },
		"server namespace disconnect": func(_ *client, s *socketio.Socket) { s.Disconnect(true) },
		"transport close":             func(c *client, _ *socketio.Socket) { c.Terminate() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, socketio.Options{})
			sockets, gone := make(chan *socketio.Socket, 1), make(chan string, 10)
			w.io.OnConnection(func(s *socketio.Socket) {
				s.Join("room")
				s.OnDisconnecting(func(reason string) {
					for _, room := range s.Rooms() {
						if room != s.ID() {
							s.To(room).Emit("left", room, reason)
						}
					}
				})
				s.OnDisconnect(func(reason string) { gone <- fmt.Sprint(reason, s.Rooms(), s.Connected()) })
				sockets <- s
			})
			other := w.connected()
			await(t, sockets)
			c := w.connected()
			s := await(t, sockets)
			if !s.Connected() {
				t.Error("not connected")
			}
			leave(c, s)
			other.wants(fmt.Sprintf(`42["left","room",%q]`, name))
			if got := await(t, gone); got != name+"[] false" {
				t.Errorf("%s", got)
			}
			s.OnDisconnect(func(reason string) { gone <- "late: " + reason })
			if got := await(t, gone); got != "late: "+name {
				t.Errorf("%s", got)
			}
			s.Join("room")
			if got := s.Rooms(); len(got) > 0 {
				t.Errorf("it has joined %q after its end", got)
			}
		})
	}
}
