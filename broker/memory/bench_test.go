package memory_test

import (
	"context"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/broker/memory"
)

var text = []byte("a line of chat of some sixty bytes, neither short nor very long")

// A publication in a full channel allocates nothing beside what the caller made: the
// memory of the publication that it replaces is used again.
func TestPublishAllocations(t *testing.T) {
	b := memory.New(memory.Options{})
	defer b.Close()
	for range 200 {
		publish(t, b, "a", "x")
	}
	allocations := testing.AllocsPerRun(1000, func() {
		b.Submit("a", &maru.Publication{Data: text}, maru.PublishOptions{}, ignore)
	})
	if allocations > 1 { // the Publication
		t.Errorf("%v allocations, want 1", allocations)
	}
}

func ignore(maru.Published, error) {}

func BenchmarkPublish(b *testing.B) {
	for name, count := range map[string]int{"history=100": 100, "history=none": -1} {
		b.Run(name, func(b *testing.B) {
			broker := memory.New(memory.Options{Retention: memory.Everywhere(maru.Retention{Publications: count})})
			defer broker.Close()
			b.ReportAllocs()
			for b.Loop() {
				broker.Submit("a", &maru.Publication{Data: text}, maru.PublishOptions{}, ignore)
			}
		})
	}
}

// BenchmarkPublishParallel gives each publisher its own channel.
func BenchmarkPublishParallel(b *testing.B) {
	for name, prefix := range map[string]string{"one namespace": "a:", "a namespace each": ""} {
		b.Run(name, func(b *testing.B) {
			broker := memory.New(memory.Options{})
			defer broker.Close()
			var publishers atomic.Int64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				channel := prefix + strconv.FormatInt(publishers.Add(1), 10) + ":x"
				for pb.Next() {
					broker.Submit(channel, &maru.Publication{Data: text}, maru.PublishOptions{}, ignore)
				}
			})
		})
	}
}

func BenchmarkHistory100(b *testing.B) {
	broker := memory.New(memory.Options{Retention: memory.Everywhere(maru.Retention{Publications: 1000})})
	defer broker.Close()
	var at maru.Position
	for i := range 1000 {
		p := publish(b, broker, "a", "x")
		if i == 500 {
			at = p
		}
	}
	for name, since := range map[string]*maru.Position{"newest": nil, "since": &at} {
		b.Run(name, func(b *testing.B) {
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				broker.History(ctx, "a", maru.HistoryQuery{Since: since, Limit: 100})
			}
		})
	}
}

// BenchmarkMemory measures what history.Overhead stands for: the bytes of heap that a
// retained publication costs beside its data. One operation is all publications.
func BenchmarkMemory(b *testing.B) {
	const publications = 100_000
	for name, channels := range map[string]int{"100 a channel": publications / 100, "1 a channel": publications} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				before := heap()
				broker := memory.New(memory.Options{Retention: memory.Everywhere(maru.Retention{Age: time.Hour})})
				for i := range publications {
					publish(b, broker, strconv.Itoa(i%channels), "")
				}
				b.ReportMetric(float64(heap()-before)/publications, "bytes/publication")
				runtime.KeepAlive(broker)
			}
		})
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
