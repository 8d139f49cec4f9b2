// Package line is a gateway of a protocol that maru does not have: lines of text over
// WebSocket. It shows what a protocol costs that comes in by the seam of package gateway, and
// its test what it gets for that: recovery, presence, rules, drain and metrics.
//
//	sub NAME [EPOCH:OFFSET]   ←  ok NAME EPOCH:OFFSET [gap]     then: msg NAME OFFSET TEXT …
//	pub NAME TEXT                 error CODE MESSAGE, if it fails
//	unsub NAME                ←  left NAME
//	who NAME                  ←  here NAME COUNT+ANONYMOUS
//
// The server also says: over NAME CODE, later MILLISECONDS.
package line

import (
	"fmt"
	"strings"

	"maru.example/maru"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/session"
)

// Subprotocol is what a client offers.
const Subprotocol = "line"

// Mount brings the protocol into a server: server.Options.Gateways.
func Mount(env *gateway.Env) []gateway.Route {
	p := env.Protocol(gateway.ProtocolOptions{
		Name: Subprotocol, Subprotocol: Subprotocol, NoConnect: true,
		Codec: gateway.Codec{Decode: decode, EncodeReply: encodeReply, EncodePush: encodePush},
		Form:  env.Hub.Register(hub.Form{Name: Subprotocol, Publication: encodePublication}),
	})
	return []gateway.Route{
		{Channel: true, Takes: gateway.Offers(Subprotocol), Serve: p.Upgrade}, // on any channel's address
		{Path: "/line", Takes: gateway.Upgrades, Serve: p.Upgrade},            // and on one of its own
	}
}

var errLine = maru.NewError(maru.CodeBadRequest, "a line is: sub NAME [POSITION], unsub NAME, pub NAME TEXT, or who NAME")

// ref asks for a reply: a line has no number of its own.
const ref = 1

func decode(text bool, line []byte) (session.Command, error) {
	verb, rest, _ := strings.Cut(string(line), " ")
	name, rest, found := strings.Cut(rest, " ")
	switch {
	case !text || name == "":
		return nil, errLine
	case verb == "sub" && !found:
		return session.Subscribe{Ref: ref, Channel: name}, nil
	case verb == "sub":
		since, err := maru.ParsePosition(rest)
		if err != nil {
			return session.Invalid{Ref: ref, Err: err}, nil
		}
		return session.Subscribe{Ref: ref, Channel: name, Since: &since}, nil
	case verb == "unsub":
		return session.Unsubscribe{Ref: ref, Channel: name}, nil
	case verb == "pub":
		return session.Publish{Channel: name, Publication: &maru.Publication{Data: []byte(rest)}}, nil
	case verb == "who":
		return session.Presence{Ref: ref, Channel: name}, nil
	}
	return nil, errLine
}

func encodePublication(channel, _ string, p *maru.Publication) *loop.Message {
	text := string(p.Data)
	if p.Kind == maru.Binary {
		text = fmt.Sprintf("(%d bytes)", len(p.Data))
	}
	return loop.NewKeyedMessage(frame.Text, fmt.Appendf(nil, "msg %s %d %s", channel, p.Offset, text), p.Key)
}

func encodeReply(_ uint64, r session.Reply) []byte {
	switch r := r.(type) {
	case session.Subscribed:
		gap := ""
		if r.Gap != nil {
			gap = " gap"
		}
		return fmt.Appendf(nil, "ok %s %s:%d%s", r.Channel, r.From.Epoch, r.From.Offset, gap)
	case session.Unsubscribed:
		return fmt.Appendf(nil, "left %s", r.Channel)
	case session.PresenceRead:
		return fmt.Appendf(nil, "here %s %d+%d", r.Channel, r.Count, r.Anonymous)
	case session.Failed:
		return fmt.Appendf(nil, "error %s %s", r.Err.Code, r.Err.Message)
	}
	return nil
}

func encodePush(p session.Push) []byte {
	switch p := p.(type) {
	case session.SubscriptionEnded:
		return fmt.Appendf(nil, "over %s %s", p.Channel, p.Err.Code)
	case session.ComeBack:
		return fmt.Appendf(nil, "later %d", p.After.Milliseconds())
	}
	return nil
}
