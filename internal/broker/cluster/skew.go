package cluster

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"
)

const (
	// Clocks that differ by less are taken to be the same.
	leastSkew = 2 * time.Second
	// skewEvery is after how many beats the clocks are compared again.
	skewEvery = 60
)

// skew is how far the clock of NATS is ahead of ours: the ends of records are stored by its clock, so that
// nodes whose clocks differ agree about them.
func (l *link) skew() time.Duration { return time.Duration(l.ahead.Load()) }

// wall is the time by the clock of NATS, which all nodes have: what they store has times of it.
func (l *link) wall() time.Time { return l.clock().Add(l.skew()).UTC() }

// compareClocks compares our clock with that of NATS, by our last entry. It
// asks the leader of the bucket: replicas may not have it yet.
func (p *peers) compareClocks(ctx context.Context, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, p.beat+time.Second) // it must not hold up the beats
	defer cancel()
	question, _ := json.Marshal(map[string]uint64{"seq": p.revision})
	m, err := p.conn.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET.KV_"+p.names.nodes(), question)
	if err != nil {
		return err
	}
	a, err := readAnswer(m)
	if err != nil {
		return err
	}
	skew := a.Message.Time.Sub(p.sent)
	if skew.Abs() < leastSkew {
		skew = 0
	}
	if before := p.skew(); (skew-before).Abs() >= leastSkew && skew != 0 {
		log.Warn("the clock of this server and that of NATS differ: synchronize the clocks", slog.Float64("ahead_seconds", skew.Seconds()))
	}
	p.ahead.Store(int64(skew))
	return nil
}
