package cluster

import "time"

// signs are the signs of life that the bus goes by: a node that counts up in the bucket, or says on
// the bus that it is alive. Two ways, because a watch of the bucket may be interrupted for longer
// than a node may be silent, and then all others would seem to be dead. Who owns a namespace goes by
// the bucket alone. The fields are guarded by peers.mu.
type signs struct {
	last  map[string]time.Time // of the nodes that are alive
	gone  map[string]time.Time // nodes that said that they leave: a late sign does not bring them back
	due   []departure          // not yet reported
	begun time.Time            // when our own connection last came to work
}

// steadyBeats is for how long we may not have counted up while we judge others. A sign may be a beat
// old when our connection breaks, and the next one may come a beat after it is back: with less than
// three beats between these, nobody seems to have been silent for five.
const steadyBeats = 3

// A departure is a node that is no longer alive.
type departure struct {
	node   string
	silent time.Duration // 0: it left in order
}

func newSigns() signs {
	return signs{last: make(map[string]time.Time), gone: make(map[string]time.Time)}
}

// goneTime is for how long a node is remembered that has left.
const goneTime = time.Minute

// sign notes that a node is alive.
func (p *peers) sign(node string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signed(node)
}

// signed is sign with p.mu held.
func (p *peers) signed(node string) {
	if _, gone := p.signs.gone[node]; !gone && node != p.id {
		p.signs.last[node] = time.Now()
	}
}

// bye notes that a node has left.
func (p *peers) bye(node string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byeLocked(node)
}

// byeLocked is bye with p.mu held.
func (p *peers) byeLocked(node string) {
	p.signs.gone[node] = time.Now()
	if _, known := p.signs.last[node]; known {
		delete(p.signs.last, node)
		p.signs.due = append(p.signs.due, departure{node: node})
	}
}

// present returns the other nodes that are alive.
func (p *peers) present() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]string, 0, len(p.signs.last)+1)
	for node := range p.signs.last {
		all = append(all, node)
	}
	return all
}

// left returns the nodes that are no longer alive, each once. While we are cut off none has died:
// we would not know.
func (p *peers) left() []departure {
	p.mu.Lock()
	defer p.mu.Unlock()
	steady := time.Since(p.ours) < steadyBeats*p.beat
	all := p.signs.due
	p.signs.due = nil
	for node, at := range p.signs.last {
		counts := at
		if at.Before(p.signs.begun) {
			counts = p.signs.begun
		}
		if steady && time.Since(counts) >= deadBeats*p.beat {
			delete(p.signs.last, node)
			all = append(all, departure{node, time.Since(at)})
		}
	}
	for node, at := range p.signs.gone {
		if time.Since(at) > goneTime {
			delete(p.signs.gone, node)
		}
	}
	return all
}
