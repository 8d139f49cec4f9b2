package hub_test

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
)

// others notes what the hub asks of other nodes.
type others struct {
	looks   map[string]int
	changed []string
	fails   error
}

func (o *others) Look(channel string)                 { o.looks[channel]++ }
func (o *others) Unlook(channel string)               { o.looks[channel]-- }
func (o *others) Await(context.Context, string) error { return o.fails }
func (o *others) Changed(channel, user string)        { o.changed = append(o.changed, channel+"/"+user) }

// shared is a followed channel with people on another node.
func shared(t *testing.T, o hub.Options) (*followed, *hub.Foreign) {
	r := newFollowed(t, o)
	f := r.hub.Foreign("a")
	t.Cleanup(f.Close)
	return r, f
}

// people are users with one connection each.
func people(anonymous int, users ...string) hub.People {
	p := hub.People{Users: make(map[string]int), SignedIn: len(users), Anonymous: anonymous}
	for _, user := range users {
		p.Users[user]++
	}
	return p
}

// People of other nodes join and leave as those of this node do, and are one person with them.
func TestForeignChanges(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*followed, *hub.Foreign){
		"all of a node, and then the difference": func(r *followed, f *hub.Foreign) {
			f.Set("n", people(1, "kim", "lee"))
			time.Sleep(time.Minute)
			f.Set("n", people(1, "kim", "park"))
			time.Sleep(time.Minute)
			r.want("0>1 +[kim lee] -[] 2/1; 1>2 +[park] -[] 2/1; 2>3 +[] -[lee] 2/1")
		},
		"what is the same is no change": func(r *followed, f *hub.Foreign) {
			f.Set("n", people(0, "kim"))
			f.Set("n", people(0, "kim"))
			f.Change("n", people(0, "kim"))
			f.Remove("other", 0)
			time.Sleep(time.Minute)
			r.want("0>1 +[kim] -[] 1/0")
			if p := r.hub.Presence("a"); p.Version != 1 {
				r.t.Error(p)
			}
		},
		"a person on two nodes is one, until the last connection ends": func(r *followed, f *hub.Foreign) {
			r.join("kim")
			time.Sleep(time.Second)
			f.Set("n", people(0, "kim"))
			r.leave("kim")
			time.Sleep(time.Minute)
			r.want("0>1 +[kim] -[] 1/0")
			f.Change("n", hub.People{Users: map[string]int{"kim": 0}})
			time.Sleep(time.Minute)
			r.want("0>1 +[kim] -[] 1/0; 1>4 +[] -[kim] 0/0")
		},
		"somebody who moves to another node within the grace does not leave": func(r *followed, f *hub.Foreign) {
			f.Set("n", people(0, "kim"))
			time.Sleep(time.Second)
			f.Change("n", hub.People{Users: map[string]int{"kim": 0}})
			time.Sleep(4 * time.Second)
			r.join("kim")
			time.Sleep(time.Minute)
			r.want("0>1 +[kim] -[] 1/0")
		},
		"the people of a node that was silent for the grace leave at once": func(r *followed, f *hub.Foreign) {
			f.Set("n", people(0, "kim"))
			time.Sleep(time.Minute)
			f.Remove("n", 5*time.Second)
			r.want("0>1 +[kim] -[] 1/0; 1>2 +[] -[kim] 0/0")
		},
		"the rest of the grace is waited for": func(r *followed, f *hub.Foreign) {
			f.Set("n", people(0, "kim"))
			f.Set("m", people(0, "lee"))
			time.Sleep(time.Minute)
			f.Remove("m", 0)
			f.Remove("n", 3*time.Second)
			time.Sleep(1999 * time.Millisecond)
			r.want("0>1 +[kim] -[] 1/0; 1>2 +[lee] -[] 2/0")
			time.Sleep(time.Millisecond)
			r.want("0>1 +[kim] -[] 1/0; 1>2 +[lee] -[] 2/0; 2>4 +[] -[kim] 0/0")
			time.Sleep(3 * time.Second)
			r.want("0>1 +[kim] -[] 1/0; 1>2 +[lee] -[] 2/0; 2>4 +[] -[kim] 0/0; 4>5 +[] -[lee] 0/0")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(shared(t, hub.Options{})) })
		})
	}
}

