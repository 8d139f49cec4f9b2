package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"maru.example/maru"

	nats "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	apiTimeout = 10 * time.Second // for an answer of JetStream
	readPause  = 50 * time.Millisecond
	readAtOnce = 1000 // messages

	// Of a stream, beside what is retained.
	streamRoom     = 16 << 20 // bytes
	streamMessages = 128      // in each channel
	streamAge      = 10 * time.Minute
)

// A stream is the log of a namespace.
type stream struct {
	*link
	namespace string
}

// ensure makes the stream, or gives an existing one the limits of r. They are above what is retained,
// since the history of the owner decides what is removed: what is not in the last checkpoint of heads
// must still be in the stream.
func (s *stream) ensure(ctx context.Context, r maru.Retention) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	_, err := s.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: s.names.stream(s.namespace), Subjects: []string{s.names.log(s.namespace, "*")},
		Description: "maru: the publications of a namespace", Metadata: map[string]string{"namespace": s.namespace},
		MaxMsgsPerSubject: int64(max(r.Publications, 0)) + streamMessages, MaxAge: max(r.Age, 0) + streamAge, MaxBytes: maxBytes(r),
		Storage: jetstream.FileStorage, Discard: jetstream.DiscardOld, AllowDirect: true, Replicas: s.copies(),
	})
	return err
}

// maxBytes is what NATS reserves for a stream.
func maxBytes(r maru.Retention) int64 {
	if r.Bytes >= unlimited {
		return -1
	}
	return 2*max(r.Bytes, 0) + streamRoom
}

// last returns the number of the last message that the stream has ever had, by its leader.
func (s *stream) last(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	found, err := s.js.Stream(ctx, s.names.stream(s.namespace))
	if err != nil {
		return 0, err
	}
	return found.CachedInfo().State.LastSeq, nil
}

// append sends a message that must become number n, and does not wait.
func (s *stream) append(token string, data []byte, n uint64) (jetstream.PubAckFuture, error) {
	m := &nats.Msg{Subject: s.names.log(s.namespace, token), Data: data}
	return s.js.PublishMsgAsync(m, jetstream.WithExpectLastSequence(n-1), jetstream.WithExpectStream(s.names.stream(s.namespace)))
}

// begin appends the beginning of a term and returns its number. From then on no other owner can
// append. Errors: errOvertaken if another node appended meanwhile.
func (s *stream) begin(ctx context.Context, term uint64, epoch string) (uint64, error) {
	last, err := s.last(ctx)
	if err != nil {
		return 0, err
	}
	n := last + 1
	e := entry{term: term, epoch: epoch}
	sent, err := s.append(termToken, e.append(nil, n), n)
	if err != nil {
		return 0, err
	}
	return n, stored(ctx, sent)
}

var errOvertaken = errors.New("another node has written to the namespace")

// stored waits until a message is stored.
func stored(ctx context.Context, sent jetstream.PubAckFuture) error {
	select {
	case <-sent.Ok():
		return nil
	case err := <-sent.Err():
		if wrongSequence(err) {
			return errOvertaken
		}
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// wrongSequence reports whether JetStream refused a write because there was another before it.
func wrongSequence(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) &&
		(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// message is a message of a stream.
type message struct {
	seq     uint64
	subject string
	data    []byte
}

// read calls each for the messages of the stream in order, until it has called it for number n.
// Replicas may be behind: it asks again until one has that message.
func (s *stream) read(ctx context.Context, n uint64, each func(message) error) error {
	return s.readUntil(ctx, s.names.stream(s.namespace), s.names.log(s.namespace, "*"), n, each)
}

func (l *link) readUntil(ctx context.Context, stream, subject string, n uint64, each func(message) error) error {
	next := uint64(1)
	for {
		err := l.readSome(ctx, stream, subject, next, func(m message) error {
			next = m.seq + 1
			return each(m)
		})
		if err != nil || next > n {
			return err
		}
		select {
		case <-time.After(readPause):
		case <-ctx.Done():
			return fmt.Errorf("reading %s up to %d: %w", stream, n, context.Cause(ctx))
		}
	}
}

// readSome calls each for the messages of a stream from number seq on that a replica has: the
// batched direct get of NATS, ADR-31. A stream that does not exist has none.
func (l *link) readSome(ctx context.Context, stream, subject string, seq uint64, each func(message) error) error {
	inbox := l.conn.NewInbox()
	answers, err := l.conn.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer answers.Unsubscribe()
	answers.SetPendingLimits(-1, -1)
	for more := true; more; {
		request, _ := json.Marshal(map[string]any{"seq": max(seq, 1), "batch": readAtOnce, "next_by_subj": subject})
		if err := l.conn.PublishRequest("$JS.API.DIRECT.GET."+stream, inbox, request); err != nil {
			return err
		}
		if more, err = readBatch(ctx, answers, func(m message) error { seq = m.seq + 1; return each(m) }); err != nil {
			return fmt.Errorf("reading %s: %w", stream, err)
		}
	}
	return nil
}

// readBatch reads the answers to one request, and reports whether there is more to ask for.
func readBatch(ctx context.Context, answers *nats.Subscription, each func(message) error) (more bool, err error) {
	for {
		wait, cancel := context.WithTimeout(ctx, apiTimeout)
		m, err := answers.NextMsgWithContext(wait)
		cancel()
		if errors.Is(err, nats.ErrNoResponders) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		switch status := m.Header.Get("Status"); status {
		case "":
			n, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
			if err != nil {
				return false, err
			}
			if err := each(message{n, m.Header.Get("Nats-Subject"), m.Data}); err != nil {
				return false, err
			}
		case "204": // the end of this batch
			return m.Header.Get("Nats-Num-Pending") != "0", nil
		case "404": // there are no more messages
			return false, nil
		default:
			return false, fmt.Errorf("%s %s", status, m.Header.Get("Description"))
		}
	}
}
