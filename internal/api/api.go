package api

import (
	"cmp"
	"context"
	"net/http"

	"maru.example/maru"
	"maru.example/maru/internal/entry"
	"maru.example/maru/internal/hub"
)

// ChannelHandler answers a request about one channel, whose name is valid.
type ChannelHandler func(w http.ResponseWriter, r *http.Request, channel string)

// Pages are for people with a browser.
type Pages interface {
	Hall(w http.ResponseWriter, r *http.Request)
	Channel(w http.ResponseWriter, r *http.Request, channel string)
	Quotes(w http.ResponseWriter, r *http.Request)
	Assets() http.Handler // everything under /assets/
}

// Options of an API. All are needed but MaxBodyBytes.
type Options struct {
	Hub     *hub.Hub
	Door    *entry.Door
	History func(ctx context.Context, channel string, q maru.HistoryQuery) (maru.History, error)
	Publish func(ctx context.Context, channel string, p *maru.Publication, o maru.PublishOptions) (maru.Published, error)

	Sockets        ChannelHandler // upgrades to WebSocket
	Events         ChannelHandler // server-sent events of a channel
	PresenceEvents ChannelHandler // and of its presence
	Pages          Pages

	Ready   func() error // why this server takes nobody in now
	Metrics http.Handler

	MaxBodyBytes int64 // of what is published; default 1 MiB
}

// API is an http.Handler.
type API struct{ Options }

// New makes an API.
func New(o Options) *API {
	o.MaxBodyBytes = cmp.Or(o.MaxBodyBytes, 1<<20)
	return &API{o}
}
