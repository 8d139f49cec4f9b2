package server

import (
	"net/http"
	"runtime/debug"
	"slices"

	"maru.example/maru"
	"maru.example/maru/internal/front"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/metrics"
)

// allMetrics are the metrics of /metrics besides those of the Go runtime, in the order of the
// answer.
func (s *Server) allMetrics() []metrics.Metric {
	return slices.Concat(s.connectionMetrics(), s.channelMetrics(), s.namespaceMetrics(), s.durationMetrics(), s.socketMetrics(),
		s.memoryMetrics(), s.historyMetrics(), s.accessMetrics(), s.certificateMetrics(), s.brokerMetrics())
}

// one reads a metric that has one value and no labels.
func one(read func() float64) func(metrics.Emit) {
	return func(emit metrics.Emit) { emit(read()) }
}

// codes reads a metric that has one value for each error code.
func codes(of func(maru.Code) uint64) func(metrics.Emit) {
	return func(emit metrics.Emit) {
		for _, code := range maru.Codes() {
			emit(float64(of(code)), string(code))
		}
	}
}

// connectionMetrics are about the server, live connections and requests.
func (s *Server) connectionMetrics() []metrics.Metric {
	return []metrics.Metric{
		{Name: "maru_build_info", Help: "Always 1; the labels are the versions of maru and Go.", Labels: []string{"version", "goversion"},
			Read: func(emit metrics.Emit) { emit(1, buildInfo()...) }},
		{Name: "maru_connections", Help: "Live connections.", Labels: []string{"transport"},
			Read: func(emit metrics.Emit) {
				for _, t := range s.admission.Transports() {
					emit(float64(t.Now()), t.Name())
				}
			}},
		{Name: "maru_connections_opened_total", Help: "Live connections that were ever open.", Labels: []string{"transport"}, Rises: true,
			Read: func(emit metrics.Emit) {
				for _, t := range s.admission.Transports() {
					emit(float64(t.Opened()), t.Name())
				}
			}},
		{Name: "maru_connections_arriving", Help: "Connections before their first request: in the TLS handshake, silent, or about to be decided on; without a limit on connections 0.",
			Read: one(func() float64 { return float64(s.plain.arriving.Held()) })},
		{Name: "maru_connections_refused_total", Help: "Connections closed when they came, by stage: arriving (too many before a first request), requests (too many with requests); and by bound: address (half of them are of one), all.",
			Labels: []string{"stage", "bound"}, Rises: true,
			Read: func(emit metrics.Emit) {
				for stage, bound := range map[string]*front.Bound{"arriving": s.plain.arriving, "requests": s.plain.requests} {
					address, all := bound.Refused()
					emit(float64(address), stage, "address")
					emit(float64(all), stage, "all")
				}
			}},
		{Name: "maru_connections_limit", Help: "Most live connections allowed; 0: no limit.",
			Read: one(func() float64 { return float64(max(s.options.MaxConnections, 0)) })},
		{Name: "maru_disconnections_total", Help: "Live connections that have ended, by reason: closed (by the client), lost, answered (a poll), or an error code.",
			Labels: []string{"transport", "reason"}, Rises: true,
			Read: func(emit metrics.Emit) {
				for _, t := range s.admission.Transports() {
					for reason, n := range t.Ended() {
						emit(float64(n), t.Name(), reason)
					}
				}
			}},
		{Name: "maru_http_errors_total", Help: "Requests answered with an error, by error code; upgrades are included.", Labels: []string{"code"}, Rises: true,
			Read: codes(s.refusals.Of)},
		{Name: "maru_command_errors_total", Help: "Commands of maru.v1 answered with an error, by error code.", Labels: []string{"code"}, Rises: true,
			Read: codes(s.failures.Of)},
		{Name: "maru_slow_total", Help: "Connections closed because they read too slowly, by the limit they passed; queue is for polls, and for event streams in HTTP/2.",
			Labels: []string{"bound"}, Rises: true,
			Read: func(emit metrics.Emit) {
				slow := s.engine.Stats().Slow
				for bound, n := range map[string]uint64{"bytes": slow.Bytes, "messages": slow.Messages, "age": slow.Age, "keys": slow.Keys, "queue": s.hub.Stats().Slow} {
					emit(float64(n), bound)
				}
			}},
	}
}

// channelMetrics are about channels and their publications.
func (s *Server) channelMetrics() []metrics.Metric {
	count := func(read func(hub.Stats) uint64) func(metrics.Emit) {
		return one(func() float64 { return float64(read(s.hub.Stats())) })
	}
	return []metrics.Metric{
		{Name: "maru_channels", Help: "Channels with at least one subscriber.",
			Read: one(func() float64 { n, _ := s.hub.Size(); return float64(n) })},
		{Name: "maru_subscriptions", Help: "Subscriptions of all connections to all channels; polls and presence streams are included.",
			Read: one(func() float64 { _, n := s.hub.Size(); return float64(n) })},
		{Name: "maru_publications_total", Help: "Publications delivered to their channels.", Rises: true,
			Read: count(func(h hub.Stats) uint64 { return h.Publications })},
		{Name: "maru_publication_bytes_total", Help: "Bytes of data in delivered publications.", Rises: true,
			Read: count(func(h hub.Stats) uint64 { return h.Bytes })},
		{Name: "maru_publications_repeated_total", Help: "Publications that were not delivered, because the idempotency key was known (replayed) or the version was not new (stale).",
			Labels: []string{"reason"}, Rises: true,
			Read: func(emit metrics.Emit) {
				emit(float64(s.replayed.Load()), "replayed")
				emit(float64(s.stale.Load()), "stale")
			}},
		{Name: "maru_conflated_total", Help: "Publications replaced by a newer one of their key while they waited, by place: socket, queue (an event stream in HTTP/2), pace (max_hz).",
			Labels: []string{"place"}, Rises: true,
			Read: func(emit metrics.Emit) {
				h := s.hub.Stats()
				for place, n := range map[string]uint64{"socket": s.engine.Stats().Conflated, "queue": h.Conflated, "pace": h.Paced} {
					emit(float64(n), place)
				}
			}},
	}
}

