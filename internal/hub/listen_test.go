package hub_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
)

// Issue 16: a form leaves out one connection of a publication, and sends nothing of one that it cannot
// encode; absent sockets are in no presence, and receive what others do.
func TestExceptAndAbsent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, hub.Options{})
		defer w.close()
		var out loop.Conn
		form := w.hub.Register(hub.Form{Name: "rooms",
			Publication: func(_, _ string, p *maru.Publication) *loop.Message {
				if string(p.Data) == "?" {
					return nil
				}
				return forms[bare].Publication("", "", p)
			},
			Except: func(p *maru.Publication) loop.Conn {
				if string(p.Data) == "not one" {
					return out
				}
				return loop.Conn{}
			},
		})
		c := w.hub.Channel("a")
		defer c.Release()
		one, two, three := w.connect(), w.connect(), w.connect()
		out = one.near
		socket := func(of *client, f hub.FormID) hub.Socket {
			s := of.socket(f)
			s.Absent = f == form
			return s
		}
		join(c, socket(one, form))
		join(c, socket(two, form))
		join(c, socket(three, bare))
		if p := w.hub.Presence("a"); p.Anonymous != 1 {
			t.Errorf("presence %+v", p)
		}
		for _, text := range []string{"1", "not one", "?", "2"} {
			w.publish("a", text)
		}
		c.Remove(socket(two, form), false)
		w.publish("a", "3")
		synctest.Wait()
		for i, want := range [][]string{{"1", "2", "3"}, {"1", "not one", "2"}, {"1", "not one", "?", "2", "3"}} {
			if got := []*client{one, two, three}[i].messages(); !slices.Equal(got, want) {
				t.Errorf("client %d got %q, want %q", i, got, want)
			}
		}
		if p := w.hub.Presence("a"); p.Anonymous != 1 {
			t.Errorf("presence at the end %+v", p)
		}
	})
}

// A listener has each publication in order, while no lock of the hub is held: it joins, leaves and
// releases channels.
func TestListen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, hub.Options{})
		defer w.close()
		c, member := w.hub.Channel("a"), w.connect()
		var got []string
		c.Listen(func(d hub.Delivery) {
			got = append(got, string(d.Publication.Data))
			again := w.hub.Channel("a")
			defer again.Release()
			other := w.hub.Channel("b " + string(d.Publication.Data))
			join(other, member.socket(bare))
			if len(got)%2 == 0 {
				other.Remove(member.socket(bare), false)
				other.Release()
			}
		})
		for _, text := range numbers(1, 4) {
			w.publish("a", text)
			w.publish("b "+text, "b "+text)
		}
		c.Listen(nil)
		w.publish("a", "5")
		synctest.Wait()
		if want := numbers(1, 4); !slices.Equal(got, want) {
			t.Errorf("the listener got %q, want %q", got, want)
		}
		if got, want := member.messages(), []string{"b 1", "b 3"}; !slices.Equal(got, want) {
			t.Errorf("the socket got %q, want %q", got, want)
		}
		c.Release()
		if channels, shares := w.hub.Size(); channels != 2 || shares != 2 {
			t.Errorf("%d channels with %d shares are left", channels, shares)
		}
	})
}
