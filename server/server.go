package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/certs"
	"maru.example/maru/internal/front"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/handshake"
	"maru.example/maru/internal/histogram"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/logs"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/metrics"
	"maru.example/maru/internal/presence"
	"maru.example/maru/internal/request"
	"maru.example/maru/internal/response"
)

const (
	idleTimeout  = 120 * time.Second // of a connection between two requests
	writeTimeout = 60 * time.Second  // of a plain answer; streams and polls set their own
	bodyTimeout  = 30 * time.Second  // for a body to arrive, also if no handler reads it
)

// Server is a realtime server. Make it with New, and end it with Shutdown.
type Server struct {
	options       Options
	engine        *loop.Engine
	hub           *hub.Hub
	broker        *brokers
	presence      *presence.Presence // of other nodes; nil: there are none
	authenticator *auth.Authenticator
	rules         auth.Rules
	rates         admission.Rates
	registry      *admission.Registry // of live connections
	admission     *admission.Admission
	routes        []gateway.Route
	api           http.Handler
	filter        *auth.RequestFilter
	handler       http.Handler // api behind the filter
	status        http.Handler // see Status
	requests      requests
	http          *http.Server
	certificates  *certs.Store // nil without TLS
	plain         *plain       // its connections

	accepting front.Accepting

	watching     sync.WaitGroup
	stopWatching chan struct{} // closed by Shutdown
	endGateways  func()        // of the gateways: see gateway.Env.End
	reserved     sync.Map      // of the gateways: a maru.Retention by namespace, see gateway.Env.Retain
	access       atomic.Pointer[access]
	reload       sync.Mutex
	ended        bool // guarded by reload: the current access is closed

	metrics         *metrics.Registry
	refusals        *auth.Refusals // requests
	failures        *auth.Refusals // commands of maru.v1
	logs            *logs.Handler
	replayed, stale atomic.Uint64 // publications
	took            took
	spaces          spaces
	reloads         outcomes // of Reload
	connectWebhook  auth.WebhookStats
	keySets         auth.KeySetStats
	called          histogram.Histogram // how long Options.RPC took

	shutdown    sync.Once
	shutdownErr error
}

// New makes a Server. The error names the option that is malformed: an origin,
// a host, a proxy, the base path or a part of Access; or it is a *BrokerError or a
// *CertificateError.
func New(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	lines, limited := o.Logger.Handler().(*logs.Handler)
	if !limited {
		lines = logs.New(o.Logger.Handler())
		o.Logger = slog.New(lines)
	}
	refusals := auth.NewRefusals()
	var err error
	if o.BasePath, err = cleanBase(o.BasePath); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	if o.ProxyProtocol && len(o.TrustedProxies) == 0 && !o.TrustUnix {
		return nil, errors.New("server: ProxyProtocol needs TrustedProxies: a header counts only from their addresses")
	}
	if o.CookieSameSite < 0 || o.CookieSameSite > http.SameSiteNoneMode {
		return nil, fmt.Errorf("server: CookieSameSite is %d, but must be a constant of net/http", o.CookieSameSite)
	}
	filter, statusFilter, err := o.filters(refusals)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	o = o.withDefaults()
	certificates, err := openCertificates(o)
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, filter: filter, certificates: certificates, refusals: refusals, failures: auth.NewRefusals(),
		registry:     admission.NewRegistry(max(o.MaxConnections, 0), o.MaxConnectionsPerAddress, o.Logger),
		stopWatching: make(chan struct{}),
		logs:         lines,
	}
	s.spaces.listed = s.listed
	s.rules.Program = s.allow()
	s.authenticator = auth.NewAuthenticator(auth.NewSessions(auth.SessionOptions{CookiePath: o.BasePath, SameSite: o.CookieSameSite, Log: o.Logger}), o.Logger)
	s.authenticator.Connections, s.authenticator.Overloaded = s.registry, s.registry.Overloaded
	s.admission = &admission.Admission{
		Registry: s.registry, Authenticator: s.authenticator, Rules: &s.rules, Rates: &s.rates, Log: o.Logger, Failures: s.failures,
	}
	in, err := s.prepare(o.Access.clone(), nil)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	s.enforce(in)
	s.engine = loop.New(o.loop())
	var brokerErr error
	s.hub = hub.New(hub.Options{Engine: s.engine, QueueBytes: o.BacklogBytes, QueueMessages: o.BacklogMessages, QueueAge: o.BacklogAge,
		MaxHz:         s.maxHz,
		Space:         s.spaces.space,
		PresenceGrace: o.PresenceGrace, PresenceNames: o.PresenceMaxList},
		func(sink maru.Sink) maru.Broker {
			s.broker, brokerErr = s.openBroker(sink)
			return s.broker
		})
	if brokerErr == nil {
		brokerErr = s.join()
	}
	s.api = s.mount()
	s.metrics = metrics.New(s.allMetrics())
	s.status = statusFilter.Handler(s.statusPages())
	s.handler = filter.Handler(under(o.BasePath, s.api))
	s.plain = &plain{
		arriving: front.NewBound(maxArriving(o.MaxConnections), "connections before their first request (--max-connections / 2, at least 64)", filter.PeerHolder, o.Logger),
		requests: front.NewBound(o.MaxConnections, "connections with requests (--max-connections)", filter.PeerHolder, o.Logger),
	}
	s.accepting.Bound = s.plain.arriving
	s.http = s.newHTTP()
	if brokerErr != nil {
		cut, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(cut)
		return nil, brokerErr
	}
	s.watchMemory()
	s.watchCertificates()
	return s, nil
}

