package session

import (
	"context"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// Publish publishes in a channel, subscribed or not. Errors: CodeBadChannel, those of
// Connection.MayPublish, of maru.PublishOptions.Check and of Options.Submit.
type Publish struct {
	Ref     uint64
	Channel string
	// Publication belongs to the session from then on, which sets its User. The decoder has
	// checked it: see maru.Publication.Check.
	Publication *maru.Publication
	Options     maru.PublishOptions // the session sets Publisher and Share
}

// Published is the reply to Publish. It is sent when the publication has its position, maybe
// after the replies to later commands.
type Published struct {
	Channel string
	maru.Published
}

func (s *Session) publish(ctx context.Context, c Publish, who auth.Identity) {
	err := maru.CheckChannel(c.Channel)
	if err == nil {
		err = s.conn.MayPublish(ctx, who, c.Channel)
	}
	if err == nil {
		err = c.Options.Check()
	}
	if err != nil {
		s.fail("publish", c.Channel, c.Ref, err)
		return
	}
	c.Publication.User = who.User
	c.Options.Publisher, c.Options.Share = s.conn.Publisher(who, s.secret)
	ref, channel := c.Ref, c.Channel // all that is kept of the command until it is done
	s.started()
	s.options.Submit(channel, c.Publication, c.Options, func(done maru.Published, err error) {
		s.finished()
		if err != nil {
			s.fail("publish", channel, ref, err)
			return
		}
		s.answer(ref, Published{channel, done})
	})
}
