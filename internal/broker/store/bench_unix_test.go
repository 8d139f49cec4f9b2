//go:build unix

package store_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"maru.example/maru"
)

// BenchmarkPublish has publishers that wait for each acknowledgement, of 200 bytes each.
func BenchmarkPublish(b *testing.B) {
	data := []byte(strings.Repeat("x", 200))
	for _, durability := range []maru.Durability{maru.Interval, maru.Sync} {
		for _, publishers := range []int{1, 100} {
			b.Run(fmt.Sprintf("%v/%d", durability, publishers), func(b *testing.B) {
				o := in(b.TempDir(), kept(100, durability))
				broker := open(b, o)
				var left atomic.Int64
				left.Store(int64(b.N))
				before := cpu()
				b.ResetTimer()
				var wg sync.WaitGroup
				for i := range publishers {
					wg.Go(func() {
						channel := fmt.Sprintf("channel-%d", i)
						for left.Add(-1) >= 0 {
							if _, err := maru.Publish(b.Context(), broker, channel, &maru.Publication{Data: data}, maru.PublishOptions{}); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acks/s")
				b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/op")
			})
		}
	}
}

// cpu is the processor time that the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
