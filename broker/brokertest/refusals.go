package brokertest

import (
	"context"
	"errors"
	"strings"

	"maru.example/maru"
)

var refusalRules = []rule{
	{"text that is not UTF-8 is refused", ample, badText},
	{"a key that is not UTF-8 is refused", ample, badKeys},
	{"the name of an event that clients would misunderstand is refused", ample, badEvents},
	{"a nil publication is refused", ample, nilPublication},
	{"an ended context is refused", ample, endedContext},
	{"after Close everything fails with shutting_down", ample, closed},
}

// A refused publication leaves no trace: no number, no history, no delivery.
func badText(r *rig) {
	before := r.publish("a", "x")
	_, err := maru.Publish(context.Background(), r.broker, "a", &maru.Publication{Data: []byte("\xff")}, maru.PublishOptions{})
	r.wantCode(err, maru.CodeBadText)
	r.wantUntouched("a", before)

	// The same bytes are accepted as binary data.
	r.publishAll("a", &maru.Publication{Kind: maru.Binary, Data: []byte("\xff")})
}

// Keys are compared byte for byte, and none is changed: what JSON cannot carry is refused.
func badKeys(r *rig) {
	before := r.publish("a", "x")
	_, err := maru.Publish(context.Background(), r.broker, "a", &maru.Publication{Key: "k\xff"}, maru.PublishOptions{})
	r.wantCode(err, maru.CodeBadRequest)
	_, err = maru.Publish(context.Background(), r.broker, "a", &maru.Publication{}, maru.PublishOptions{IdempotencyKey: "k\xff"})
	r.wantCode(err, maru.CodeBadRequest)
	r.wantUntouched("a", before)
}

// See maru.CheckEvent.
func badEvents(r *rig) {
	before := r.publish("a", "x")
	for _, event := range []string{"disconnect", "gap", "$own", "two\nlines", "e\xff", strings.Repeat("e", maru.MaxEventBytes+1)} {
		_, err := maru.Publish(context.Background(), r.broker, "a", &maru.Publication{Event: event}, maru.PublishOptions{})
		r.wantCode(err, maru.CodeBadRequest)
	}
	r.wantUntouched("a", before)
}

// maru.Publish refuses a nil publication itself. A gateway of its own may call Submit.
func nilPublication(r *rig) {
	before := r.publish("a", "x")
	for _, o := range []maru.PublishOptions{{}, {IdempotencyKey: "k", Version: 1}, {Transient: true}} {
		failed := make(chan error, 1)
		r.broker.Submit("a", nil, o, func(_ maru.Published, err error) { failed <- err })
		r.wantCode(<-failed, maru.CodeBadRequest)
	}
	r.wantUntouched("a", before)
}

// A caller whose context has ended gets the context's error, and nothing happens.
func endedContext(r *rig) {
	before := r.publish("a", "x")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := maru.Publish(ctx, r.broker, "a", &maru.Publication{Data: []byte("y")}, maru.PublishOptions{}); !errors.Is(err, context.Canceled) {
		r.Errorf("Publish: %v, want context.Canceled", err)
	}
	if _, err := r.broker.History(ctx, "a", maru.HistoryQuery{Limit: -1}); !errors.Is(err, context.Canceled) {
		r.Errorf("History: %v, want context.Canceled", err)
	}
	r.wantUntouched("a", before)
}

// A closed broker fails with shutting_down, delivers nothing, and may be closed again.
func closed(r *rig) {
	r.publish("a", "x")
	r.close()
	for _, channel := range []string{"a", "new:a"} {
		_, err := maru.Publish(context.Background(), r.broker, channel, &maru.Publication{Data: []byte("y")}, maru.PublishOptions{})
		r.wantCode(err, maru.CodeShuttingDown)
		_, err = r.broker.History(context.Background(), channel, maru.HistoryQuery{Limit: -1})
		r.wantCode(err, maru.CodeShuttingDown)
	}
	if seen := len(r.sink("a")) + len(r.sink("new:a")); seen != 1 {
		r.Errorf("the sink was called %d times, want once", seen)
	}
}

func (r *rig) wantCode(err error, code maru.Code) {
	r.Helper()
	if !errors.Is(err, &maru.Error{Code: code}) {
		r.Errorf("error %v, want code %s", err, code)
	}
}

// wantUntouched wants a channel that has one publication to have only that.
func (r *rig) wantUntouched(channel string, at maru.Position) {
	r.Helper()
	r.wantUntouchedHistory(channel, at)
	if seen := r.sink(channel); len(seen) != 1 {
		r.Errorf("the sink was called %d times, want once", len(seen))
	}
}

func (r *rig) wantUntouchedHistory(channel string, at maru.Position) {
	r.Helper()
	h := r.history(channel)
	r.wantPublications(h, at)
	r.wantHead(h, at.Offset)
}
