package socketio_test

import (
	"strconv"
	"strings"
	"sync"
	"testing"

	"maru.example/maru/socketio"
)

// Issue 16: when Disconnect has returned, the socket has left. So middleware that disconnects it stops
// the event, a second Disconnect sends nothing, and the client may connect again at once.
func TestDisconnectIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	handled := make(chan bool, 1)
	w.io.OnConnection(func(s *socketio.Socket) {
		s.Use(func(event string, _ []socketio.Arg) error {
			if event == "bye" {
				s.Disconnect(false)
				if s.Connected() {
					t.Error("it is connected after Disconnect")
				}
				s.Disconnect(false)
			}
			return nil
		})
		s.On("bye", func() { handled <- true })
		s.On("sync", func(ack socketio.Ack) { ack() })
	})
	c := w.connected()
	c.says(`42["bye"]`)
	c.wants("41")
	c.says("40", `421["sync"]`)
	c.wants(`40{"sid":"…`, "431[]")
	if len(handled) > 0 {
		t.Error("the event was handled after its socket was disconnected")
	}
}

// A function that is added while the socket ends is called, too.
func TestOnDisconnectMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	for range 20 {
		_, s := w.member()
		var called sync.WaitGroup
		called.Add(200)
		for i := range 200 {
			if i == 20 {
				go s.Disconnect(true)
			}
			s.OnDisconnect(func(string) { called.Done() })
		}
		done := make(chan bool)
		go func() { called.Wait(); close(done) }()
		await(t, done)
	}
}

// An OnError that panics ends nothing.
func TestOnErrorPanics(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	w.io.OnConnection(func(s *socketio.Socket) {
		s.OnError(func(string, error) { panic("a mistake in it") })
		s.On("bad", func() { panic("a mistake") })
		s.On("number", func(n int, ack socketio.Ack) { ack(n) })
	})
	c := w.connected()
	c.says(`42["bad"]`, `42["number","x"]`, `421["number",5]`)
	c.wants("431[5]")
}

// A client that invents namespaces is in a bounded number of them.
func TestNamespacesOfOneClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{RemoveEmpty: true})
	p := w.io.OfMatch(func(string) bool { return true })
	c := w.dial()
	for i := range 128 {
		name := "/n" + strconv.Itoa(i)
		c.says("40" + name + ",")
		c.wants("40" + name + ",{…")
	}
	c.says("40/more,")
	c.wants(`44/more,{"message":"too many namespaces on this connection (limit 128)"}`)
	if n := len(p.Namespaces()); n != 128 {
		t.Errorf("%d namespaces", n)
	}
	c.says("41/n7,", "40/more,")
	c.wants("40/more,{…")
	c.says("40/" + strings.Repeat("n", 300) + ",") // longer than a name may be, whatever the pattern says
	c.wants("closed 4500 …")
}
