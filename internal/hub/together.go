package hub

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"maru.example/maru"
	"maru.example/maru/internal/loop"
)

// Attachment is a socket that is to be attached with others: see AttachTogether.
type Attachment struct {
	Joining
	Socket
}

// AttachTogether subscribes one connection to several channels of one history, as Attach does for
// each, and in the order of their offsets over all of them: each message that the connection gets
// then has a higher offset than all before it. So the offset of the last one says what it has of
// all the channels. If the Attachments have a Receiver, all have it, and there may be several histories:
// the order is that of each. The Joinings have histories without a gap; the channels are different ones.
// If it fails, none is attached. Errors: those of Attach.
func AttachTogether(ctx context.Context, all []Attachment) error {
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, func(a, b Attachment) int { return strings.Compare(a.channel.name, b.channel.name) }) // the order of the locks
	rest, err := sendTogether(ctx, all)
	for i := range all {
		all[i].channel.mu.Lock()
		defer all[i].channel.mu.Unlock()
		delete(all[i].channel.queues, all[i].live)
	}
	if err != nil {
		return err
	}
	for i := range all {
		a := &all[i]
		waited, err := a.waited()
		if err != nil {
			return err
		}
		for _, d := range waited {
			rest = append(rest, item{a, d})
		}
	}
	if err := sendItems(rest); err != nil {
		return err
	}
	for i := range all {
		all[i].channel.attach(all[i].Socket, all[i].To)
	}
	return nil
}

// item is a publication that is sent together with others.
type item struct {
	of *Attachment
	Delivery
}

// sendItems sends publications in the order of their offsets.
func sendItems(all []item) error {
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b item) int { return cmp.Compare(a.At.Offset, b.At.Offset) })
	if to := all[0].of.To; to != nil {
		rs := make([]Received, len(all))
		for i, it := range all {
			rs[i] = Received{it.of.channel.name, it.Delivery, false}
		}
		return to.Receive(rs, false)
	}
	ms := make([]*loop.Message, len(all))
	for i, it := range all {
		ms[i] = it.of.channel.encode(it.of.Form, it.Delivery)
	}
	return all[0].of.Conn.SendAll(ms)
}

// sendTogether sends the histories, piece by piece, but for the last piece, which it returns.
func sendTogether(ctx context.Context, all []Attachment) (rest []item, err error) {
	var items []item
	for i := range all {
		a := &all[i]
		for _, p := range a.History.Publications {
			items = append(items, item{a, Delivery{maru.Position{Epoch: a.History.Epoch, Offset: p.Offset}, p}})
		}
	}
	slices.SortStableFunc(items, func(a, b item) int { return cmp.Compare(a.At.Offset, b.At.Offset) })
	bytes := 0
	for _, it := range items {
		if bytes += len(it.Publication.Data); bytes > pieceBytes && len(rest) > 0 {
			if err := sendItems(rest); err != nil {
				return nil, err
			}
			if err := it.of.channel.drain(ctx, it.of.Conn); err != nil {
				return nil, err
			}
			rest, bytes = nil, len(it.Publication.Data)
		}
		rest = append(rest, it)
	}
	return rest, nil
}
