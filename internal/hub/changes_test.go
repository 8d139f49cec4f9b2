package hub_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/hub"

	"pgregory.net/rapid"
)

// followed is a channel with a follower; begun is the start of the test.
type followed struct {
	*world
	channel  *hub.Channel
	follower *client
	sockets  map[string][]hub.Socket
	first    maru.Presence
	begun    time.Time
}

func newFollowed(t *testing.T, o hub.Options) *followed { return newWorld(t, o).follow() }

// follow begins to follow the channel a.
func (w *world) follow() *followed {
	r := &followed{world: w, channel: w.hub.Channel("a"), follower: w.connect(), sockets: make(map[string][]hub.Socket), begun: time.Now()}
	r.first = r.channel.Follow(r.follower.near, full)
	w.t.Cleanup(func() {
		r.channel.Unfollow(r.follower.near, full, false)
		r.channel.Release()
	})
	return r
}

func (r *followed) join(user string) {
	s := r.connect().socket(bare)
	s.User = user
	join(r.channel, s)
	r.sockets[user] = append(r.sockets[user], s)
}

func (r *followed) leave(user string) {
	all := r.sockets[user]
	r.sockets[user] = all[:len(all)-1]
	r.channel.Remove(all[len(all)-1], true)
}

// news returns the received changes, one line each.
func (r *followed) news() string {
	synctest.Wait()
	var lines []string
	for _, m := range r.follower.messages() {
		var push struct {
			Channel  string
			Presence struct {
				Version, Prev    uint64
				Joined, Left     []string
				Count, Anonymous int
			}
		}
		if err := json.Unmarshal([]byte(m), &push); err != nil || push.Channel != "a" {
			r.t.Fatal(m, err)
		}
		p := push.Presence
		slices.Sort(p.Joined)
		slices.Sort(p.Left)
		lines = append(lines, fmt.Sprintf("%d>%d +%v -%v %d/%d", p.Prev, p.Version, p.Joined, p.Left, p.Count, p.Anonymous))
	}
	return strings.Join(lines, "; ")
}

func (r *followed) want(want string) {
	r.t.Helper()
	if got := r.news(); got != want {
		r.t.Errorf("after %v: got %s, want %s", time.Since(r.begun), got, want)
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*followed){
		"the first change is sent at once, those of the next 250 ms together": func(r *followed) {
			r.join("kim")
			r.want("0>1 +[kim] -[] 1/0")
			r.join("lee")
			r.join("")
			time.Sleep(249 * time.Millisecond)
			r.want("0>1 +[kim] -[] 1/0")
			time.Sleep(time.Millisecond)
			r.want("0>1 +[kim] -[] 1/0; 1>3 +[lee] -[] 2/1")
		},
		"reloading a page sends nothing": func(r *followed) {
			r.join("kim")
			time.Sleep(time.Second)
			r.leave("kim")
			time.Sleep(4999 * time.Millisecond)
			r.join("kim")
			time.Sleep(time.Minute)
			r.want("0>1 +[kim] -[] 1/0")
		},
		"a person who does not return has left after the grace": func(r *followed) {
			r.join("kim")
			time.Sleep(time.Second)
			r.leave("kim")
			time.Sleep(4999 * time.Millisecond)
			r.want("0>1 +[kim] -[] 1/0")
			time.Sleep(time.Millisecond)
			r.want("0>1 +[kim] -[] 1/0; 1>2 +[] -[kim] 0/0")
		},
		"each leave has its own grace": func(r *followed) {
			r.join("kim")
			time.Sleep(time.Second)
			r.leave("kim")
			time.Sleep(3 * time.Second)
			r.join("kim")
			r.leave("kim")
			time.Sleep(4999 * time.Millisecond)
			r.want("0>1 +[kim] -[] 1/0")
			time.Sleep(time.Millisecond)
			r.want("0>1 +[kim] -[] 1/0; 1>4 +[] -[kim] 0/0")
		},
		"the end of a grace has a version of its own, also after another change": func(r *followed) {
			r.join("kim")
			time.Sleep(time.Second)
			r.leave("kim")
			r.join("lee")
			time.Sleep(time.Minute)
			r.want("0>1 +[kim] -[] 1/0; 1>3 +[lee] -[] 1/0; 3>4 +[] -[kim] 1/0")
		},
		"two tabs are one person": func(r *followed) {
			r.join("kim")
			time.Sleep(time.Second)
			r.join("kim")
			r.leave("kim")
			time.Sleep(time.Minute)
			r.want("0>1 +[kim] -[] 1/0")
		},
		"joins and leaves between two messages cancel out, and anonymous clients have no grace": func(r *followed) {
			r.join("")
			r.join("")
			r.leave("")
			time.Sleep(time.Second)
			r.want("0>1 +[] -[] 0/1")
			r.leave("")
			r.want("0>1 +[] -[] 0/1; 1>4 +[] -[] 0/0")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(newFollowed(t, hub.Options{})) })
		})
	}
}

func TestChangesOfMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newFollowed(t, hub.Options{PresenceNames: 2, PresenceGrace: -1})
		for _, user := range []string{"a", "b", "c"} {
			r.join(user)
			time.Sleep(time.Second)
		}
		r.want("0>1 +[a] -[] 1/0; 1>2 +[b] -[] 2/0; 2>3 +[] -[] 3/0")
		if p := r.hub.Presence("a"); p.Users != nil || p.Count != 3 {
			t.Errorf("%+v", p)
		}
		if p, err := r.hub.PresenceFollowed(t.Context(), "a"); err != nil || p.Users != nil || p.Count != 3 || p.Version != 3 {
			t.Errorf("%+v", p)
		}
	})
}

// 20,000 joins in a channel do not send 20,000 messages to each follower.
func TestRushIsBatched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newFollowed(t, hub.Options{})
		s := r.connect().socket(bare)
		for i := range 20_000 {
			s.User = fmt.Sprint(i)
			join(r.channel, s)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(r.follower.messages()); n != 2 {
			t.Errorf("%d messages", n)
		}
		for i := range 20_000 {
			s.User = fmt.Sprint(i)
			r.channel.Remove(s, true)
		}
	})
}

// A follower that begins at any time and applies every change ends with the current presence, and
// never misses a change.
func TestFollowersAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		rapid.SyncTest(rt, func(rt *rapid.T) {
			agree(t, rt)
		})
	})
}

func agree(t *testing.T, rt *rapid.T) {
	w := openWorld(t, hub.Options{})
	defer w.close()
	c := w.hub.Channel("a")
	defer c.Release()
	s := w.connect().socket(bare)
	users := []string{"", "kim", "lee", "park"}
	present := make(map[string]int)
	type follower struct {
		*client
		first maru.Presence
	}
	var followers []follower
	follow := func() {
		f := follower{client: w.connect()}
		f.first = c.Follow(f.near, full)
		followers = append(followers, f)
	}
	follow()
	for range rapid.IntRange(1, 40).Draw(rt, "steps") {
		s.User = rapid.SampledFrom(users).Draw(rt, "user")
		switch rapid.IntRange(0, 4).Draw(rt, "do") {
		case 0, 1:
			join(c, s)
			present[s.User]++
		case 2, 3:
			if present[s.User] > 0 {
				c.Remove(s, true)
				present[s.User]--
			}
		case 4:
			follow()
		}
		time.Sleep(time.Duration(rapid.SampledFrom([]int{0, 0, 1, 100, 3000, 6000}).Draw(rt, "ms")) * time.Millisecond)
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	for _, f := range followers {
		here, version, anonymous := make(map[string]bool), f.first.Version, f.first.Anonymous
		for _, u := range f.first.Users {
			here[u.User] = true
		}
		for _, m := range f.messages() {
			var push struct {
				Presence struct {
					Version, Prev uint64
					Joined, Left  []string
					Anonymous     int
				}
			}
			if err := json.Unmarshal([]byte(m), &push); err != nil {
				rt.Fatal(err)
			}
			p := push.Presence
			if p.Prev != version {
				rt.Fatalf("a follower at version %[3]d received a change from %[1]d to %[2]d", p.Prev, p.Version, version)
			}
			version, anonymous = p.Version, p.Anonymous
			for _, u := range p.Joined {
				if here[u] {
					rt.Fatalf("%s joined twice", u)
				}
				here[u] = true
			}
			for _, u := range p.Left {
				if !here[u] {
					rt.Fatalf("%s left twice", u)
				}
				delete(here, u)
			}
		}
		for _, u := range users[1:] {
			if here[u] != (present[u] > 0) {
				rt.Fatalf("%s: %v, want %d", u, here[u], present[u])
			}
		}
		if anonymous != present[""] {
			rt.Fatalf("%d anonymous, want %d", anonymous, present[""])
		}
		c.Unfollow(f.near, full, false)
	}
}