// socketMetrics are about what is written to and read from sockets.
func (s *Server) socketMetrics() []metrics.Metric {
	count := func(read func(loop.Stats) uint64) func(metrics.Emit) {
		return one(func() float64 { return float64(read(s.engine.Stats())) })
	}
	return []metrics.Metric{
		{Name: "maru_socket_deliveries_total", Help: "Messages written to sockets.", Rises: true,
			Read: count(func(e loop.Stats) uint64 { return e.Deliveries })},
		{Name: "maru_socket_writes_total", Help: "System calls that wrote messages to sockets.", Rises: true,
			Read: count(func(e loop.Stats) uint64 { return e.Writes })},
		{Name: "maru_socket_sent_bytes_total", Help: "Bytes written to sockets, before TLS.", Rises: true,
			Read: count(func(e loop.Stats) uint64 { return e.Written })},
		{Name: "maru_socket_received_bytes_total", Help: "Bytes read from sockets, after the handshake and TLS.", Rises: true,
			Read: count(func(e loop.Stats) uint64 { return e.Read })},
	}
}

// memoryMetrics are about memory, and whether the server takes newcomers.
func (s *Server) memoryMetrics() []metrics.Metric {
	return []metrics.Metric{
		{Name: "maru_memory_used_bytes", Help: "Memory of the process by Go's own count, which --max-memory uses.",
			Read: one(func() float64 { return float64(memoryUsed()) })},
		{Name: "maru_memory_limit_bytes", Help: "The memory ceiling; 0: none.",
			Read: one(func() float64 { return float64(max(s.options.MaxMemory, 0)) })},
		{Name: "maru_overloaded", Help: "1 while new connections are refused because of the memory ceiling.",
			Read: one(func() float64 { return truth(s.registry.Overloaded()) })},
		{Name: "maru_draining", Help: "1 since a drain has begun.",
			Read: one(func() float64 { return truth(s.admission.Drain.Begun()) })},
	}
}

// historyMetrics are about what is retained.
func (s *Server) historyMetrics() []metrics.Metric {
	return []metrics.Metric{
		{Name: "maru_history_publications", Help: "Publications retained in all histories.",
			Read: one(func() float64 { return float64(s.broker.Held().Publications) })},
		{Name: "maru_history_bytes", Help: "Bytes of retained publications, including their overhead.",
			Read: one(func() float64 { return float64(s.broker.Held().Bytes) })},
		{Name: "maru_history_memory_bytes", Help: "Memory that histories take, about: publications, names, heads of channels, idempotency keys.",
			Read: one(func() float64 { return float64(s.broker.Held().Memory) })},
		{Name: "maru_history_forgotten_total", Help: "Channels forgotten because too many retain nothing; a gap without a loss is then possible.", Rises: true,
			Read: one(func() float64 { return float64(s.broker.Held().Forgotten) })},
		{Name: "maru_history_losses_total", Help: "Losses of publications in a cluster, by channel, that this node has noticed while it had subscribers there; they receive a gap.", Rises: true,
			Read: one(func() float64 { return float64(s.hub.Stats().Missed) })},
		{Name: "maru_history_disk_bytes", Help: "Space that the history takes on disk; 0: it is in memory.",
			Read: one(func() float64 { return float64(s.broker.DiskBytes()) })},
		{Name: "maru_history_failing", Help: "1 while the history on disk, or NATS, takes no publications; publishing to it fails.",
			Read: one(func() float64 { return truth(s.broker.Err() != nil) })},
	}
}

// brokerMetrics are those that the program's broker has of its own.
func (s *Server) brokerMetrics() (all []metrics.Metric) {
	r, ok := s.broker.stored.(maru.MetricsReporter)
	if !ok {
		return nil
	}
	for _, m := range r.Metrics() {
		all = append(all, metrics.Metric{Name: m.Name, Help: m.Help, Labels: m.Labels, Rises: m.Rises, Read: func(emit metrics.Emit) { m.Read(emit) }})
	}
	return all
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// buildInfo returns the version of this module, in whatever program, and of Go.
func buildInfo() []string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return []string{"unknown", "unknown"}
	}
	version := info.Main.Version
	for _, m := range info.Deps {
		if m.Path == "maru.example/maru" {
			version = m.Version
		}
	}
	return []string{version, info.GoVersion}
}

var errMetrics = maru.NewError(maru.CodeNotAllowed, "/metrics needs an API key here: send Authorization: Bearer KEY, or use the address of --metrics-listen")

// serveMetrics answers /metrics on the public address: to everybody in open mode; with rules,
// or with Options.KeyedMetrics, only to API keys.
func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) {
	if s.access.Load().Namespaces != nil || s.options.KeyedMetrics {
		who, err := s.authenticator.Identify(r, "")
		if err == nil && !who.Server() {
			err = errMetrics
		}
		if err != nil {
			s.admission.Refuse(w, r, err)
			return
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	s.metrics.ServeHTTP(w, r)
}

// Status answers /metrics, /healthz and /readyz and nothing else, without authentication: for
// an address that only operators can reach. Host names are checked as Options.Hosts says; IP
// addresses are always accepted. It still answers after Shutdown.
func (s *Server) Status() http.Handler { return s.status }

func (s *Server) statusPages() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics)
	mux.Handle("GET /healthz", s.api)
	mux.Handle("GET /readyz", s.api)
	return mux
}
