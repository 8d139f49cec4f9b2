package cluster

import (
	"context"
	"time"

	"maru.example/maru"
)

// Metrics implements maru.MetricsReporter.
func (b *Broker) Metrics() []maru.Metric {
	h := &b.health
	return []maru.Metric{
		gauge("maru_nats_connected", "1 while this server has a connection to NATS.", func() float64 { return truth(b.conn.IsConnected()) }),
		counter("maru_nats_reconnects_total", "Connections to NATS that were made after one was lost.", func() float64 { return float64(h.reconnects.Load()) }),
		gauge("maru_nats_sign_seconds", "Time until a majority of NATS had the last sign of life of this server, which it sends once a second.",
			func() float64 { return time.Duration(h.sign.Load()).Seconds() }),
		counter("maru_nats_appends_total", "Batches of publications that NATS has stored for this server.", func() float64 { return float64(h.appends.Load()) }),
		counter("maru_nats_append_seconds_total", "Time that these took, from sending to the acknowledgement of a majority; divided by their number it is the mean.",
			func() float64 { return time.Duration(h.appendTime.Load()).Seconds() }),
		{Name: "maru_nats_errors_total", Help: "Errors of NATS, by kind: away (no connection, or no server that answers), timeout, full (no room), other.", Labels: []string{"kind"}, Rises: true,
			Read: func(emit func(float64, ...string)) {
				for kind, name := range faultNames {
					emit(float64(h.failures[kind].Load()), name)
				}
			}},
		counter("maru_nats_damaged_replicas_total", "Reads of a namespace in which a replica of NATS had lost or changed entries, so that the leader was read.",
			func() float64 { return float64(h.odd.Load()) }),
		counter("maru_nats_losses_total", "Entries that NATS had lost or changed in all replicas when a namespace was read, and histories that began a new epoch for it.",
			func() float64 { return float64(h.lost.Load()) }),
		gauge("maru_nats_waiting_messages", "Messages of other servers that have arrived and wait for this one, at most 65,536 and 256 MiB; those that find no room are read again.",
			func() float64 { return float64(b.intake.count.Load()) }),
		gauge("maru_nats_storage_bytes", "Bytes that JetStream has stored for the account of this server, all copies; read once a minute.", func() float64 { return float64(h.stored.Load()) }),
		gauge("maru_nats_storage_limit_bytes", "Most bytes that the account may store; 0: the account has no limit of its own.", func() float64 { return float64(h.limit.Load()) }),
		gauge("maru_nats_servers", "Servers of maru in the cluster that are alive, this one too.", func() float64 { return float64(len(b.peers.present()) + 1) }),
		gauge("maru_nats_namespaces_owned", "Namespaces whose publications this server numbers.", func() float64 { return float64(len(b.owned())) }),
	}
}

func gauge(name, help string, read func() float64) maru.Metric {
	return maru.Metric{Name: name, Help: help, Read: func(emit func(float64, ...string)) { emit(read()) }}
}

func counter(name, help string, read func() float64) maru.Metric {
	m := gauge(name, help, read)
	m.Rises = true
	return m
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// measureEvery is after how many beats measure is called again.
const measureEvery = 60

// measure reads how much JetStream has stored. What fails is read the next time.
func (l *link) measure(ctx context.Context) {
	ctx, cancel := short(ctx)
	defer cancel()
	if account, err := l.js.AccountInfo(ctx); err == nil {
		l.health.stored.Store(int64(account.Store))
		l.health.limit.Store(max(account.Limits.MaxStore, 0))
	}
}
