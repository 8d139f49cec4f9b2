package socketio

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/calls"
	"maru.example/maru/internal/gateway"
)

// A session that polls lives on one node, and a balancer may send each of its requests to another one.
// That node carries the request to the right one, whose id is a part of the session's id:
//
//	sid=Zm9v…bXL9QYXfWq…
//	    20 letters, and then the node
//
//	client ─ GET, POST ─→ node B: carry ─ calls ─→ node A: serveCarried ─→ poll, post
//	client ─ WebSocket ─→ node B: carrySocket: see tunnels
const sidBytes = 20

// newSID makes the id of a session.
func (g *Gateway) newSID() string {
	sid := NewID()
	if g.calls != nil {
		sid += g.bus.Node()
	}
	return sid
}

// elsewhere returns the node of a session, if that is another one that may be alive; else it is empty.
func (g *Gateway) elsewhere(sid string) (node string) {
	if g.calls == nil || len(sid) <= sidBytes {
		return ""
	}
	if all, _ := g.calls.Others(); slices.Contains(all, sid[sidBytes:]) {
		return sid[sidBytes:]
	}
	return ""
}

// join begins to carry requests between nodes.
func (g *Gateway) join(env *gateway.Env) {
	g.bus, g.tunnels = env.Bus, newTunnels(env)
	g.calls = calls.New(env.Bus, env.Kind("socketio polls "+g.options.Path), env.Admission.Log, g.serveCarried)
	env.AtEnd(g.calls.Close)
}

// carry answers a request of a session of another node with the answer of that.
func (g *Gateway) carry(w http.ResponseWriter, r *http.Request, node, sid string) {
	q := carried{method: r.Method, sid: sid}
	ctx, cancel := context.WithTimeout(r.Context(), g.options.PingInterval+g.options.PingTimeout)
	defer cancel()
	switch r.Method {
	case http.MethodGet:
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(g.options.PingInterval + time.Minute))
	case http.MethodPost:
		defer g.endpoint.CountBody(r, auth.Identity{})()
		body, err := gateway.ReadBody(w, r, g.options.MaxPayload)
		if err != nil { // the session ends, as on one node: see Conn.unread
			e := maru.ErrorOf(err)
			q = carried{method: lost, sid: sid, code: string(e.Code), message: e.Message}
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), upgradeTimeout) // the client may have gone
			defer cancel()
			g.calls.Call(ctx, node, q.append(nil))
			auth.WriteError(w, r, err)
			return
		}
		q.body = body
	default:
		errRequest.refuse(w)
		return
	}
	a, err := g.ask(ctx, node, &q)
	switch {
	case err == nil:
		a.write(w)
	case err == calls.ErrDead, errors.Is(err, context.DeadlineExceeded):
		errSession.refuse(w)
	default:
		auth.WriteError(w, r, err)
	}
}

// serveCarried answers a request that another node carries.
func (g *Gateway) serveCarried(ctx context.Context, from string, question []byte) ([]byte, error) {
	q, err := parseCarried(question)
	if err != nil {
		return nil, maru.NewError(maru.CodeBadRequest, err.Error())
	}
	w := &carriedAnswer{header: make(http.Header), status: http.StatusOK}
	if q.method == begins || q.method == piece || q.method == ends {
		if !g.serveTunnel(ctx, from, &q) {
			w.status = http.StatusBadRequest
		}
		return w.append(nil), nil
	}
	r, err := q.request(ctx)
	if err != nil {
		return nil, maru.NewError(maru.CodeBadRequest, err.Error())
	}
	switch c := g.find(q.sid); {
	case c == nil:
		errSession.refuse(w)
	case q.method == http.MethodGet:
		c.poll(w, r)
	case q.method == http.MethodPost:
		c.post(w, r)
	default:
		c.unread(w, r, maru.NewError(maru.Code(q.code), q.message))
	}
	return w.append(nil), nil
}
