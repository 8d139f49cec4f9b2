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
// all the channels. The Joinings have histories without a gap, of one epoch; the channels are
// different ones. If it fails, none is attached. Errors: those of Attach.
func AttachTogether(ctx context.Context, all []Attachment) error {
	slices.SortFunc(all, func(a, b Attachment) int { return strings.Compare(a.channel.name, b.channel.name) }) // the order of the locks
	conn, rest, err := sendTogether(ctx, all)
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
		a.live.begin(a.History)
		waited, err := a.live.collected()
		if err != nil {
			return err
		}
		for _, d := range waited {
			rest = append(rest, numbered{d.At.Offset, a.channel.encode(a.Form, d)})
		}
	}
	sortNumbered(rest)
	if len(rest) > 0 {
		if err := conn.SendAll(messagesOf(rest)); err != nil {
			return err
		}
	}
	for i := range all {
		all[i].channel.add(all[i].Socket)
	}
	return nil
}

// numbered is an encoded publication.
type numbered struct {
	offset  uint64
	message *loop.Message
}

func sortNumbered(all []numbered) {
	slices.SortStableFunc(all, func(a, b numbered) int { return cmp.Compare(a.offset, b.offset) })
}

func messagesOf(all []numbered) []*loop.Message {
	ms := make([]*loop.Message, len(all))
	for i, n := range all {
		ms[i] = n.message
	}
	return ms
}

// sendTogether sends the histories, piece by piece, but for the last piece, which it returns.
func sendTogether(ctx context.Context, all []Attachment) (conn loop.Conn, rest []numbered, err error) {
	type item struct {
		of *Attachment
		p  *maru.Publication
	}
	var items []item
	for i := range all {
		conn = all[i].Conn
		for _, p := range all[i].History.Publications {
			items = append(items, item{&all[i], p})
		}
	}
	slices.SortStableFunc(items, func(a, b item) int { return cmp.Compare(a.p.Offset, b.p.Offset) })
	bytes := 0
	for _, it := range items {
		if bytes += len(it.p.Data); bytes > pieceBytes && len(rest) > 0 {
			if err := conn.SendAll(messagesOf(rest)); err != nil {
				return conn, nil, err
			}
			if err := it.of.channel.drain(ctx, conn); err != nil {
				return conn, nil, err
			}
			rest, bytes = nil, len(it.p.Data)
		}
		d := Delivery{maru.Position{Epoch: it.of.History.Epoch, Offset: it.p.Offset}, it.p}
		rest = append(rest, numbered{it.p.Offset, it.of.channel.encode(it.of.Form, d)})
	}
	return conn, rest, nil
}
