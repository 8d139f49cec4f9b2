package server

import (
	"net/http"

	"maru.example/maru"
	"maru.example/maru/internal/api"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/gateway/raw"
	"maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/gateway/sse"
	"maru.example/maru/internal/gateway/v1"
	"maru.example/maru/internal/shares"
	"maru.example/maru/internal/web"
)

// Gateway adds a protocol to the server. Only packages of this module can make one.
type Gateway = gateway.Mount

// gateways are the protocols of every server. The first one that takes a request gets it: raw
// takes every WebSocket on a channel's address.
var gateways = []Gateway{v1.Mount, raw.Mount, sse.Mount, socketio.Mount}

// mount adds the gateways, those of the options first, and returns the handler of all
// addresses.
func (s *Server) mount() http.Handler {
	env := &gateway.Env{
		Engine: s.engine, Hub: s.hub, Admission: s.admission, Session: s.session(), Takeover: s.options.takeover(),
		Submit: s.by(byRaw), History: s.broker.History, WriteTimeout: s.options.BacklogAge,
		EventInterval: s.options.EventInterval, EventPadding: s.options.EventPadding,
		Bodies: shares.New(s.options.MaxMemory/8, "bytes of large bodies that are coming (--max-memory / 8)", s.options.Logger),
	}
	env.Retain = s.retain
	env.Bus = s.broker.bus()
	k, _ := s.broker.keeper().(maru.BatchKeeper)
	if _, shared := k.(maru.SharedKeeper); shared == (env.Bus != nil) {
		env.Keeper = k
	}
	s.endGateways = env.End
	for _, mount := range append(s.options.Gateways[:len(s.options.Gateways):len(s.options.Gateways)], gateways...) {
		s.routes = append(s.routes, mount(env)...)
	}
	return api.New(api.Options{
		Env: env, Routes: s.routes,
		History: s.broker.History, Publish: s.publishHTTP,
		Pages:        web.New(web.Options{Demo: s.options.Demo, CookiePath: s.options.BasePath, Access: s.shown}),
		Ready:        s.ready,
		Backup:       s.broker.backup(),
		Members:      s.broker.members(),
		Metrics:      http.HandlerFunc(s.serveMetrics),
		MaxBodyBytes: s.options.MaxMessageBytes,
	})
}

// retain is gateway.Env.Retain. Of gateways that share a namespace the largest values hold.
func (s *Server) retain(namespace string, r maru.Retention) {
	if was, is := s.reserved.Load(namespace); is {
		was := was.(maru.Retention)
		r.Publications, r.Age, r.Bytes = max(r.Publications, was.Publications), max(r.Age, was.Age), max(r.Bytes, was.Bytes)
	}
	s.reserved.Store(namespace, r)
}

// shown is what a page shows of the rules of a channel.
func (s *Server) shown(channel string) web.Access {
	return web.Access{
		Publish: s.rules.Of(auth.Publish, channel), History: s.rules.Of(auth.History, channel),
		Presence: s.rules.Of(auth.Presence, channel), Nicknames: s.authenticator.Nicknames(),
	}
}
