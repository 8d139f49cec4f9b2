package v1

import (
	"maru.example/maru"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
)

// Subprotocol is the name of the protocol in a handshake, and of its connections in logs and
// metrics.
const Subprotocol = "maru.v1"

// Mount adds the protocol to the server, for WebSockets that offer the subprotocol on any
// channel's address.
func Mount(env *gateway.Env) []gateway.Route {
	p := env.Protocol(gateway.ProtocolOptions{
		Name: Subprotocol, Subprotocol: Subprotocol,
		Codec: gateway.Codec{Decode: Decode, EncodeReply: EncodeReply, EncodePieces: EncodePieces, EncodePush: EncodePush},
		Form: env.Hub.Register(hub.Form{
			Name: Subprotocol,
			Publication: func(channel, _ string, p *maru.Publication) *loop.Message {
				return loop.NewKeyedMessage(frame.Text, EncodePublication(channel, p), p.Key)
			},
			PresenceChange: func(channel string, c maru.PresenceChange) *loop.Message {
				return loop.NewMessage(frame.Text, EncodePresenceChange(channel, c))
			},
		}),
	})
	return []gateway.Route{{Channel: true, Takes: gateway.Offers(Subprotocol), Serve: p.Upgrade}}
}
