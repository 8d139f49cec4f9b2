package oracle

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// A trial is one directory that something happens to, and what was acknowledged in it.
type trial struct {
	*testing.T
	chance      *rand.Rand
	dir, config string
	limit       int // publications that a channel retains
	size        int // the most bytes of a publication, about
	server      *program.Server
	client      *http.Client

	mu      sync.Mutex
	count   int               // of publications so far
	acked   int               // of those, acknowledged
	kept    map[string]*kept  // by channel
	numbers map[string]string // the payloads by namespace, epoch and offset
	sent    map[string]string // the channels by payload; without those that are stale
	unsure  []posting         // the server ended before the answer, or it was a refusal
}

// A kept channel is what it has been given in its epoch.
type kept struct {
	epoch   string
	all     []publication // in the order of their offsets
	version uint64        // the highest
	keyless uint64        // the keys up to here may be forgotten: they are of another epoch
}

// A posting is a publication on its way.
type posting struct {
	channel, payload string
	version          uint64
}

// trialChannels are those of a trial. In versioned each publication has a version.
var trialChannels = []string{"hall", "ledger:1", "ledger:2", versioned, "room:1", "room:2", "stranger:1"}

const versioned = "ledger:versions"

// rules are of two listed namespaces, one of each durability, and of all others.
const rules = `
[namespaces.default]
subscribe = "anyone"
publish = "anyone"
history = "anyone"
durability = "interval"
[namespaces.ledger]
subscribe = "anyone"
publish = "anyone"
history = "anyone"
durability = "sync"
[namespaces.room]
subscribe = "anyone"
publish = "anyone"
history = "anyone"
durability = "interval"
`

func newTrial(t *testing.T, seed uint64) *trial {
	chance := rand.New(rand.NewPCG(seed, 14))
	w := &trial{
		T: t, chance: chance, dir: filepath.Join(t.TempDir(), "data"), config: filepath.Join(t.TempDir(), "maru.toml"),
		limit: []int{5, 20, 1000}[chance.IntN(3)], size: []int{100, 3000, 40_000}[chance.IntN(3)],
		client: newClient(), kept: make(map[string]*kept), numbers: make(map[string]string), sent: make(map[string]string),
	}
	if err := os.WriteFile(w.config, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.client.CloseIdleConnections)
	return w
}

// start starts the server, which must not refuse.
func (w *trial) start() {
	w.Helper()
	w.server = program.Serve(w, maruPath, "--config", w.config, "--data", w.dir, "--history", fmt.Sprint(w.limit))
}

// stop ends the server, at once or properly.
func (w *trial) stop(kill bool) {
	w.Helper()
	if kill {
		w.server.Kill(w)
	} else if code := w.server.Stop(w); code != 0 {
		w.Errorf("exit code %d", code)
	}
}

// burst publishes n publications from several publishers at once. With kill, the server is
// killed in the middle of it.
func (w *trial) burst(n int, kill bool) {
	plan := make([]posting, n)
	for i := range plan {
		w.count++
		p := posting{channel: trialChannels[w.chance.IntN(len(trialChannels))]}
		p.payload = fmt.Sprintf("%d %s", w.count, strings.Repeat("x", w.chance.IntN(1+w.chance.IntN(w.size))))
		if p.channel == versioned {
			p.version = uint64(w.count)
		}
		plan[i] = p
	}
	var next atomic.Int64
	half := make(chan struct{})
	var publishing sync.WaitGroup
	for range 4 {
		publishing.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if i == n/2 {
					close(half)
				}
				if !w.publish(plan[i]) {
					return
				}
			}
		})
	}
	if kill {
		<-half
		w.server.Kill(w)
	}
	publishing.Wait()
	if !kill && len(w.unsure) > 0 {
		w.Errorf("without an answer: %.40v", w.unsure)
	}
}

// publish publishes once. It returns false if there is no answer.
func (w *trial) publish(p posting) bool {
	g, err := post(w.Context(), w.client, w.url(p), p.payload)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err != nil:
		w.isUnsure(p)
		return false
	case g.status != http.StatusOK:
		w.Errorf("POST: %d %s", g.status, g.code)
	case !g.stale:
		w.given(p, g)
	}
	return true
}

// isUnsure records a publication that may appear, once.
func (w *trial) isUnsure(p posting) {
	w.unsure = append(w.unsure, p)
	w.sent[p.payload] = p.channel
}

func (w *trial) url(p posting) string {
	url := w.server.URL + "/channels/" + p.channel
	if p.version > 0 {
		url += fmt.Sprintf("?version=%d", p.version)
	}
	return url
}

// given records an acknowledged publication.
func (w *trial) given(p posting, g given) {
	w.acked++
	w.sent[p.payload] = p.channel
	k := w.kept[p.channel]
	if k == nil {
		k = &kept{epoch: g.Epoch}
		w.kept[p.channel] = k
	}
	if g.Epoch != k.epoch {
		w.Errorf("%s: the epoch went from %s to %s while the server ran", p.channel, k.epoch, g.Epoch)
	}
	k.version = max(k.version, p.version)
	w.number(p.channel, g.Epoch, g.Offset, p.payload)
	k.add(publication{g.Offset, eventOf(p.payload), p.payload})
}

// number wants that no number is given twice.
func (w *trial) number(channel, epoch string, offset uint64, payload string) {
	sequence, _, listed := strings.Cut(channel, ":")
	if !listed {
		sequence = "default"
	}
	at := fmt.Sprintf("%s %s:%d", sequence, epoch, offset)
	if before, twice := w.numbers[at]; twice && before != payload {
		w.Errorf("%s was given to %.40q and %.40q", at, before, payload)
	}
	w.numbers[at] = payload
}