// filters are those of the addresses of the server, and of Status.
func (o *Options) filters(refusals *auth.Refusals) (filter, status *auth.RequestFilter, err error) {
	policy := o.policy()
	policy.Refusals = refusals
	if filter, err = auth.NewRequestFilter(policy); err != nil {
		return nil, nil, err
	}
	policy.Loopback = false // whatever the server listens on, Status may be elsewhere
	status, err = auth.NewRequestFilter(policy)
	return filter, status, err
}

// join begins what the server does with the other nodes of its cluster, and with what its broker keeps. The
// error is a *BrokerError.
func (s *Server) join() error {
	if bus := s.broker.bus(); bus != nil {
		if err := s.joinSettings(bus); err != nil {
			return &BrokerError{err}
		}
		s.presence = presence.New(s.hub, bus, presence.Options{})
		s.authenticator.Join(bus)
		s.admission.Join(bus)
		s.watching.Go(func() { s.admission.Announce(bus, s.stopWatching) })
	}
	if k := s.broker.keeper(); k != nil {
		if err := s.authenticator.Keep(context.Background(), k); err != nil {
			return &BrokerError{err}
		}
	}
	return nil
}

func (s *Server) newHTTP() *http.Server {
	o := &s.options
	return &http.Server{
		Handler:           handler{s},
		ReadHeaderTimeout: o.HandshakeTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    o.MaxHeaderBytes,
		ErrorLog:          logs.ErrorLog(o.Logger),
		ConnState:         s.plain.changed,
		Protocols:         o.protocols(),
		ConnContext:       front.ConnContext,
	}
}

// ServeHTTP answers all addresses of the server, see package documentation. To mount it
// under a prefix, use http.StripPrefix or Options.BasePath, not both. After Shutdown it
// answers 503 shutting_down.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.requests.begin() {
		auth.WriteError(w, r, errShuttingDown)
		return
	}
	defer s.requests.end()
	if s.admission.Drain.Begun() && !handshake.IsUpgrade(r) {
		w.Header().Set("Connection", "close") // the next request goes to another connection; in HTTP/2 it is a GOAWAY
	}
	if r.ContentLength != 0 {
		// net/http reads the rest of a body before it answers. Without a limit a client that
		// announces a body and never sends it would hold the connection forever, even if
		// refused. (Not http.Server.ReadTimeout, which would end event streams.)
		response.Deadlines(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	}
	s.handler.ServeHTTP(w, r)
}

// handler is the Server as its own listeners call it.
type handler struct{ *Server }

// Inline implements front.InlineHandler. A request is decided by its headers alone if no hook
// decides about it, it needs no identification, asks for no history, and begins no protocol of a
// gateway's own that may wait.
func (h handler) Inline(r *http.Request) bool {
	return h.authenticator.Immediate() && !h.rules.Wait() && h.byHead(r) && r.Header["Cookie"] == nil && r.Header["Authorization"] == nil && r.Header["Sec-Websocket-Protocol"] == nil
}

// byHead reports whether the address of a request and its query ask for nothing that waits.
func (h handler) byHead(r *http.Request) bool {
	path, _ := below(h.options.BasePath, r.URL.Path)
	for i := range h.routes {
		if route := &h.routes[i]; route.Matches(path, r) {
			return route.Inline != nil && route.Inline(r)
		}
	}
	return r.URL.RawQuery == ""
}

var errShuttingDown = &maru.Error{Code: maru.CodeShuttingDown, Message: "the server is shutting down", RetryAfter: time.Second}

