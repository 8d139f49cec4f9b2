package simulation

import (
	"fmt"
	"testing"
	"time"
)

const faultChannels = 20

// faultWorld is a cluster in which every node follows every channel.
func faultWorld(t *testing.T, nodes int) *world {
	load := Load{Nodes: nodes, Following: nodes, Channels: faultChannels, Rate: 100, Bytes: 128}
	w := newWorld(t, load, faultChannels, time.Millisecond, 1)
	w.tally.reset()
	return w
}

// end waits until everything should have come, and judges.
func (w *world) end() {
	time.Sleep(30 * time.Second)
	w.settle(upTo(faultChannels))
	w.close()
	w.judge()
}

// TestLoss loses messages on the way to nodes: what is carried, what nodes ask each other, and the
// answers. Each subscriber still gets everything, in order and once. In the first version a question for
// the history whose answer was lost waited for ever, and the channel with it.
func TestLoss(t *testing.T) {
	for _, n := range numbers(t, 3) {
		for _, loss := range []float64{0.01, 0.1} {
			t.Run(fmt.Sprint(n, " nodes, ", loss), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := faultWorld(t, n)
					w.lose(loss)
					w.run(w.nodes, faultChannels, 10)
					carried, questions := w.lose(0)
					time.Sleep(2 * time.Second)
					asked := w.tally.reset()[History].In/2 + float64(questions)/2
					w.end()
					t.Logf("%d publications lost on the way, %.0f histories read, the last delivery after %v", carried, asked, w.slowest())
					if most := 1.2*float64(carried+questions) + 5; asked > most || carried == 0 {
						t.Errorf("%d publications were lost, and histories read %.0f times", carried, asked)
					}
				})
			})
		}
	}
}

// lose sets the share of lost messages of all links, and returns how many publications and how many
// questions for histories, or answers, were lost before.
func (w *world) lose(share float64) (carried, questions int) {
	for _, n := range w.nodes {
		n.link.lose(share)
		carried += n.link.losses[Carriage]
		questions += n.link.losses[History]
	}
	return carried, questions
}

// TestCut cuts nodes off. What is acknowledged is never lost, those that come back get what they missed,
// and the others go on: at once where it is not the owner, else as soon as another node may take the
// namespace.
func TestCut(t *testing.T) {
	for _, test := range []struct {
		name string
		node int // 0 is the owner
		long time.Duration
		most time.Duration // without an acknowledged publication on other nodes
	}{
		{"a node for 3 s", 1, 3 * time.Second, 100 * time.Millisecond},
		{"a node for 20 s", 1, 20 * time.Second, 100 * time.Millisecond},
		{"the owner for 2 s", 0, 2 * time.Second, 4 * time.Second},
		{"the owner for 20 s", 0, 20 * time.Second, 7 * time.Second},
	} {
		for _, n := range numbers(t, 3) {
			if n < 3 {
				t.Fatal("there must be others")
			}
			t.Run(fmt.Sprint(n, " nodes, ", test.name), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := faultWorld(t, n)
					link := w.nodes[test.node].link
					time.AfterFunc(2*time.Second, func() { link.set(true) })
					time.AfterFunc(2*time.Second+test.long, func() { link.set(false) })
					pause := w.run(w.nodes[2:], faultChannels, 15)
					time.Sleep(test.long)
					w.end()
					t.Logf("nothing was acknowledged for %v; %d publications failed", pause, w.failed)
					if pause > test.most {
						t.Errorf("nothing was acknowledged for %v", pause)
					}
				})
			})
		}
	}
}

// TestManyChannels: a node that follows more channels than it compares in a beat compares them by turns. What
// is lost on the way, and followed by nothing, comes all the same.
func TestManyChannels(t *testing.T) {
	const channels = comparedInABeat + 2_000
	bubble(t, func(t *testing.T) {
		w := newWorld(t, Load{Nodes: 2, Rate: 100, Bytes: 128}, 1, time.Millisecond, 1)
		some := []int{0, 5, channels / 2, channels - 1}
		for _, c := range some {
			w.read(w.nodes[1], channelName(c))
		}
		for c := range channels - len(some) {
			w.nodes[1].broker.Follow(channelName(channels + c)) // as a hub does with a subscriber
		}
		time.Sleep(4 * time.Second)
		w.tally.reset()
		time.Sleep(4 * time.Second)                                               // two rounds of two beats each
		load := Load{Nodes: 2, Channels: channels / 2, Name: len(channelName(0))} // half of them in each beat
		compareOne(t, "compare", w.tally.reset()[Compare].times(1.0/4), load.PerSecond()[Compare])
		w.lose(1)
		for _, c := range some {
			w.publish(w.nodes[0], channelName(c))
		}
		w.lose(0)
		time.Sleep(3 * time.Second)
		w.settle(some)
		w.close()
		if got := w.judge(); got != 4 {
			t.Errorf("%d of 4 were delivered", got)
		}
	})
}
