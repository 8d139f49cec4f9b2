package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/nats-io/nats.go/jetstream"
)

// leaderMessage reads a message of a stream from its leader; a number 0: there is none. The client
// library would ask any replica.
func (l *link) leaderMessage(ctx context.Context, stream string, what map[string]any) (m message, err error) {
	ctx, cancel := short(ctx)
	defer cancel()
	question, _ := json.Marshal(what)
	a, err := l.conn.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream, question)
	if err != nil {
		return m, err
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Subject string `json:"subject"`
			Seq     uint64 `json:"seq"`
			Data    []byte `json:"data"`
		} `json:"message"`
	}
	if err := json.Unmarshal(a.Data, &answer); err != nil {
		return m, fmt.Errorf("reading %s: %w", stream, err)
	}
	if e := answer.Error; e != nil {
		if e.Code == http.StatusNotFound {
			return m, nil
		}
		return m, e
	}
	return message{answer.Message.Seq, answer.Message.Subject, answer.Message.Data}, nil
}

// readLeader is read from the leader alone, not from any replica.
func (s *stream) readLeader(ctx context.Context, n uint64, each func(message) error) error {
	consumer, err := s.js.OrderedConsumer(ctx, s.names.stream(s.namespace), jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	all, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer all.Stop()
	for {
		m, err := all.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("reading %s: %w", s.names.stream(s.namespace), err)
		}
		at, err := m.Metadata()
		if err != nil {
			return err
		}
		if err := each(message{at.Sequence.Stream, m.Subject(), m.Data()}); err != nil {
			return err
		}
		if at.Sequence.Stream >= n {
			return nil
		}
	}
}

// leaderOf is the name of the server that leads a stream, for the log.
func (l *link) leaderOf(ctx context.Context, stream string) string {
	ctx, cancel := short(ctx)
	defer cancel()
	s, err := l.js.Stream(ctx, stream)
	if err != nil || s.CachedInfo().Cluster == nil {
		return ""
	}
	return s.CachedInfo().Cluster.Leader
}
