package socketio_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"maru.example/maru/socketio"
)

// returning is a client of a server with recovery: it keeps what it needs to come back.
type returning struct {
	*client
	w                *world
	sid, pid, offset string
}

func recoveryWorld(t *testing.T, o socketio.Recovery) (*world, chan *socketio.Socket) {
	t.Helper()
	w, sockets := newWorld(t, socketio.Options{Recovery: &o}), make(chan *socketio.Socket, 10)
	w.io.OnConnection(func(s *socketio.Socket) {
		s.On("ready", func(ack socketio.Ack) { ack() })
		sockets <- s
	})
	return w, sockets
}

// connects connects by a new connection, with what the client has.
func (r *returning) connects() (recovered bool) {
	r.w.t.Helper()
	r.client = r.w.dial()
	auth := fmt.Sprintf(`{"pid":%q,"offset":%q}`, r.pid, r.offset)
	switch {
	case r.pid == "":
		auth = ""
	case r.offset == "":
		auth = fmt.Sprintf(`{"pid":%q}`, r.pid)
	}
	r.says("40" + auth)
	answer := r.wants(`40{"sid":"…`)
	sid, pid := between(answer, `"sid":"`), between(answer, `"pid":"`)
	recovered = sid == r.sid && pid == r.pid
	r.sid, r.pid = sid, pid
	return recovered
}

func between(s, before string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, `"`)
	return s
}

// isReady waits until the socket's OnConnection has returned: one that breaks before is not kept.
func (r *returning) isReady() {
	r.w.t.Helper()
	r.says(`427["ready"]`)
	for !strings.HasPrefix(r.wants("4…"), "437") {
	}
}

// wantsEvents wants events, which end with an offset, and keeps that.
func (r *returning) wantsEvents(begins ...string) {
	r.w.t.Helper()
	for _, begin := range begins {
		got := r.wants(begin + "…")
		args := strings.Split(strings.TrimSuffix(got, `"]`), `"`)
		r.offset = args[len(args)-1]
	}
}

// breaks ends the connection without a word, and waits until the server has noticed.
func (r *returning) breaks(s *socketio.Socket) {
	r.w.t.Helper()
	r.isReady()
	gone := make(chan string, 1)
	s.OnDisconnect(func(reason string) { gone <- reason })
	r.Terminate()
	await(r.w.t, gone)
}

// A client whose connection broke comes back as the same socket, with what it missed, in order and
// once; and again.
func TestRecovery(t *testing.T) {
	t.Parallel()
	w, sockets := recoveryWorld(t, socketio.Recovery{})
	middleware := make(chan string, 10)
	w.io.Use(func(s *socketio.Socket) error { middleware <- s.ID(); return nil })
	other := &returning{w: w}
	other.connects()
	stays := await(t, sockets)
	c := &returning{w: w}
	c.connects()
	s := await(t, sockets)
	s.Join("room", "a")
	s.Leave("a")
	s.Data = "kim"
	for n := range 2 {
		w.io.Emit("seen", n)
		c.wantsEvents(fmt.Sprintf(`42["seen",%d,"`, n))
		c.breaks(s)
		w.io.Emit("all", n)
		w.io.To("room").Emit("room", []byte{1})
		w.io.To("a").Emit("not in it")
		w.io.Except("room").Emit("not meant")
		w.io.To(s.ID()).Emit("to its id")
		w.io.To("room", "a").Except(stays.ID()).Emit("in one of these")
		stays.Broadcast().Emit("others")
		stays.Emit("not for it")
		w.io.Volatile().Emit("volatile")
		if err := s.Emit("while it is away"); err != nil {
			t.Error(err)
		}
		if err := s.Volatile().Emit("volatile"); err != nil {
			t.Error(err)
		}
		if !c.connects() {
			t.Fatal("not recovered")
		}
		s = await(t, sockets)
		w.io.Emit("live")
		c.wantsEvents(fmt.Sprintf(`42["all",%d,"`, n), `451-["room",`, "b:\x01")
		c.wantsEvents(`42["to its id","`, `42["in one of these","`, `42["others","`, `42["while it is away","`, `42["live","`)
		if !s.Recovered() || s.ID() != c.sid || s.Data != "kim" || !slices.Contains(s.Rooms(), "room") || len(s.Rooms()) != 2 {
			t.Errorf("recovered %t, %s, %v, %q", s.Recovered(), s.ID(), s.Data, s.Rooms())
		}
	}
	if len(middleware) != 2 {
		t.Errorf("middleware was called %d times, want for the two new sockets", len(middleware))
	}
	for got := ""; !strings.HasPrefix(got, `42["now"`); { // dropped while something waits
		s.Volatile().Emit("now")
		s.Emit("own")
		if got = c.wants("42…"); strings.HasPrefix(got, `42["now"`) {
			c.offset = between(got, `"now","`)
			c.wants(`42["own",…`)
		}
	}
	c.breaks(s)
	if !c.connects() || await(t, sockets) == nil {
		t.Error("not recovered after a volatile event")
	}
	c.wantsEvents(`42["own","`) // it has the offset of the event before the volatile one
}

