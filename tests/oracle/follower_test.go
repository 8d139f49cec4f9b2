package oracle

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A follower reads one channel over one transport.
type follower struct {
	name, channel string
	addrs         []string // of the servers
	addr          string   // of the one that it is connected to
	transport     func(ctx context.Context, f *follower) error
	truth         *truth
	chance        *rand.Rand
	slow          bool

	epoch       string
	offset      uint64 // its position
	connections int
	last        error // the error that ended the last connection

	pid     string // of the last session of Socket.IO
	resume  resumption
	resumed int // sessions of Socket.IO that went on

	seen   map[uint64]string
	gaps   []gap
	wrongs []string
}

type gap struct {
	Reason   string
	From, To uint64
}

var transports = []struct {
	name string
	read func(ctx context.Context, f *follower) error
}{{"full", readFull}, {"socket", readSocket}, {"events", readEvents}, {"poll", readPoll}, {"Socket.IO", readSocketIO}, {"Socket.IO by polls", readSocketIOPolls}, {"client", readClient}}

func newFollower(i int, addrs []string, tr *truth, chance *rand.Rand) *follower {
	transport := transports[i/channels%len(transports)]
	return &follower{
		name: fmt.Sprintf("%s %d in %s", transport.name, i, channel(i)), addrs: addrs, channel: channel(i),
		transport: transport.read, truth: tr, chance: chance, slow: chance.IntN(5) == 0, seen: make(map[uint64]string),
	}
}

var (
	errDone = errors.New("all was seen")
	errCut  = errors.New("cut, on purpose")
)

// follow connects from the current position until everything was received, or ctx ends.
func (f *follower) follow(ctx context.Context) {
	for ctx.Err() == nil {
		f.connections++
		f.addr = f.anywhere()
		attempt, cancel := context.WithCancel(ctx)
		if !f.truth.ended.Load() {
			// At the end everything may have been received already; nothing more arrives then.
			context.AfterFunc(f.truth.over, cancel)
		}
		err := f.transport(attempt, f)
		cancel()
		if errors.Is(err, errDone) || f.done() {
			return
		}
		f.last = err
		if !errors.Is(err, errCut) {
			pause(ctx, 10*time.Millisecond)
		}
	}
}

func (f *follower) done() bool {
	head := f.truth.head(f.channel)
	return head != 0 && f.offset >= head
}

// since is the position as a parameter.
func (f *follower) since() string {
	if f.epoch == "" {
		return "0"
	}
	return fmt.Sprintf("%s:%d", f.epoch, f.offset)
}

// at sets the position from which everything follows.
func (f *follower) at(epoch string, offset uint64) {
	if f.epoch != "" && epoch != f.epoch {
		f.wrong("the epoch went from %s to %s", f.epoch, epoch)
	}
	if offset < f.offset {
		f.wrong("the position went from %d to %d", f.offset, offset)
	}
	f.epoch, f.offset = epoch, max(offset, f.offset)
}

func (f *follower) sawGap(g *gap) {
	if g == nil {
		return
	}
	if g.Reason != "expired" || g.From != f.offset+1 || g.To < g.From {
		f.wrong("at %d it received a wrong gap %+v", f.offset, *g)
	}
	f.gaps = append(f.gaps, *g)
}

// see records a publication, and returns an error to stop.
func (f *follower) see(ctx context.Context, p publication) error {
	if p.Offset <= f.offset {
		f.wrong("%d (%s) came after %d", p.Offset, p.Data, f.offset)
	}
	if want := eventOf(p.Data); p.Event != want {
		f.wrong("%d (%s) came as event %q, want %q", p.Offset, p.Data, p.Event, want)
	}
	f.offset = p.Offset
	f.seen[p.Offset] = p.Data
	if f.done() {
		return errDone
	}
	switch n := f.chance.IntN(400); {
	case n == 0:
		return errCut
	case n == 1 || f.slow && n < 20:
		f.truth.await(ctx, f.truth.now()+20+f.chance.IntN(300))
	case n == 2: // away for so long that messages are missed
		f.truth.await(ctx, f.truth.now()+channels*retained)
		return errCut
	}
	return ctx.Err()
}

// refused notes the code of an error, which may be that of a slow reader, or one that publishers
// expect too.
func (f *follower) refused(code, text string) {
	if code != "slow" && !f.truth.refusals[code] {
		f.wrong("it was refused: %s", text)
	}
}

func (f *follower) wrong(format string, args ...any) {
	if len(f.wrongs) < 10 {
		f.wrongs = append(f.wrongs, fmt.Sprintf(format, args...))
	}
}

// judge compares the received messages and gaps with the truth.
func (f *follower) judge(t *testing.T) {
	for _, wrong := range f.wrongs {
		t.Errorf("%s: %s", f.name, wrong)
	}
	f.truth.mu.Lock()
	defer f.truth.mu.Unlock()
	acked := f.truth.acked[f.channel]
	var lost, strange []uint64
	for offset, payload := range acked {
		if got, ok := f.seen[offset]; ok && got != payload {
			t.Errorf("%s: %d is %s, and it saw %s", f.name, offset, payload, got)
		} else if !ok && !slices.ContainsFunc(f.gaps, func(g gap) bool { return g.From <= offset && offset <= g.To }) {
			lost = append(lost, offset)
		}
	}
	for offset := range f.seen {
		if _, ok := acked[offset]; !ok {
			strange = append(strange, offset)
		}
	}
	slices.Sort(lost)
	slices.Sort(strange)
	if len(lost) > 0 || len(strange) > 0 {
		t.Errorf("%s, slow %t: lost %v, saw what was never acknowledged: %v; it is at %d of %d after %d connections, the last of which ended with: %v",
			f.name, f.slow, lost, strange, f.offset, f.truth.lastOf(f.channel), f.connections, f.last)
	}
}
