package session

import "maru.example/maru"

// presence answers who is in a channel.
func (s *Session) presence(c *command, who Identity) {
	err := maru.CheckChannel(c.Presence.Channel)
	if err == nil {
		err = who.MayReadPresence(c.Presence.Channel)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	here := s.options.Presence(c.Presence.Channel)
	s.answer(c, reply{Presence: &here})
}
