package socketio

import (
	"time"

	"maru.example/maru/internal/gateway"
)

// WithWriteAfter sets how long after a change the journal writes it.
func (o Options) WithWriteAfter(d time.Duration) Options {
	o.writeAfter = d
	return o
}

// What nodes say of a session that is elsewhere now.
var (
	AppendMoved = appendMoved
	MovedTo     = movedTo
)

// MountWithTunnels is MountOptions, and how many tunnels the gateway has.
func MountWithTunnels(o Options) (mount gateway.Mount, tunnels func() int) {
	var g *Gateway
	return func(env *gateway.Env) []gateway.Route {
			g = newGateway(env, o, env.Hub.Register(form), nil, false)
			return g.Routes(newMapping(g, env))
		}, func() int {
			g.tunnels.mu.Lock()
			defer g.tunnels.mu.Unlock()
			return len(g.tunnels.all)
		}
}