// The client comes back before the server has noticed the break, and before it has got any event.
func TestRecoveryBeforeTheEnd(t *testing.T) {
	t.Parallel()
	w, sockets := recoveryWorld(t, socketio.Recovery{Middleware: true})
	w.io.Use(func(*socketio.Socket) error { return nil })
	c := &returning{w: w}
	c.connects()
	s, first := await(t, sockets), c.client
	reasons := make(chan string, 2)
	s.OnDisconnect(func(reason string) { reasons <- reason })
	c.isReady()
	w.io.Emit("lost", 1)
	first.wants(`42["lost",1,"…`) // what is not written yet would be cut
	if !c.connects() {
		t.Fatal("not recovered")
	}
	c.wantsEvents(`42["lost",1,"`)
	if r := await(t, reasons); r != "transport close" {
		t.Error(r)
	}
	first.wants("closed …")
	if again := await(t, sockets); again == s || again.ID() != s.ID() || len(w.io.Sockets()) != 1 {
		t.Errorf("%d sockets", len(w.io.Sockets()))
	}
	if len(reasons) > 0 {
		t.Error("the end was notified twice")
	}
}

// Clients that do not come back as the same socket.
func TestRecoveryIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		o      socketio.Recovery
		change func(w *world, c *returning, s *socketio.Socket)
	}{
		"another pid":       {change: func(_ *world, c *returning, s *socketio.Socket) { c.breaks(s); c.pid = "x" }},
		"another epoch":     {change: func(_ *world, c *returning, s *socketio.Socket) { c.breaks(s); c.offset = "x.1" }},
		"an unknown offset": {change: func(_ *world, c *returning, s *socketio.Socket) { c.breaks(s); c.offset += "1" }},
		"too late":          {o: socketio.Recovery{MaxDisconnection: time.Nanosecond}, change: func(_ *world, c *returning, s *socketio.Socket) { c.breaks(s) }},
		"too much":          {o: socketio.Recovery{MaxBytes: 200}, change: func(w *world, c *returning, s *socketio.Socket) { c.breaks(s); w.io.Emit(strings.Repeat("x", 200)) }},
		"it has left": {change: func(_ *world, c *returning, s *socketio.Socket) {
			gone := make(chan string, 1)
			s.OnDisconnect(func(reason string) { gone <- reason })
			c.says("41")
			<-gone
		}},
		"the server has ended it": {change: func(_ *world, c *returning, _ *socketio.Socket) {
			c.says("40") // twice
			c.wants("41", "closed …")
		}},
		"it was disconnected": {change: func(_ *world, c *returning, s *socketio.Socket) { s.Disconnect(true) }},
		"the second time": {change: func(w *world, c *returning, s *socketio.Socket) {
			c.breaks(s)
			pid := c.pid
			c.connects()
			c.says("41")
			c.client = w.connected() // the loop has read 41
			c.pid = pid
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, sockets := recoveryWorld(t, c.o)
			r := &returning{w: w}
			r.connects()
			s := await(t, sockets)
			w.io.Emit("e")
			r.wantsEvents(`42["e","`)
			stays := &returning{w: w} // so that events are kept
			stays.connects()
			c.change(w, r, s)
			if r.connects() {
				t.Error("recovered")
			}
		})
	}
}

// What is kept for a client that does not come back is forgotten, and the channel with it.
func TestRecoveryForgets(t *testing.T) {
	t.Parallel()
	w, sockets := recoveryWorld(t, socketio.Recovery{MaxDisconnection: time.Nanosecond})
	c := &returning{w: w}
	c.connects()
	c.breaks(await(t, sockets))
	ticks, end := time.NewTicker(10*time.Millisecond), time.After(patience)
	defer ticks.Stop()
	for {
		channels, _ := w.hub.Size()
		if channels == 0 {
			return
		}
		select {
		case <-ticks.C:
		case <-end:
			t.Fatalf("%d channels are left", channels)
		}
	}
}

// A client keeps its offset also when it comes as a new socket: what was emitted before that one is not
// for it.
func TestRecoveryWithAnOldOffset(t *testing.T) {
	t.Parallel()
	w, sockets := recoveryWorld(t, socketio.Recovery{})
	stays := &returning{w: w} // so that events are kept
	stays.connects()
	await(t, sockets)
	c := &returning{w: w}
	c.connects()
	w.io.Emit("first")
	c.wantsEvents(`42["first","`)
	c.breaks(await(t, sockets))
	w.io.Emit("before")
	c.pid = "x"
	if c.connects() {
		t.Fatal("recovered")
	}
	c.breaks(await(t, sockets))
	w.io.Emit("missed")
	if !c.connects() {
		t.Fatal("not recovered")
	}
	c.wantsEvents(`42["missed","`)
}

// What a client has missed is forgotten while middleware is called for it. It is not sent the id that it
// had: it would take itself for recovered.
func TestRecoveryForgottenMeanwhile(t *testing.T) {
	t.Parallel()
	w, sockets := recoveryWorld(t, socketio.Recovery{Middleware: true, MaxBytes: 200})
	entered, leave := make(chan bool), make(chan bool)
	w.io.Use(func(s *socketio.Socket) error {
		if s.Recovered() {
			entered <- true
			<-leave
		}
		return nil
	})
	stays := &returning{w: w} // so that events are kept
	stays.connects()
	await(t, sockets)
	c := &returning{w: w}
	c.connects()
	c.breaks(await(t, sockets))
	c.client = w.dial()
	c.says(fmt.Sprintf(`40{"pid":%q}`, c.pid))
	await(t, entered)
	w.io.Emit(strings.Repeat("x", 200))
	leave <- true
	c.wants("closed 4408 slow")
}
