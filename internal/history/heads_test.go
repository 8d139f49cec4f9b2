package history

import (
	"strconv"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// A table finds what was added and not taken, as a map does.
func TestTable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		quiets := table{hash: quietOf}
		want := make(map[string][2]uint64)
		var head uint64
		for range rapid.IntRange(0, 300).Draw(t, "steps") {
			name := strconv.Itoa(rapid.IntRange(0, 60).Draw(t, "name"))
			_, known := want[name]
			switch {
			case known:
				if h, v := quiets.take(name); [2]uint64{h, v} != want[name] {
					t.Fatalf("%s: took %d, %d, want %v", name, h, v, want[name])
				}
				delete(want, name)
			case rapid.IntRange(0, 9).Draw(t, "evict") == 0 && len(want) > 0:
				evicted := quiets.evict()
				for other, w := range want {
					if w[0] == evicted {
						delete(want, other)
					} else if w[0] < evicted {
						t.Fatalf("evicted %d, with %d there", evicted, w[0])
					}
				}
			default:
				head++
				want[name] = [2]uint64{head, head * 2}
				quiets.add(quiets.of(name, head, head*2))
			}
			for i := range 61 {
				other := strconv.Itoa(i)
				if h, v := quiets.find(other); [2]uint64{h, v} != want[other] {
					t.Fatalf("%s: found %d, %d, want %v", other, h, v, want[other])
				}
			}
			if quiets.held != len(want) {
				t.Fatalf("holds %d, want %d", quiets.held, len(want))
			}
		}
	})
}

// Issue 14, 2: however many there are, a quiet channel takes at most HeadBytes on average, and all are found.
func TestHeadBytes(t *testing.T) {
	t.Parallel()
	quiets := table{hash: quietOf}
	const last = 200_000
	for n := 1; n <= last; n++ {
		quiets.add(quiets.of(strconv.Itoa(n), uint64(n), 0))
		if n < 10_000 || n%1000 != 0 {
			continue // a small table has free slots
		}
		slots := 0
		for i := range quiets.parts {
			slots += len(quiets.parts[i].slots)
		}
		if bytes := slots * int(unsafe.Sizeof(quiet{})); bytes > HeadBytes*n {
			t.Fatalf("%d channels take %d bytes: %.1f each", n, bytes, float64(bytes)/float64(n))
		}
	}
	for n := 1; n <= last; n++ {
		if head, _ := quiets.find(strconv.Itoa(n)); head != uint64(n) {
			t.Fatalf("%d: head %d", n, head)
		}
	}
}

// Beyond the bound the namespace forgets the channel that was published to first, and counts it.
func TestHeadsBound(t *testing.T) {
	t.Parallel()
	heads := NewHeads(3)
	ns := New(retainNothing, "e", 0, heads)
	for n := uint64(1); n <= 5; n++ {
		ns.Add(strconv.FormatUint(n, 10), Entry{Offset: n, Size: 1}, 0)
	}
	if heads.Forgotten() != 2 || heads.Held() != 3 || ns.removed != 2 {
		t.Errorf("%d forgotten, %d held, removed %d", heads.Forgotten(), heads.Held(), ns.removed)
	}
	if ns.Head("1") != 2 || ns.Head("3") != 3 {
		t.Errorf("heads %d and %d", ns.Head("1"), ns.Head("3"))
	}
	ns.Clear()
	if heads.Held() != 0 {
		t.Errorf("%d held after Clear", heads.Held())
	}
}

func BenchmarkTable(b *testing.B) {
	names := make([]string, 1<<20)
	for i := range names {
		names[i] = "channel-" + strconv.Itoa(i)
	}
	b.Run("add", func(b *testing.B) {
		quiets := table{hash: quietOf}
		for i := 0; b.Loop(); i++ {
			if i%len(names) == 0 {
				quiets = table{}
			}
			quiets.add(quiets.of(names[i%len(names)], uint64(i+1), 0))
		}
	})
	quiets := table{hash: quietOf}
	for i, name := range names {
		quiets.add(quiets.of(name, uint64(i+1), 0))
	}
	b.Run("find", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			quiets.find(names[i%len(names)])
		}
	})
	b.Run("miss", func(b *testing.B) {
		for b.Loop() {
			quiets.find("nothing")
		}
	})
}
