package hub

import (
	"maru.example/maru"
	"maru.example/maru/internal/loop"
)

// A Form is how one protocol encodes what a channel sends to its connections. The protocol's
// gateway registers it; the hub has no wire format of its own. Encoders are called with the
// channel's lock held: they must not wait and must not call the hub.
type Form struct {
	// Name is the form's name in logs and metrics.
	Name string
	// Publication encodes one publication of a channel, once for all subscribers of the form.
	// epoch is that of the publication's position. nil: nothing is sent, which is only for forms
	// whose sockets have neither a history nor a pace.
	Publication func(channel, epoch string, p *maru.Publication) *loop.Message
	// Except returns the connection that does not get a publication, if it is in the channel; the
	// zero value: all get it. It is for forms whose sockets have no history and no pace, and the
	// counts of deliveries include that connection. nil: as if it returned the zero value.
	Except func(p *maru.Publication) loop.Conn
	// PresenceChange encodes a change of a channel's presence. nil: the form has no such
	// message, and Channel.Follow must not be called with it.
	PresenceChange func(channel string, c maru.PresenceChange) *loop.Message
}

// FormID identifies a registered form.
type FormID uint8

// maxForms is the number of forms that a FormID can identify.
const maxForms = 1 << 8

// Register adds a form. All forms are registered before the first subscription.
func (h *Hub) Register(f Form) FormID {
	if len(h.forms) == maxForms {
		panic("hub: too many forms")
	}
	h.forms = append(h.forms, f)
	return FormID(len(h.forms) - 1)
}

// Forms returns the names of all forms.
func (h *Hub) Forms() []string {
	names := make([]string, len(h.forms))
	for i, f := range h.forms {
		names[i] = f.Name
	}
	return names
}

func (c *Channel) encode(f FormID, d Delivery) *loop.Message {
	return c.hub.forms[f].Publication(c.name, d.At.Epoch, d.Publication)
}

func (c *Channel) except(f FormID, p *maru.Publication) loop.Conn {
	if of := c.hub.forms[f].Except; of != nil {
		return of(p)
	}
	return loop.Conn{}
}

func (c *Channel) encodeAll(f FormID, epoch string, ps []*maru.Publication) []*loop.Message {
	ms := make([]*loop.Message, len(ps))
	for i, p := range ps {
		ms[i] = c.hub.forms[f].Publication(c.name, epoch, p)
	}
	return ms
}
