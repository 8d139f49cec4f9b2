package session

import (
	"context"

	"maru.example/maru"
)

type history struct {
	Channel string `json:"channel"`
	Since   string `json:"since"`
	Limit   int    `json:"limit"`
}

type past struct {
	Channel      string              `json:"channel"`
	Epoch        string              `json:"epoch"`
	Offset       uint64              `json:"offset"`
	Publications []*maru.Publication `json:"publications"`
	Gap          *maru.Gap           `json:"gap,omitempty"`
}

const (
	defaultLimit = 100
	maxLimit     = 1000
)

// history answers what a channel retains.
func (s *Session) history(ctx context.Context, c *command, who Identity) {
	q, err := c.History.query()
	if err == nil {
		err = who.MayReadHistory(c.History.Channel)
	}
	var h maru.History
	if err == nil {
		h, err = s.options.History(ctx, c.History.Channel, q)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	if h.Publications == nil {
		h.Publications = []*maru.Publication{}
	}
	s.answer(c, reply{History: &past{c.History.Channel, h.Epoch, h.Head, h.Publications, h.Gap}})
}

func (c *history) query() (maru.HistoryQuery, error) {
	q := maru.HistoryQuery{Limit: c.Limit}
	if err := maru.CheckChannel(c.Channel); err != nil {
		return q, err
	}
	if c.Limit < 0 || c.Limit > maxLimit {
		return q, maru.NewError(maru.CodeBadRequest, "limit is a number from 1 to 1000")
	}
	if c.Limit == 0 {
		q.Limit = defaultLimit
	}
	if c.Since == "" {
		return q, nil
	}
	since, err := maru.ParsePosition(c.Since)
	q.Since = &since
	return q, err
}
