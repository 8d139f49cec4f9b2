package oracle

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/tests/e2e/program"
)

const (
	// quietTime is the time in which presence is true again everywhere when nothing happens any more.
	quietTime = 10 * time.Second
	// between is how many events come between two checks of that.
	between = 10
	// pace is for how long a publisher waits after each publication in a cluster.
	pace = 120 * time.Millisecond
)

// Issue 17: three nodes lose nothing, whatever happens to them, to the servers of NATS, and between
// them, and their presence is true when it is quiet.
func TestCluster(t *testing.T) {
	program.InOwnStep(t)
	defer again(t, fmt.Sprintf("-events %d -clients %d", *events, *clients), *seed)
	chance := rand.New(rand.NewPCG(*seed, 17))
	c := newCluster(t, *clients)
	for i := range *events {
		c.happen(chance)
		if chance.IntN(2) == 0 { // else the next event comes before everything goes on
			c.goesOn(1 + chance.IntN(50))
			c.checkQuiet(chance)
		}
		if (i+1)%between == 0 && i+1 < *events {
			c.checkPresence()
		}
	}
	c.end()
	state(t, "%d events (%s); at most %v without an acknowledgement; presence true after at most %v; %s",
		*events, c.kinds(), c.truth.idle.Round(time.Millisecond), c.truest.Round(time.Millisecond), c.figures())
}

// A world is three nodes, three servers of NATS, and the cables between them.
type world struct {
	*scene
	nats     []*natsServer
	routes   [][]*cable // between the servers of NATS
	nodes    []*node
	lobby    *lobby
	watchers []*watcher
	happened map[string]int
	truest   time.Duration // until presence was true
}

func newCluster(t *testing.T, followers int) *world {
	t.Helper()
	c := &world{happened: make(map[string]int)}
	c.nats, c.routes = newNATS(t, 3)
	for _, s := range c.nats {
		s.start(t)
	}
	var addrs []string
	rules := config(t)
	for range c.nats {
		n := newNode(t, rules, c.nats)
		c.nodes = append(c.nodes, n)
		addrs = append(addrs, n.addr)
	}
	for _, n := range c.nodes {
		n.start(t)
	}
	c.scene = newScene(t, addrs, string(maru.CodeUnavailable))
	c.populate(followers, pace)
	c.lobby = newLobby(c.ctx, t, addrs, 24)
	for range addrs {
		c.watchers = append(c.watchers, newWatcher(c.ctx, t, addrs, lobbyChannel))
	}
	return c
}

// happen lets one event happen, and end.
func (c *world) happen(chance *rand.Rand) {
	c.t.Helper()
	e := happenings[chance.IntN(len(happenings))]
	long := time.Duration(chance.IntN(2000)) * time.Millisecond
	if chance.IntN(4) == 0 {
		long += 5 * time.Second // who was away for so long was taken for dead
	}
	what, end := e.begin(c, chance)
	c.t.Logf("%s: %s for %v", time.Now().Format(time.TimeOnly), what, long)
	c.happened[e.name]++
	pause(c.ctx, long)
	end()
}

func (c *world) kinds() string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(c.happened)) {
		all = append(all, fmt.Sprint(name, " ", c.happened[name]))
	}
	return strings.Join(all, ", ")
}

// ready reports whether all nodes are: NATS has elected what it has to.
func (c *world) ready() bool {
	for _, n := range c.nodes {
		if !n.ready() {
			return false
		}
	}
	return true
}

// checkPresence waits until nobody moves and all nodes are ready. Then all nodes, and all that watch, must soon
// see the people that are there.
func (c *world) checkPresence() {
	c.t.Helper()
	c.lobby.settle(true)
	defer c.lobby.settle(false)
	for _, w := range c.watchers {
		if !w.subscribed() { // it may wait for up to 20 s before its next attempt
			w.client.Reconnect()
		}
	}
	var quiet time.Time
	for late := time.Now().Add(patience); ; pause(c.ctx, 50*time.Millisecond) {
		here, ok := c.lobby.truth()
		for _, w := range c.watchers {
			ok = ok && w.subscribed()
		}
		switch {
		case ok && quiet.IsZero() && c.ready():
			quiet = time.Now()
		case quiet.IsZero() && time.Now().After(late):
			c.t.Errorf("after %v not all people could come in, or not all nodes are ready: %v", patience, here)
			return
		case quiet.IsZero():
			continue
		}
		wrong := c.wrongPresence(here)
		if wrong == "" {
			c.truest = max(c.truest, time.Since(quiet))
			return
		}
		if time.Since(quiet) > quietTime {
			c.t.Errorf("%v after it was quiet: %s", quietTime, wrong)
			return
		}
	}
}

// wrongPresence says what is not as it should be; "": all is.
func (c *world) wrongPresence(here map[string]int) (wrong string) {
	ctx, cancel := context.WithTimeout(c.ctx, 3*time.Second)
	defer cancel()
	names := slices.Sorted(maps.Keys(here))
	for i, w := range c.watchers {
		if p, ok := w.sees(names, len(c.watchers)); !ok {
			wrong += fmt.Sprintf("watcher %d of %s sees %v and %d; ", i, w.where(), p.Users, p.Anonymous)
		}
	}
	for _, n := range c.nodes {
		var p maru.Presence
		g, err := get(ctx, "http://"+n.addr+"/channels/"+lobbyChannel+"/presence", &p)
		got := make(map[string]int)
		for _, u := range p.Users {
			got[u.User] = u.Connections
		}
		if !maps.Equal(got, here) || p.Anonymous != len(c.watchers) {
			wrong += fmt.Sprintf("%s answers %d %s with %v and %d, %v; ", n.addr, g.status, g.code, got, p.Anonymous, err)
		}
	}
	if wrong != "" {
		wrong += fmt.Sprintf("want %v and %d", here, len(c.watchers))
	}
	return wrong
}

// end ends the scene, and then the servers.
func (c *world) end() {
	c.t.Helper()
	c.scene.end()
	c.checkPresence()
	c.cancel()
	c.lobby.people.Wait()
	for _, w := range c.watchers {
		w.close()
	}
	for _, n := range c.nodes {
		if code := n.Stop(c.t); code != 0 {
			c.t.Errorf("exit code %d of a node", code)
		}
	}
	for _, s := range c.nats {
		s.Stop(c.t)
	}
}
