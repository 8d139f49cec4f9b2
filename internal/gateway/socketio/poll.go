package socketio

import (
	"errors"
	"io"
	"net/http"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/engineio"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/gateway"
)

// errTwice ends a session with two requests of one kind at a time, whose order is not known:
// Engine.IO, Sending and receiving data.
var errTwice = errors.New("a client may have one poll and one post at a time")

// poll answers a GET with what waits, or waits for it.
func (c *Conn) poll(w http.ResponseWriter, r *http.Request) {
	if c.expired() {
		c.gateway.forget(c)
		c.endSilent()
	}
	c.awaitUpgrade()
	stage, ok := c.begin(&c.polls.polling)
	if !ok {
		c.refused(w, stage)
		return
	}
	defer c.end(&c.polls.polling)
	if stage == probed {
		c.Conn().Send(noop)
	}
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(c.gateway.options.PingInterval + time.Minute))
	taken := make(chan []byte, 1)
	c.Conn().Take(func(frames []byte) { taken <- frames })
	select {
	case frames := <-taken:
		c.answer(w, frames)
	case <-r.Context().Done(): // what was sent meanwhile would be lost
		c.Conn().Terminate()
	}
}

// begin begins a request of one kind, unless one is being served or the connection does not poll.
func (c *Conn) begin(one *bool) (stage, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *one || c.stage > probed {
		return c.stage, false
	}
	*one = true
	return c.stage, true
}

func (c *Conn) end(one *bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*one = false
}

// refused answers a request that begin has refused.
func (c *Conn) refused(w http.ResponseWriter, at stage) {
	if at > probed {
		errSession.refuse(w)
		return
	}
	c.broken(errTwice)
	errRequest.refuse(w)
}

// answer answers a poll with frames that were taken from the connection; nil: it has ended, or it
// has a socket now.
func (c *Conn) answer(w http.ResponseWriter, frames []byte) {
	if frames == nil {
		c.mu.Lock()
		ended := c.stage != onSocket
		c.mu.Unlock()
		if ended {
			errSession.refuse(w)
			return
		}
		write(w, []byte{byte(engineio.Noop)})
		return
	}
	body, code := payload(frames)
	if code != 0 {
		c.gateway.forget(c)
		c.mu.Lock()
		quiet := c.quiet
		c.stage = afterPoll
		c.mu.Unlock()
		if code == maru.CloseTooBig { // as the POST: the client may read either answer first
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		// Not behind other packets, before which socket.io-client 4.8 handles it: an answer to its
		// Connect would open a socket without a connection. The next poll gets an error instead.
		if !quiet && len(body) == 0 {
			body = engineio.AppendPayload(body, engineio.Packet{Type: engineio.Close})
		}
	}
	write(w, body)
}

// payload makes a body of the messages of a connection. code is that of a close frame at the end; 0:
// there is none. The frames are our own, so they are valid.
func payload(frames []byte) (body []byte, code int) {
	body = make([]byte, 0, len(frames))
	var reader frame.Reader
	for len(frames) > 0 {
		ev, n, err := reader.Next(frames, &frame.Rules{Client: true})
		if err != nil {
			return body, maru.CloseNormal
		}
		frames = frames[n:]
		switch ev.Op {
		case frame.Text, frame.Binary:
			if p, err := engineio.Decode(ev.Op == frame.Text, ev.Payload); err == nil {
				body = engineio.AppendPayload(body, p)
			}
		case frame.Close:
			code = ev.Code
		}
	}
	return body, code
}

// post answers a POST: packets of the client. A large body counts as those of publications do, see
// gateway.Env.CountBody.
func (c *Conn) post(w http.ResponseWriter, r *http.Request) {
	stage, ok := c.begin(&c.polls.posting)
	if !ok {
		c.refused(w, stage)
		return
	}
	defer c.end(&c.polls.posting)
	defer c.gateway.endpoint.CountBody(r, c.Identity())()
	body, err := gateway.ReadBody(w, r, c.gateway.options.MaxPayload)
	if err != nil {
		c.unread(w, r, err)
		return
	}
	if err := c.take(body); err != nil {
		c.broken(err)
		errRequest.refuse(w)
		return
	}
	w.Header().Set("Content-Type", "text/html")
	w.Header().Set("Cache-Control", "no-store")
	io.WriteString(w, "ok")
}

// unread answers a POST whose body was not read. Its packets are lost, and those of later ones would
// come without them, so that the session ends: the client notices, and connects again.
func (c *Conn) unread(w http.ResponseWriter, r *http.Request, err error) {
	if maru.ErrorOf(err).Code == maru.CodeBadRequest { // it did not come
		c.Conn().Terminate()
	} else {
		c.Close(err)
	}
	auth.WriteError(w, r, err)
}

// take handles the packets of a body, as long as the session is open: why it has ended is for a poll
// to say. It waits while the client may not send more, so that the answer, and with it the next
// POST, waits too.
func (c *Conn) take(body []byte) error {
	for p, err := range engineio.DecodePayload(body) {
		if err == nil {
			c.wait()
			if !c.Conn().Open() {
				return nil
			}
			err = c.receive(p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) wait() {
	c.mu.Lock()
	room := c.polls.room
	c.mu.Unlock()
	if room != nil {
		<-room
	}
}
