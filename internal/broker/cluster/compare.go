package cluster

import (
	"context"
	"encoding/binary"

	"maru.example/maru"
	"maru.example/maru/internal/fields"
)

// compareAtOnce is how many channels are compared with one question.
const compareAtOnce = 1000

// compare answers with the heads of the channels whose last offset the asking node does not have.
func (b *Broker) compare(question []byte) []byte {
	r := fields.Reader{Rest: question}
	ns := b.ownedNamespace(r.String())
	if ns == nil {
		return []byte{kindNotOwner}
	}
	ns.mu.Lock()
	defer ns.mu.Unlock()
	answer := fields.AppendString([]byte{kindHeads}, ns.owner.Epoch)
	epoch := r.String()
	for len(r.Rest) > 0 {
		channel, last := r.String(), r.Uvarint()
		if head := ns.history.Head(channel); head > last || epoch != ns.owner.Epoch {
			answer = binary.AppendUvarint(fields.AppendString(answer, channel), head)
		}
	}
	return answer
}

// compareAll compares what the followers have with the owners' heads.
func (b *Broker) compareAll(ctx context.Context) {
	byPlace := make(map[*place][]*follower)
	for _, f := range b.allFollowers() {
		p := b.placeOf(f.channel)
		byPlace[p] = append(byPlace[p], f)
	}
	for p, all := range byPlace {
		for len(all) > 0 && ctx.Err() == nil {
			n := min(len(all), compareAtOnce)
			b.compareSome(ctx, p, all[:n])
			all = all[n:]
		}
	}
}

func (b *Broker) compareSome(ctx context.Context, p *place, some []*follower) {
	ctx, cancel := context.WithTimeout(ctx, deadBeats*b.options.Beat)
	defer cancel()
	ours, theirs, err := p.wait(ctx)
	if err != nil {
		return // the next time
	}
	byEpoch := make(map[string][]*follower)
	for _, f := range some {
		f.mu.Lock()
		byEpoch[f.epoch] = append(byEpoch[f.epoch], f)
		f.mu.Unlock()
	}
	for epoch, some := range byEpoch {
		q := fields.AppendString(fields.AppendString(nil, p.name), epoch)
		for _, f := range some {
			f.mu.Lock()
			q = binary.AppendUvarint(fields.AppendString(q, f.channel), f.last)
			f.mu.Unlock()
		}
		answer := []byte(nil)
		if ours != nil {
			answer = b.compare(q)
		} else if m, err := b.conn.RequestWithContext(ctx, b.names.node(theirs), append([]byte{kindCompare}, q...)); err == nil {
			answer = m.Data
		}
		b.compared(p, theirs, answer)
	}
}

// compared hands the heads of an answer to the followers.
func (b *Broker) compared(p *place, node string, answer []byte) {
	r := fields.Reader{Rest: answer}
	switch r.Byte() {
	case kindNotOwner:
		p.wrong(node)
		return
	case kindHeads:
	default:
		return
	}
	at := maru.Position{Epoch: r.String()}
	for len(r.Rest) > 0 {
		channel := r.String()
		at.Offset = r.Uvarint()
		if f := b.followed(channel); f != nil && !r.Failed {
			f.head(at)
		}
	}
}
