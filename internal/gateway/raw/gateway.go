package raw

import (
	"context"
	"net/http"

	"maru.example/maru"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/request"
)

// Subprotocol may be offered, and is then selected. A browser must offer one to send a token,
// and fails a connection if none of those it offered is selected.
const Subprotocol = "maru.raw"

var subprotocols = []string{Subprotocol}

// Mount adds the gateway to the server: all WebSockets on a channel's address that no earlier
// route takes.
func Mount(env *gateway.Env) []gateway.Route {
	g := &rawGateway{
		endpoint: env.Endpoint("websocket"),
		bare:     env.Hub.Register(bareForm), publication: env.Hub.Register(publicationForm),
	}
	return []gateway.Route{{Channel: true, Takes: gateway.Upgrades, Serve: g.serve}}
}

type rawGateway struct {
	endpoint          *gateway.Endpoint
	bare, publication hub.FormID
}

// serve answers a request that asks for a WebSocket on a valid channel name, see
// gateway.Endpoint.Upgrade. Its own errors: 400 bad_request or bad_position.
func (g *rawGateway) serve(w http.ResponseWriter, r *http.Request, channel string) {
	a, err := g.parse(r)
	if err != nil {
		g.endpoint.Refuse(w, r, err)
		return
	}
	c := new(connection)
	g.endpoint.Upgrade(w, r, gateway.Opening{
		Channel: channel, Actions: gateway.ReplayActions(a.query), Subprotocols: subprotocols,
		New: func() gateway.ProtocolConn {
			c.Init(g.endpoint.Hub.Channel(channel), a.form)
			return c
		},
		Enter: func(ctx context.Context) error { return c.enter(ctx, a) },
	})
}

// asked holds the parameters of the address.
type asked struct {
	form  hub.FormID
	query maru.HistoryQuery
	mode  hub.Mode
}

func (g *rawGateway) parse(r *http.Request) (a asked, err error) {
	q, err := request.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return a, err
	}
	switch {
	case !q.Has("as"):
		a.form = g.bare
	case q.Get("as") == "publication":
		a.form = g.publication
	default:
		return a, maru.NewError(maru.CodeBadRequest, "as must be publication")
	}
	if a.query, err = request.Replay(q); err != nil {
		return a, err
	}
	if a.query.Since != nil && a.form == g.bare {
		return a, maru.NewError(maru.CodeBadRequest, "since needs as=publication, because bare messages have no positions")
	}
	a.mode.Latest, a.mode.MaxHz, err = request.Delivery(q)
	return a, err
}
