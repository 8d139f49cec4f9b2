package socketio

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/session"
	"maru.example/maru/internal/shares"
)

// memory is a maru.BatchKeeper. mu guards everything that the tests change.
type memory struct {
	maru.Keeper
	mu      sync.Mutex
	records map[string]maru.KeptChange
	commits int
	bytes   int
	err     error
	slow    atomic.Int64
}

func (m *memory) KeepAll(_ context.Context, _ string, changes []maru.KeptChange) error {
	time.Sleep(time.Duration(m.slow.Load()))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.commits++
	n := 0
	for _, c := range changes {
		n += len(c.Key) + len(c.Value)
	}
	m.bytes = max(m.bytes, n)
	if m.err != nil {
		return m.err
	}
	for _, c := range changes {
		delete(m.records, c.Key)
		if c.Value != nil {
			m.records[c.Key] = c
		}
	}
	return nil
}

func (m *memory) do(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

func (m *memory) fails(err error) { m.do(func() { m.err = err }) }

func (m *memory) Kept(_ context.Context, _ string, each func(string, []byte, time.Time) bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(m.records)) {
		if c := m.records[key]; c.Until.After(time.Now()) && !each(key, c.Value, c.Until) {
			break
		}
	}
	return m.err
}

// sessions are what a journal keeps.
type sessions map[id]*saved

func (s sessions) journal(k *memory) *journal {
	var j *journal
	j = newJournal(k, "socketio", slog.New(slog.DiscardHandler), func(pid id) ([]byte, shares.Holder) {
		k.mu.Lock()
		defer k.mu.Unlock()
		if s[pid] == nil {
			return nil, 0
		}
		return appendState(nil, j.run, s[pid]), s[pid].holder
	})
	return j
}

func newMemory() *memory { return &memory{records: make(map[string]maru.KeptChange)} }

func one(channels ...string) *saved {
	s := &saved{socket: newID(), user: "kim", begun: 7}
	for _, c := range channels {
		s.rooms = append(s.rooms, room{session.Resumption{Channel: c, Since: maru.Position{Epoch: "e", Offset: 5}, MaxHz: 2, Latest: true, Presence: c == "a", Conflated: true}, 3, true})
	}
	return s
}

// what another process reads.
func left(t *testing.T, k *memory) map[id]*saved {
	t.Helper()
	all, err := sessions{}.journal(k).load()
	if err != nil {
		t.Fatal(err)
	}
	states := make(map[id]*saved)
	for pid, f := range all {
		states[pid] = parseState(f.state)
	}
	return states
}

