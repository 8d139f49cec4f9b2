package session

import (
	"context"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// Presence asks for the subscribers of a channel. Errors: CodeBadChannel, CodeNotAllowed,
// CodeUnavailable if the people of other nodes are not known.
type Presence struct {
	Ref     uint64
	Channel string
}

// PresenceRead is the reply to Presence.
type PresenceRead struct{ maru.Presence }

func (s *Session) presence(ctx context.Context, c Presence, who auth.Identity) {
	if !s.drained(ctx) {
		return
	}
	err := maru.CheckChannel(c.Channel)
	if err == nil {
		err = s.options.Allow(ctx, who, auth.Presence, c.Channel)
	}
	var here maru.Presence
	if err == nil {
		here, err = s.options.Presence(ctx, c.Channel)
	}
	if err != nil {
		s.fail("presence", c.Channel, c.Ref, err)
		return
	}
	s.answer(c.Ref, PresenceRead{here})
}
