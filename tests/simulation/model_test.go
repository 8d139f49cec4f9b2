package simulation

import (
	"flag"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var nodes = flag.String("nodes", "", "numbers of nodes to simulate, separated by commas, in place of a few")

// numbers of nodes: what the command line says, or the given ones.
func numbers(t *testing.T, otherwise ...int) (all []int) {
	if *nodes == "" {
		return otherwise
	}
	for s := range strings.SplitSeq(*nodes, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			t.Fatalf("-nodes %s: numbers above 0, separated by commas", *nodes)
		}
		all = append(all, n)
	}
	return all
}

// Bounds of what is counted, as a share of what the model says.
const (
	messagesBound = 0.03
	bytesBound    = 0.08
)

// TestModel compares what was counted with what the model says.
func TestModel(t *testing.T) {
	const seconds, delay = 10, time.Millisecond
	for _, n := range numbers(t, 1, 3, 10) {
		channels := max(20, 2*n)
		for _, k := range slices.Compact([]int{1, max(1, n/2), n}) {
			load := Load{Nodes: n, Following: k, Channels: channels * k / n, Busy: min(100, channels), Name: len(channelName(0)), Rate: 100, Bytes: 128, Elsewhere: 1 - 1/float64(n)}
			if k == n { // one of the cases is for Socket.IO
				load.Ordered = n
			}
			t.Run(fmt.Sprintf("%d of %d", k, n), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, load, channels, delay, 1)
					w.tally.reset()
					w.run(w.nodes, channels, seconds)
					counted := w.tally.reset()
					w.settle(upTo(channels))
					w.close()
					if got, want := w.judge(), k*(int(load.Rate)*seconds+max(channels, n)); got != want || w.failed > 0 {
						t.Errorf("%d deliveries, not %d; %d publications failed", got, want, w.failed)
					}
					if want := expected(n, delay); w.slowest() != want {
						t.Errorf("a publication took up to %v, the model says %v", w.slowest(), want)
					}
					compare(t, counted, load.PerSecond(), seconds)
				})
			})
		}
	}
}

// compare compares each class and the sum.
func compare(t *testing.T, counted, model Costs, seconds float64) {
	t.Helper()
	for class := range classes {
		compareOne(t, class.String(), counted[class].times(1/seconds), model[class])
	}
	compareOne(t, "sum", counted.Total().times(1/seconds), model.Total())
}

func compareOne(t *testing.T, what string, counted, model Cost) {
	t.Helper()
	t.Logf("%-8s  in %6.0f (model %6.0f)  out %6.0f (%6.0f)  bytes in %7.0f (%7.0f)  out %8.0f (%8.0f)", what,
		counted.In, model.In, counted.Out, model.Out, counted.BytesIn, model.BytesIn, counted.BytesOut, model.BytesOut)
	for _, one := range []struct {
		what                  string
		counted, model, bound float64
	}{
		{"messages in", counted.In, model.In, messagesBound}, {"messages out", counted.Out, model.Out, messagesBound},
		{"bytes in", counted.BytesIn, model.BytesIn, bytesBound}, {"bytes out", counted.BytesOut, model.BytesOut, bytesBound},
	} {
		if math.Abs(one.counted-one.model) > one.bound*one.model+0.2 {
			t.Errorf("%s, %s: %.1f a second, the model says %.1f", what, one.what, one.counted, one.model)
		}
	}
}

// expected is the model's time until the last subscriber has a publication, of all that are published.
func expected(nodes int, delay time.Duration) time.Duration {
	if nodes == 1 {
		return 2 * delay // to the stream and back
	}
	_, elsewhere := Latency(delay)
	return elsewhere
}
