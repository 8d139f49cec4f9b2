package simulation

import (
	"strings"
	"sync"
)

// A Class is a kind of messages, by what they are for.
type Class int

// The classes. The first five are paid for by each publication, the next ones by each second.
const (
	Append   Class = iota // a publication into the stream of its namespace, and the acknowledgement
	Submit                // a publication from another node to the owner, and the answer
	Carriage              // a publication to the nodes that follow its channel
	Index                 // which channels the numbers of a batch have, to nodes that deliver in one order
	History               // what was missing, from the owner

	Beat    // nodes count up in a bucket that all of them watch
	Alive   // nodes say on the bus that they are alive
	Compare // followers ask for the heads of their channels
	Note    // owners write down how far they are
	Heads   // and the last offsets of the channels that had publications

	Other // joining, subscribing, pings
	classes
)

func (c Class) String() string {
	return [...]string{"append", "submit", "carriage", "index", "history", "beat", "alive", "compare", "note", "heads", "other"}[c]
}

// Cost is what messages of NATS cost: in are those from nodes to a server, out those from a server to
// nodes. Bytes include the lines of NATS's protocol.
type Cost struct{ In, Out, BytesIn, BytesOut float64 }

func (c Cost) plus(o Cost) Cost {
	return Cost{c.In + o.In, c.Out + o.Out, c.BytesIn + o.BytesIn, c.BytesOut + o.BytesOut}
}

func (c Cost) times(f float64) Cost {
	return Cost{c.In * f, c.Out * f, c.BytesIn * f, c.BytesOut * f}
}

// Costs are those of each class.
type Costs [classes]Cost

// Total is the sum of all classes.
func (c Costs) Total() (sum Cost) {
	for _, one := range c {
		sum = sum.plus(one)
	}
	return sum
}

// A tally counts what passes all links. An answer belongs to the class of its question.
type tally struct {
	prefix string

	mu      sync.Mutex
	costs   Costs
	answers map[string]Class // by the subject of the answer
}

func newTally(prefix string) *tally { return &tally{prefix: prefix, answers: make(map[string]Class)} }

// count counts a message, and returns its class.
func (t *tally) count(f *frame, up bool) Class {
	t.mu.Lock()
	defer t.mu.Unlock()
	class := t.classOf(f)
	c := &t.costs[class]
	if up {
		c.In++
		c.BytesIn += float64(len(f.raw))
	} else {
		c.Out++
		c.BytesOut += float64(len(f.raw))
	}
	return class
}

// reset returns what was counted, and begins again.
func (t *tally) reset() Costs {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.costs
	t.costs = Costs{}
	return was
}

func (t *tally) classOf(f *frame) Class {
	if class, known := t.answers[f.subject]; known {
		return class
	}
	class := t.classOfSubject(f)
	if f.reply != "" {
		t.answers[f.reply] = class
	}
	return class
}

func (t *tally) classOfSubject(f *frame) Class {
	for _, of := range []struct {
		begin string
		class Class
	}{{".carry.", Carriage}, {".index.", Index}, {".heads.", Heads}, {".log.", Append}, {".bus.", Alive}} {
		if strings.HasPrefix(f.subject, t.prefix+of.begin) {
			return of.class
		}
	}
	switch {
	case strings.HasPrefix(f.subject, t.prefix+".node.") && len(f.payload) > 0:
		switch f.payload[0] {
		case 'S':
			return Submit
		case 'H':
			return History
		case 'C':
			return Compare
		}
	case strings.Contains(f.subject, "$KV."+t.prefix+"_nodes."):
		return Beat
	case strings.Contains(f.subject, "$KV."+t.prefix+"_owners."):
		return Note
	}
	return Other
}
