package gateway

import (
	"context"
	"net/http"

	"maru.example/maru"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/hub"
)

// Response is a live connection that the goroutine of its request serves: a waiting poll, or an
// event stream without a connection of its own. It has the same life as a Connection.
type Response struct {
	endpoint   *Endpoint
	channel    string
	lives      auth.Action // by which it lives
	who        auth.Identity
	revocation *auth.Revocation
	entry      admission.Entry
	end        func(error)
	queue      *hub.Queue // see Reads
	space      *hub.Space // where it is counted
}

// Hold admits a request that wants to perform the actions in a channel: it lives by the first
// one, and the others are for its beginning. end is called from any goroutine when the server
// ends the connection, and only the first call counts; it must not wait. Errors: those of
// Admission.Admit. Release gives the Response back.
func (e *Endpoint) Hold(r *http.Request, channel string, end func(error), actions ...auth.Action) (*Response, error) {
	in, err := e.Admission.Admit(r, channel, actions...)
	if err != nil {
		return nil, err
	}
	h := &Response{endpoint: e, channel: channel, lives: actions[0], who: in.Who, end: end, space: e.Hub.Space(channel)}
	h.entry.Open(in.Reservation)
	e.Admission.Registry.Add(h)
	if h.who != (auth.Identity{}) {
		if h.revocation, err = e.Admission.Authenticator.Attach(&h.who, h); err != nil {
			e.Admission.Registry.Remove(&h.entry)
			return nil, err
		}
	}
	e.Admission.Recheck(h, in.Changes)
	return h, nil
}

// Opened counts and logs the beginning, once the request can no longer be refused.
func (h *Response) Opened() {
	h.endpoint.Admission.Opened(h.endpoint.transport, h)
	h.space.Connections.Add(1)
}

// Reads sets the queue from which the response is served. Call it before Closed.
func (h *Response) Reads(q *hub.Queue) { h.queue = q }

// Closed counts and logs the end of an opened response, given the request's context and the error
// that has ended it; nil: it was answered.
func (h *Response) Closed(client context.Context, err error) {
	end := admission.End{Reason: endOf(client, err), Err: err}
	if h.queue != nil {
		end.Bytes, end.Messages = h.queue.Waiting()
	}
	h.endpoint.Admission.Closed(h.endpoint.transport, h, end)
	h.space.Connections.Add(-1)
}

// Release gives back what Hold took.
func (h *Response) Release() {
	h.revocation.Release()
	h.endpoint.Admission.Registry.Remove(&h.entry)
}

// Entry is the connection's place in the registry.
func (h *Response) Entry() *admission.Entry { return &h.entry }

// Identity returns the sender of the request.
func (h *Response) Identity() auth.Identity { return h.who }

// Info describes the connection for the registry.
func (h *Response) Info() admission.Info {
	return h.endpoint.info(&h.entry, h.who, []string{h.channel})
}

// Close ends the response.
func (h *Response) Close(err error) { h.end(err) }

// Review asks about the action by which the response lives.
func (h *Response) Review(ask func(auth.Decision) error) int {
	err := ask(auth.Decision{Who: h.who, Do: h.lives, Channel: h.channel})
	if err == nil {
		return 0
	}
	h.Close(err)
	return 1
}

// Leave ends the response because the server drains.
func (h *Response) Leave() {
	h.end(maru.NewError(maru.CodeShuttingDown, "the server is shutting down"))
}

// endOf returns the reason for the end of a Response.
func endOf(client context.Context, err error) string {
	switch {
	case err == nil && client.Err() == nil:
		return admission.Answered
	case err != nil && maru.ErrorOf(err).Code != maru.CodeInternal:
		return string(maru.ErrorOf(err).Code)
	case client.Err() != nil:
		return admission.ClientWent
	}
	return "" // lost
}
