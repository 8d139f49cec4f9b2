package api

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"sync"

	"maru.example/maru"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/gateway"
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

// Options of an API. All are needed but Backup, Members and MaxBodyBytes.
type Options struct {
	Env     *gateway.Env
	Routes  []gateway.Route // of all gateways, the first that takes a request first
	History func(ctx context.Context, channel string, q maru.HistoryQuery) (maru.History, error)
	// Publish publishes, and may wait before. It calls may after the wait, right before the
	// publication is made, and returns its error.
	Publish func(ctx context.Context, channel string, p *maru.Publication, o maru.PublishOptions, may func() error) (maru.Published, error)
	Pages   Pages

	Ready   func() error // why no new connections are accepted; nil: they are
	Metrics http.Handler
	Backup  func(ctx context.Context, w io.Writer) error // nil: nothing is stored
	Members maru.Membership                              // nil: there are no machines to list

	MaxBodyBytes int64 // of a published body; default 1 MiB
}

// API is an http.Handler.
type API struct {
	Options
	admission *admission.Admission
	hub       *hub.Hub
	polls     *gateway.Endpoint
	backups   sync.Mutex // held while one is made
}

// New makes an API.
func New(o Options) *API {
	o.MaxBodyBytes = cmp.Or(o.MaxBodyBytes, maru.DefaultMessageBytes)
	return &API{Options: o, admission: o.Env.Admission, hub: o.Env.Hub, polls: o.Env.Endpoint("poll")}
}
