package gateway

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/handshake"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/session"
	"maru.example/maru/internal/shares"
)

// Env is what the server provides to gateways. All fields are needed, except Engine if no
// connection of its own is served, and those with a default.
type Env struct {
	Engine    *loop.Engine
	Hub       *hub.Hub
	Admission *admission.Admission
	Session   session.Options // of sessions; a protocol may change its copy
	Takeover  frame.Takeover  // allowed in permessage-deflate

	// Submit is maru.Broker's. It is called on loops and does not wait.
	Submit func(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error))

	// History is maru.Broker's.
	History func(ctx context.Context, channel string, q maru.HistoryQuery) (maru.History, error)

	// Bodies bounds the bytes of bodies that are coming, beside the first 64 KiB of each, as shares of
	// their senders; nil: no limit. See CountBody.
	Bodies *shares.Shares

	// WriteTimeout bounds one write of a connection that a goroutine serves. Default 30 s.
	WriteTimeout time.Duration
	// EventInterval is how often an event stream that a goroutine serves gets a comment. Default
	// 15 s. The engine has loop.Options.HeartbeatInterval for its own.
	EventInterval time.Duration
	// Keeper keeps small records over restarts; nil: nothing does.
	Keeper maru.BatchKeeper
	// Bus carries messages between nodes. Keeper, if there is one, is then a maru.SharedKeeper. nil:
	// this is the only node.
	Bus maru.Bus

	// Retain says what a namespace of a gateway's own keeps, whose name is reserved; nil: it cannot
	// be said. It is for a Mount.
	Retain func(namespace string, r maru.Retention)

	// EventPadding is the least size of such a comment, in bytes. Default: as short as can be.
	EventPadding int

	ends  []func()
	kinds map[string]int
}

// Kind returns the kind of a gateway's messages on Bus, for a name. A second gateway with the name gets
// another one. All nodes have the same gateways, in the same order. It is for a Mount.
func (env *Env) Kind(name string) string {
	if env.kinds == nil {
		env.kinds = make(map[string]int)
	}
	env.kinds[name]++
	if n := env.kinds[name]; n > 1 {
		name += " " + strconv.Itoa(n)
	}
	return name
}

// AtEnd has f called when the server has closed all connections, before it closes the broker. It is
// for a Mount.
func (env *Env) AtEnd(f func()) { env.ends = append(env.ends, f) }

// End calls what AtEnd was given. It may wait.
func (env *Env) End() {
	for _, f := range env.ends {
		f()
	}
}

// Mount adds a protocol to the server: it registers forms with env.Hub, makes endpoints, and
// returns the routes of their requests. It is called once, before the first request.
type Mount func(env *Env) []Route

// Route selects the requests of a gateway by exactly one of Path, Channel and Presence. The
// first route whose Takes agrees gets the request.
type Route struct {
	Path     string // an address of the gateway's own; if it ends in /, with all below it
	Channel  bool   // the addresses of channels
	Presence bool   // the addresses of their presence

	// Takes selects requests at that address; nil: all. It may read headers only and must not
	// wait.
	Takes func(r *http.Request) bool

	// Inline reports whether Serve answers a request for a WebSocket at Path by its head alone,
	// without waiting, if it needs no identification. It is then served on a loop, without a
	// goroutine. nil: it never is.
	Inline func(r *http.Request) bool

	// Serve answers a request. The channel's name is valid, and empty for Path.
	Serve func(w http.ResponseWriter, r *http.Request, channel string)
}

// Matches reports whether the route takes a request at an escaped path of the gateway's own.
func (t *Route) Matches(path string, r *http.Request) bool {
	if t.Path == "" {
		return false
	}
	at := path == t.Path || strings.HasSuffix(t.Path, "/") && strings.HasPrefix(path, t.Path)
	return at && t.Wants(r)
}

// Wants reports whether the route takes a request at its address.
func (t *Route) Wants(r *http.Request) bool { return t.Takes == nil || t.Takes(r) }

// Upgrades is a Takes for requests for a WebSocket.
func Upgrades(r *http.Request) bool { return handshake.IsUpgrade(r) }

// Offers returns a Takes for requests for a WebSocket that offer a subprotocol.
func Offers(subprotocol string) func(*http.Request) bool {
	return func(r *http.Request) bool { return handshake.IsUpgrade(r) && handshake.Offers(r, subprotocol) }
}

// Endpoint is one transport of a gateway. Make it with Env.Endpoint.
type Endpoint struct {
	*Env
	transport *admission.Transport

	// LastWord is the message before the server closes a connection with err, for a transport
	// without close codes. It is set before the first request; nil: there is none.
	LastWord func(err *maru.Error) *loop.Message

	// Heartbeat is the sign of life of a transport that has one, for all its connections. It is
	// set before the first request.
	Heartbeat *loop.Message

	// Later answers a GET that may succeed later, for a client that would take an error's status
	// as final. It is set before the first request; nil: it is answered as an error.
	Later func(w http.ResponseWriter, r *http.Request, err *maru.Error)
}

// Endpoint makes an endpoint; the name is that of its connections in logs, metrics and the
// registry.
func (env *Env) Endpoint(name string) *Endpoint {
	return &Endpoint{Env: env, transport: env.Admission.Transport(name)}
}

// Refuse answers a request for a live connection with err, and logs it.
func (e *Endpoint) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	if public := maru.ErrorOf(err); e.Later != nil && r.Method == http.MethodGet && public.Code.Temporary() {
		e.Admission.Refused(r, err)
		e.Later(w, r, public)
		return
	}
	e.Admission.Refuse(w, r, err)
}

// mayPublish is Admission.MayPublish. Where that may wait, the caller is a goroutine, which also
// waits for room in the loops before it publishes.
func (e *Endpoint) mayPublish(ctx context.Context, who auth.Identity, addr netip.Addr, own *admission.Pace, channel string) error {
	err := e.Admission.MayPublish(ctx, who, addr, own, channel)
	if err != nil || !e.Admission.Rules.Wait() {
		return err
	}
	if err := e.Engine.Wait(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	return e.Admission.Stands(auth.Decision{Who: who, Do: auth.Publish, Channel: channel}) // still, after the wait
}

// info describes a connection of the endpoint for the registry.
func (e *Endpoint) info(entry *admission.Entry, who auth.Identity, channels []string) admission.Info {
	return admission.Info{
		ID: entry.ID(), Transport: e.transport.Name(), Addr: entry.Addr(), User: who.User,
		Since: e.Admission.Registry.Since(entry), Channels: channels,
	}
}

// ReplayActions returns the actions of a subscription that begins with q, first the one by which
// it lives.
func ReplayActions(q maru.HistoryQuery) []auth.Action {
	if q.Since == nil && q.Limit == 0 {
		return subscribeActions[:1]
	}
	return subscribeActions[:]
}

var subscribeActions = [...]auth.Action{auth.Subscribe, auth.History}
