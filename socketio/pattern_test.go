package socketio_test

import (
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"maru.example/maru/server"
	"maru.example/maru/socketio"
)

var shops = regexp.MustCompile(`^/shop-\d+$`).MatchString

// Namespaces by pattern: each is made when a client connects to it, with the middleware and handlers
// of the pattern.
func TestPattern(t *testing.T) {
	t.Parallel()
	for _, removes := range []bool{false, true} {
		w := newWorld(t, socketio.Options{RemoveEmpty: removes})
		p := w.io.OfMatch(shops)
		w.io.OfMatch(func(string) bool { panic("a mistake of the program") })
		w.io.OfMatch(func(string) bool { return true }).Use(func(*socketio.Socket) error { return errors.New("the second pattern") })
		var open atomic.Bool
		p.Use(func(s *socketio.Socket) error {
			if open.Load() {
				return nil
			}
			return errors.New("closed")
		})
		gone := make(chan string, 2)
		p.OnConnection(func(s *socketio.Socket) {
			s.Join("x")
			s.Emit("welcome", s.Namespace().Name())
			s.OnDisconnect(func(string) { gone <- s.Namespace().Name() })
		})
		c := w.dial()
		c.says("40/other,", "40/shop-1,")
		c.wants(`44/other,{"message":"the second pattern"}`, `44/shop-1,{"message":"closed"}`)
		c.says("40/other,") // whose answer comes when the refusal before is done
		c.wants(`44/other,{"message":"the second pattern"}`)
		open.Store(true)
		if got := len(p.Namespaces()); got != map[bool]int{true: 0, false: 1}[removes] {
			t.Errorf("%d namespaces after a refusal; empty ones are removed: %v", got, removes)
		}
		two := w.io.Of("/shop-2")
		two.OnConnection(func(s *socketio.Socket) { s.Emit("welcome to two") })
		c.says("40/shop-1,", "40/shop-2,")
		c.wants(`40/shop-1,{…`, `42/shop-1,["welcome","/shop-1"]`, `40/shop-2,{…`, `42/shop-2,["welcome","/shop-2"]`, `42/shop-2,["welcome to two"]`)
		w.io.Of("/shop-1").To("x").Emit("one")
		c.wants(`42/shop-1,["one"]`)
		if err := p.Emit("all"); err != nil {
			t.Error(err)
		}
		if a, b := c.wants("42…"), c.wants("42…"); a != `42/shop-1,["all"]` && b != `42/shop-1,["all"]` || a == b {
			t.Errorf("got %s and %s", a, b)
		}
		c.says("41/shop-1,")
		await(t, gone)
		if got := len(p.Namespaces()); got != map[bool]int{true: 1, false: 2}[removes] {
			t.Errorf("%d namespaces are left; empty ones are removed: %v", got, removes)
		}
		c.says("40/shop-1,")
		c.wants(`40/shop-1,{…`, `42/shop-1,["welcome","/shop-1"]`)
	}
}

// A namespace that no client could ask for is a mistake of the program.
func TestNamespaceNames(t *testing.T) {
	t.Parallel()
	io := socketio.New(socketio.Options{})
	for name, valid := range map[string]bool{
		"/": true, "/방": true, "/a b/c": true, "/" + strings.Repeat("n", 254): true,
		"": false, "a": false, "/a,b": false, "/a?b": false, "/\xff": false, "/" + strings.Repeat("n", 255): false,
	} {
		func() {
			defer func() {
				if refused := recover() != nil; refused == valid {
					t.Errorf("%q: refused %v", name, refused)
				}
			}()
			io.Of(name)
		}()
	}
}

// A larger MaxPayload than the server takes is not promised to clients.
func TestMaxPayload(t *testing.T) {
	t.Parallel()
	for set, want := range map[int64]string{0: "5000", 4000: "4000", 6000: "5000"} {
		w := newWorldOn(t, socketio.Options{MaxPayload: set}, server.Options{MaxMessageBytes: 5000})
		resp, err := http.Get("http://" + w.host + "/socket.io/?EIO=4&transport=polling")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := `"maxPayload":` + want + "}"; err != nil || !strings.HasSuffix(string(b), got) {
			t.Errorf("%d: %s, %v; want %s", set, b, err, got)
		}
	}
}
