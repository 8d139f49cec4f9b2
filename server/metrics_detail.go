package server

import (
	"time"

	"maru.example/maru/internal/histogram"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/metrics"
)

// byNamespace reads a metric that has one value for each namespace.
func (s *Server) byNamespace(of func(*hub.Space) float64) func(metrics.Emit) {
	return func(emit metrics.Emit) {
		s.spaces.each(func(name string, n *hub.Space) { emit(of(n), name) })
	}
}

// namespaceMetrics are about the namespaces that the operator has listed, and about all others
// together.
func (s *Server) namespaceMetrics() []metrics.Metric {
	label := []string{"namespace"}
	return []metrics.Metric{
		{Name: "maru_namespace_connections", Help: "Live connections in a channel of the namespace; those of maru.v1, which have many, are not included.", Labels: label,
			Read: s.byNamespace(func(n *hub.Space) float64 { return float64(n.Connections.Load()) })},
		{Name: "maru_namespace_subscriptions", Help: "Subscriptions to channels of the namespace, as in maru_subscriptions.", Labels: label,
			Read: s.byNamespace(func(n *hub.Space) float64 { return float64(n.Subscriptions.Load()) })},
		{Name: "maru_namespace_publications_total", Help: "Publications delivered to channels of the namespace.", Labels: label, Rises: true,
			Read: s.byNamespace(func(n *hub.Space) float64 { return float64(n.Publications.Load()) })},
		{Name: "maru_namespace_deliveries_total", Help: "Publications handed to subscribers of the namespace, one for each subscriber.", Labels: label, Rises: true,
			Read: s.byNamespace(func(n *hub.Space) float64 { return float64(n.Deliveries.Load()) })},
		{Name: "maru_namespace_drops_total", Help: "Messages that waited for a subscriber and were not sent, by reason: conflated (a newer one of the key came), slow (its connection was closed).",
			Labels: []string{"namespace", "reason"}, Rises: true,
			Read: func(emit metrics.Emit) {
				s.spaces.each(func(name string, n *hub.Space) {
					emit(float64(n.Conflated.Load()), name, "conflated")
					emit(float64(n.Dropped.Load()), name, "slow")
				})
			}},
	}
}

// duration reads a histogram that has no labels.
func (*Server) duration(of *histogram.Histogram) func(metrics.EmitHistogram) {
	return func(emit metrics.EmitHistogram) {
		var sum histogram.Snapshot
		of.AddTo(&sum)
		emit(sum)
	}
}

// durationMetrics are about how long publications take.
func (s *Server) durationMetrics() []metrics.Metric {
	return []metrics.Metric{
		{Name: "maru_publish_duration_seconds", Help: "Time until a publication had its place in the history, by the way it came in: http, websocket, maru.v1, program.",
			Labels: []string{"way"},
			ReadHistogram: func(emit metrics.EmitHistogram) {
				for i := range s.took {
					var sum histogram.Snapshot
					s.took[i].AddTo(&sum)
					emit(sum, wayNames[i])
				}
			}},
		{Name: "maru_delivery_duration_seconds", Help: "Time from then until it was written; one observation for each batch of a channel on a loop, and of an event stream in HTTP/2.",
			ReadHistogram: func(emit metrics.EmitHistogram) { emit(s.engine.Stats().Latency.Plus(s.hub.Stats().Latency)) }},
	}
}

// accessMetrics are about what decides who may do what.
func (s *Server) accessMetrics() []metrics.Metric {
	byResult := func(ok, failed func() uint64) func(metrics.Emit) {
		return func(emit metrics.Emit) {
			emit(float64(ok()), "ok")
			emit(float64(failed()), "failed")
		}
	}
	hook, keys, reloads := &s.connectWebhook, &s.keySets, &s.reloads
	return []metrics.Metric{
		{Name: "maru_connect_webhook_duration_seconds", Help: "Time until the connect webhook had answered, or failed.", ReadHistogram: s.duration(&hook.Took)},
		{Name: "maru_connect_webhook_errors_total", Help: "Requests that the connect webhook did not identify, by reason: refused (its answer), failed (no valid answer), busy (it was not asked).",
			Labels: []string{"reason"}, Rises: true,
			Read: func(emit metrics.Emit) {
				emit(float64(hook.Refused.Load()), "refused")
				emit(float64(hook.Failed.Load()), "failed")
				emit(float64(hook.Busy.Load()), "busy")
			}},
		{Name: "maru_rpc_duration_seconds", Help: "Time until a remote call was answered, by the RPC webhook or by the embedding program.", ReadHistogram: s.duration(&s.called)},
		{Name: "maru_key_set_reads_total", Help: "Readings of the key set that succeeded (ok) or failed (failed).", Labels: []string{"result"}, Rises: true,
			Read: byResult(keys.Read.Load, keys.Failed.Load)},
		{Name: "maru_key_set_keys", Help: "Keys in the last reading of the key set.", Read: one(func() float64 { return float64(keys.Keys.Load()) })},
		{Name: "maru_key_set_last_read_timestamp_seconds", Help: "When the key set was last read; 0: never, or there is none.",
			Read: one(func() float64 { return seconds(keys.LastRead()) })},
		{Name: "maru_reloads_total", Help: "Reloads of rules and keys that succeeded (ok), or failed (failed): the previous ones stay in force.", Labels: []string{"result"}, Rises: true,
			Read: byResult(reloads.ok.Load, reloads.failed.Load)},
		{Name: "maru_reload_failed", Help: "1 while the last reload has failed.", Read: one(func() float64 { return truth(reloads.last.Load()) })},
		{Name: "maru_reload_last_success_timestamp_seconds", Help: "When a reload last succeeded; 0: none has.",
			Read: one(func() float64 { return float64(reloads.at.Load()) / 1e9 })},
	}
}

// seconds is a time as metrics have it; 0 for the zero time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixNano()) / 1e9
}
