package cluster

import (
	"cmp"
	"strings"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/history"

	"github.com/nats-io/nats.go/jetstream"
)

// A submission is one call of Submit.
type submission struct {
	channel     string
	publication *maru.Publication
	options     maru.PublishOptions
	restored    bool // it was published before, elsewhere: its time stays, and its version is not compared
	done        func(maru.Published, error)

	// What the owner decides about it.
	err       error // of the submission itself
	published maru.Published
	prev      uint64 // the channel's offset before it
	deliver   bool   // it is new: it goes to the history, if it has an offset, and to the nodes
	key       history.RepeatKey
}

// newSubmission checks what does not depend on a namespace.
func newSubmission(channel string, p *maru.Publication, o maru.PublishOptions, largest int64, done func(maru.Published, error)) submission {
	s := submission{channel: strings.Clone(channel), publication: p, options: o, done: done, err: cmp.Or(p.Check(), o.Check())}
	if p == nil {
		s.publication = new(maru.Publication)
	}
	if s.err == nil && history.Size(channel, p)+int64(len(o.IdempotencyKey)+len(o.Publisher)) > largest {
		s.err = errTooLarge
	}
	return s
}

func (s *submission) keyed() bool { return s.options.IdempotencyKey != "" }

func (s *submission) fail(err error) { s.done(maru.Published{}, err) }

// A batch is some submissions with the decisions about them, on their way to the stream.
type batch struct {
	submissions []submission
	messages    []logged
	keys        []keyRecord
	begin       time.Time // when it was sent
	err         error
}

// logged is a message that is to become a number of the stream.
type logged struct {
	token string
	entry entry
	n     uint64
	sent  jetstream.PubAckFuture
}
