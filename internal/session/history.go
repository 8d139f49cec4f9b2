package session

import (
	"cmp"
	"context"
	"fmt"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// History reads the retained publications of a channel. Errors: CodeBadChannel, CodeNotAllowed,
// CodeBadRequest for a Limit out of range or both Since and Before, those of Options.History.
type History struct {
	Ref     uint64
	Channel string
	Since   *maru.Position // the publications after it; nil: the newest
	Before  *maru.Position // the newest publications before it; not together with Since
	Limit   int            // 1 to maru.MaxHistoryPublications; 0: maru.DefaultHistoryPublications
}

// HistoryRead is the reply to History.
type HistoryRead struct {
	Channel string
	maru.History
}

var errLimit = maru.NewError(maru.CodeBadRequest, fmt.Sprintf("limit must be a number from 1 to %d", maru.MaxHistoryPublications))

func (s *Session) history(ctx context.Context, c History, who auth.Identity) {
	if !s.drained(ctx) {
		return
	}
	err := c.check()
	if err == nil {
		err = s.options.Allow(ctx, who, auth.History, c.Channel)
	}
	var h maru.History
	if err == nil {
		h, err = s.options.History(ctx, c.Channel, c.query())
	}
	if err != nil {
		s.fail("history", c.Channel, c.Ref, err)
		return
	}
	s.answer(c.Ref, HistoryRead{c.Channel, h})
}

func (c History) query() maru.HistoryQuery {
	return maru.HistoryQuery{Since: c.Since, Before: c.Before, Limit: cmp.Or(c.Limit, maru.DefaultHistoryPublications)}
}

func (c History) check() error {
	if err := maru.CheckChannel(c.Channel); err != nil {
		return err
	}
	if c.Limit < 0 || c.Limit > maru.MaxHistoryPublications {
		return errLimit
	}
	return c.query().Check()
}