// 20,000 changes at once are written within a second, in one commit.
func TestManyStates(t *testing.T) { // not in parallel: others measure heartbeats
	synctest.Test(t, func(t *testing.T) {
		k, all := newMemory(), make(sessions)
		j := all.journal(k)
		for range 20_000 {
			pid := newID()
			k.do(func() { all[pid] = one("hall") })
			if c := j.changing(pid); c != nil {
				t.Fatal("the first subscription waits")
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := left(t, k); len(got) != len(all) || k.commits > 1 || k.bytes > maru.MaxKeepAllBytes {
			t.Errorf("%d of %d are there after %d commits of at most %d bytes", len(got), len(all), k.commits, k.bytes)
		}
		j.close()
	})
}

// A state that is about to change is not on disk any more when the client is sent the change, also
// while a state is being written; then the new one is.
func TestChanging(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, pid := newMemory(), newID()
		all := sessions{pid: one("hall")}
		j := all.journal(k)
		j.changing(pid)
		time.Sleep(time.Second)
		k.slow.Store(int64(100 * time.Millisecond))
		for i, during := range []time.Duration{0, writeAfter + 50*time.Millisecond, writeAfter - time.Nanosecond} {
			time.Sleep(during)
			k.do(func() { all[pid] = one("hall", "more") })
			for range 2 { // the second change waits for the same commit
				c := j.changing(pid)
				if c == nil {
					t.Fatalf("change %d does not wait", i)
				}
				defer func() { <-c.done }()
			}
			if c := j.changing(pid); c != nil {
				<-c.done
			}
			if len(left(t, k)) != 0 {
				t.Errorf("change %d: the state is there", i)
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := left(t, k)[pid]; got == nil || len(got.rooms) != 2 || got.socket != all[pid].socket || got.begun != 7 || got.user != "kim" {
			t.Errorf("then %+v", got)
		}
		j.forget(pid)
		time.Sleep(time.Second)
		if len(left(t, k)) != 0 {
			t.Error("it was not forgotten")
		}
		j.close()
	})
}

// A removal that fails is reported to those that wait for it. A state that could not be written is
// written later.
func TestJournalFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, pid, other := newMemory(), newID(), newID()
		all := sessions{pid: one("hall"), other: one("hall")}
		j := all.journal(k)
		j.changing(pid)
		time.Sleep(time.Second)
		k.fails(errors.New("full"))
		c := j.changing(pid)
		<-c.done
		if c.err == nil {
			t.Error("no error")
		}
		k.do(func() { delete(all, pid) })
		j.changing(other)
		time.Sleep(3 * time.Second)
		k.fails(nil)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := left(t, k); len(got) != 1 || got[other] == nil {
			t.Errorf("then %v", got)
		}
		j.close()
	})
}

// States count for 2 minutes after the end of the process that has written them, also if that was
// quiet for hours before; and while another process waits for their clients, no longer.
func TestFormerStates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, pid := newMemory(), newID()
		all := sessions{pid: one("hall")}
		j := all.journal(k)
		j.changing(pid)
		time.Sleep(3 * time.Hour)
		k.fails(errors.New("killed"))
		time.Sleep(recoverWithin - aliveEvery - time.Second)
		k.fails(nil)
		if got := left(t, k); len(got) != 1 {
			t.Errorf("within 2 minutes: %v", got)
		}
		k.fails(errors.New("killed"))
		time.Sleep(aliveEvery + time.Second)
		k.fails(nil)
		if got := left(t, k); len(got) != 0 {
			t.Errorf("after 2 minutes: %v", got)
		}
		if len(k.records) != 0 && k.records[stateKey(pid)].Value != nil {
			t.Error("it is still on disk")
		}
		j.close()
	})
}

// States are bounded, and one caller has at most half.
func TestJournalFull(t *testing.T) { // not in parallel: others measure heartbeats
	synctest.Test(t, func(t *testing.T) {
		k, all := newMemory(), make(sessions)
		j := all.journal(k)
		const size = 1 << 20
		j.shares = shares.New(size, "bytes", nil)
		for i := range 10_000 {
			pid := newID()
			s := one("hall")
			s.holder = shares.Holder(i % 3)
			k.do(func() { all[pid] = s })
			j.changing(pid)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		bytes := 0
		for _, c := range k.records {
			bytes += len(c.Value)
		}
		if bytes > size || bytes < size/8 {
			t.Errorf("%d bytes", bytes)
		}
		for pid := range all {
			j.forget(pid)
		}
		time.Sleep(time.Second)
		if n := j.shares.Held(); n != 0 || len(j.kept) != 0 {
			t.Errorf("%d bytes are held for nothing", n)
		}
		j.close()
	})
}

// A state is read as it was written, and wherever it is damaged it does not count.
func FuzzState(f *testing.F) {
	f.Add(appendState(nil, "run", one()))
	f.Add(appendState(nil, "run", one("a", "b")))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := parseState(b)
		if s == nil {
			return
		}
		again := parseState(appendState(nil, runOf(b), s))
		if again == nil || again.socket != s.socket || again.user != s.user || again.begun != s.begun || again.nonce != s.nonce || !slices.Equal(again.rooms, s.rooms) {
			t.Errorf("%+v, then %+v", s, again)
		}
	})
}