// Publish publishes p in a channel. It returns when p has its position and is on its way to all
// subscribers. It takes ownership of p and p.Data. While too many publications are in progress
// it waits, until ctx ends. Error codes: CodeBadChannel, CodeNotAllowed for a name that begins
// with $, CodeBadText, CodeBadJSON, CodeTooLarge, CodeShuttingDown, CodeBadRequest if p is nil,
// or its key or event is refused (maru.Publication.Check).
func (s *Server) Publish(ctx context.Context, channel string, p *maru.Publication) (maru.Position, error) {
	done, err := s.PublishWith(ctx, channel, p, maru.PublishOptions{})
	return done.Position, err
}

// PublishWith is Publish with options: an idempotency key, a version, or transient. Errors
// besides those of Publish: CodeBadRequest for a key that is too long, CodeIdempotencyConflict, and
// CodeUnavailable if the broker is unavailable, with PublishOptions.Wait if it is so until ctx ends.
func (s *Server) PublishWith(ctx context.Context, channel string, p *maru.Publication, o maru.PublishOptions) (maru.Published, error) {
	o.Share = maru.NoShare // the program itself
	if err := maru.CheckChannel(channel); err != nil {
		return maru.Published{}, err
	}
	if maru.Reserved(channel) {
		return maru.Published{}, errReserved
	}
	if p == nil {
		return maru.Published{}, p.Check()
	}
	if int64(len(p.Data)) > s.options.MaxMessageBytes {
		return maru.Published{}, maru.NewError(maru.CodeTooLarge, fmt.Sprintf("the data has %d bytes, more than a message may have (limit %d)", len(p.Data), s.options.MaxMessageBytes))
	}
	if p.Kind == maru.JSON {
		compact, err := request.CompactJSON(p.Data)
		if err != nil {
			return maru.Published{}, err
		}
		p.Data = compact
	}
	if o.Wait {
		return s.insist(ctx, channel, p, o)
	}
	return s.publish(ctx, byProgram, channel, p, o, noHook)
}

func noHook() error { return nil }

// insistEvery is the pause between two attempts of insist.
const insistEvery = 250 * time.Millisecond

// insist publishes, again and again while the broker is unavailable. An attempt may have been
// accepted all the same, so all have one key.
func (s *Server) insist(ctx context.Context, channel string, p *maru.Publication, o maru.PublishOptions) (maru.Published, error) {
	if o.IdempotencyKey == "" {
		o.IdempotencyKey = rand.Text()
	}
	var before error
	for {
		one := *p // the broker owns what it gets
		done, err := s.publish(ctx, byProgram, channel, &one, o, noHook)
		switch {
		case err != nil && ctx.Err() != nil && before != nil:
			return done, before // it says why
		case err == nil || maru.ErrorOf(err).Code != maru.CodeUnavailable:
			return done, err
		}
		before = err
		select {
		case <-time.After(insistEvery):
		case <-ctx.Done():
			return done, err
		}
	}
}

// publish waits for room before it publishes, as every goroutine must. may is called after the
// wait.
func (s *Server) publish(ctx context.Context, by way, channel string, p *maru.Publication, o maru.PublishOptions, may func() error) (maru.Published, error) {
	start := time.Now()
	if err := s.engine.Wait(ctx); err != nil {
		return maru.Published{}, err
	}
	if err := may(); err != nil {
		return maru.Published{}, err
	}
	s.complete(channel, p)
	done, err := maru.Publish(ctx, s.broker, channel, p, o)
	if err == nil {
		s.took[by].Observe(time.Since(start))
		s.count(done)
	}
	return done, err
}

// submit does not wait: it is for loops.
func (s *Server) submit(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error)) {
	s.complete(channel, p)
	if o.IdempotencyKey != "" || o.Version != 0 {
		answer := done
		done = func(p maru.Published, err error) {
			s.count(p)
			answer(p, err)
		}
	}
	s.broker.Submit(channel, p, o, done)
}

// count counts publications that were not delivered, because they were repeats or stale.
func (s *Server) count(p maru.Published) {
	if p.Replayed {
		s.replayed.Add(1)
	}
	if p.Stale {
		s.stale.Add(1)
	}
}

// Connections returns the number of WebSockets, event streams and waiting polls now.
func (s *Server) Connections() int { return s.registry.Count() }

// Presence returns the subscribers of a channel now. Where the server is one of several nodes, it
// has those of the others only while somebody here follows the channel's presence: see AwaitPresence.
func (s *Server) Presence(channel string) maru.Presence { return s.hub.Presence(channel) }

// AwaitPresence returns the subscribers of a channel on all nodes. It waits for the answers of nodes
// whose people are not known here. On one node it is Presence. Errors: CodeUnavailable if a node does
// not answer within 10 s, or this one is cut off from the others; ctx's cause.
func (s *Server) AwaitPresence(ctx context.Context, channel string) (maru.Presence, error) {
	return s.hub.AwaitPresence(ctx, channel)
}