// A node with more people than are named sends numbers, and names again when they are few.
func TestForeignCrowd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, f := shared(t, hub.Options{PresenceNames: 2, PresenceGrace: -1})
		r.join("kim")
		time.Sleep(time.Second)
		f.Set("n", people(0, "lee"))
		time.Sleep(time.Second)
		f.Change("n", hub.People{Crowd: true, SignedIn: 3})
		time.Sleep(time.Second)
		f.Change("n", hub.People{Crowd: true, SignedIn: 4})
		time.Sleep(time.Second)
		if p := r.hub.Presence("a"); p.Users != nil || p.Count != 5 {
			t.Errorf("%+v", p)
		}
		f.Set("n", people(0, "lee"))
		time.Sleep(time.Second)
		r.want("0>1 +[kim] -[] 1/0; 1>2 +[lee] -[] 2/0; 2>3 +[] -[] 4/0; 3>4 +[] -[] 5/0; 4>5 +[lee] -[] 2/0")
		p, err := r.hub.PresenceFollowed(t.Context(), "a")
		if err != nil || len(p.Users) != 2 || p.Version != 5 {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

// The state that other nodes' people keep is no subscription, and it ends with the Foreign.
func TestForeignIsNoSubscriber(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		f := w.hub.Foreign("a")
		f.Set("n", people(2, "kim"))
		if channels, shares := w.hub.Size(); channels != 0 || shares != 0 || w.hub.Space("a").Subscriptions.Load() != 0 {
			t.Errorf("%d channels, %d shares", channels, shares)
		}
		c := w.hub.Channel("a")
		if channels, shares := w.hub.Size(); channels != 1 || shares != 1 {
			t.Errorf("%d channels, %d shares", channels, shares)
		}
		c.Release()
		want := maru.Presence{Channel: "a", Version: 1, Count: 1, Anonymous: 2, Users: []maru.PresentUser{{User: "kim", Connections: 1}}}
		if p := w.hub.Presence("a"); !reflect.DeepEqual(p, want) {
			t.Errorf("%+v", p)
		}
		if own := w.hub.Own("a", nil); own.Anonymous != 0 || len(own.Users) != 0 {
			t.Errorf("people of another node are our own: %+v", own)
		}
		f.Close()
		if p := w.hub.Presence("a"); p.Count+p.Anonymous != 0 || p.Version != 2 {
			t.Errorf("%+v", p)
		}
	})
}

// The hub looks while somebody follows, says which people changed, and passes errors on.
func TestOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		o := &others{looks: make(map[string]int)}
		w.hub.SetOthers(o)
		c := w.hub.Channel("a")
		one, two := w.connect(), w.connect()
		c.Follow(one.near, full)
		c.Follow(two.near, full)
		watch := w.hub.Watch("b")
		if !reflect.DeepEqual(o.looks, map[string]int{"a": 1, "b": 1}) {
			t.Error(o.looks)
		}
		s := one.socket(bare)
		s.User = "kim"
		join(c, s)
		c.Remove(s, false)
		q, _, err := w.hub.Subscribe(t.Context(), "a", hub.Reader{}, maru.HistoryQuery{})
		if err != nil {
			t.Fatal(err)
		}
		q.Close()
		if want := []string{"a/kim", "a/kim", "a/", "a/"}; !slices.Equal(o.changed, want) {
			t.Error(o.changed)
		}
		o.fails = maru.NewError(maru.CodeUnavailable, "away")
		if _, err := w.hub.AwaitPresence(t.Context(), "a"); err != o.fails {
			t.Error(err)
		}
		if _, err := w.hub.PresenceFollowed(t.Context(), "a"); err != o.fails {
			t.Error(err)
		}
		c.Unfollow(one.near, full, false)
		c.Unfollow(two.near, full, false)
		watch.Close()
		c.Release()
		if !reflect.DeepEqual(o.looks, map[string]int{"a": 0, "b": 0}) {
			t.Error(o.looks)
		}
	})
}
