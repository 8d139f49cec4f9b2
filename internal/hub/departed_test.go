package hub_test

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
)

// Somebody who begins to follow a presence takes people for present who have just left a node of the
// cluster: they may be on their way to another one. If they do not come they leave at the end of the grace.
func TestFollowWhilePeopleMove(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		alone  bool
		before func(*world, *hub.Foreign)
		after  func(*world, *hub.Foreign)
		first  []string
		news   string
	}{
		"they left another node, and come here": {
			before: func(w *world, f *hub.Foreign) {
				f.Set("n", people(0, "kim"))
				f.Change("n", hub.People{Users: map[string]int{"kim": 0}})
			},
			after: func(w *world, f *hub.Foreign) { w.stay("kim") },
			first: []string{"kim"},
		},
		"another node says that they have just left": {
			before: func(w *world, f *hub.Foreign) { f.Set("n", hub.People{Users: map[string]int{"kim": 0}}) },
			after:  func(w *world, f *hub.Foreign) { f.Set("m", people(0, "kim")) },
			first:  []string{"kim"},
		},
		"another node ends": {
			before: func(w *world, f *hub.Foreign) { f.Set("n", people(0, "kim")); f.Remove("n", 0) },
			first:  []string{"kim"},
			news:   "2>3 +[] -[kim] 0/0",
		},
		"another node was silent for the grace": {
			before: func(w *world, f *hub.Foreign) { f.Set("n", people(0, "kim")); f.Remove("n", 5*time.Second) },
		},
		"they left this node": {
			before: func(w *world, f *hub.Foreign) { w.stay("kim")() },
			first:  []string{"kim"},
			news:   "2>3 +[] -[kim] 0/0",
		},
		"they left this node, and are on another one": {
			before: func(w *world, f *hub.Foreign) { leave := w.stay("kim"); f.Set("n", people(0, "kim")); leave() },
			first:  []string{"kim"},
		},
		"their grace is over": {
			before: func(w *world, f *hub.Foreign) { w.stay("kim")(); time.Sleep(5 * time.Second) },
		},
		"there are no other nodes": {
			alone:  true,
			before: func(w *world, f *hub.Foreign) { w.stay("kim")() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, hub.Options{})
				if !tt.alone {
					w.hub.SetOthers(&others{looks: make(map[string]int)})
				}
				f := w.hub.Foreign("a")
				t.Cleanup(f.Close)
				tt.before(w, f)
				time.Sleep(time.Second)
				r := w.follow()
				var first []string
				for _, u := range r.first.Users {
					first = append(first, u.User)
				}
				if !slices.Equal(first, tt.first) {
					t.Errorf("first %v", first)
				}
				if tt.after != nil {
					tt.after(w, f)
				}
				time.Sleep(time.Minute)
				r.want(tt.news)
			})
		})
	}
}

// stay subscribes a user to the channel a, until the returned function is called.
func (w *world) stay(user string) (leave func()) {
	q, _, err := w.hub.Subscribe(w.t.Context(), "a", hub.Reader{User: user}, maru.HistoryQuery{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(q.Close)
	return q.Close
}

// A node names the people that have left it within the grace, also if the channel has nobody left, but not
// those that have left other nodes.
func TestOwnDeparted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		w.hub.SetOthers(&others{looks: make(map[string]int)})
		want := func(want map[string]int) {
			t.Helper()
			if own := w.hub.Own("a", nil); own.SignedIn != 0 || !maps.Equal(own.Users, want) {
				t.Errorf("%+v, want %v", own, want)
			}
		}
		w.stay("kim")()
		time.Sleep(3 * time.Second)
		w.stay("")()
		w.stay("lee")()
		f := w.hub.Foreign("a")
		f.Set("n", people(0, "park"))
		f.Remove("n", 0)
		f.Close()
		want(map[string]int{"kim": 0, "lee": 0})
		time.Sleep(2 * time.Second)
		want(map[string]int{"lee": 0})
		w.stay("kim")()
		time.Sleep(3 * time.Second)
		want(map[string]int{"kim": 0})
		time.Sleep(2 * time.Second)
		want(map[string]int{})
	})
}
