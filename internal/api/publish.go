package api

import (
	"net/http"
	"strconv"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/request"
)

// position is the answer to a publication.
type position struct {
	Channel string `json:"channel"`
	Epoch   string `json:"epoch"`
	Offset  uint64 `json:"offset,omitempty"` // none for a transient publication
}

// servePublish publishes the body. Parameters:
//
//	key=KEY          identifies the value, for conflation
//	event=NAME       the event that receivers get, see maru.CheckEvent
//	version=N        1 or more: published only if above the channel's version
//	transient=true   for present subscribers only: not retained, without an offset
//
// With Idempotency-Key a retry is safe. If nothing was published, the answer has a header:
// Idempotent-Replay: true, or Stale-Version: true with the position of the channel's head.
//
// Errors: 400 bad_request (a parameter, Idempotency-Key, Content-Type,
// Content-Encoding, which is not supported, or a body that does not arrive whole),
// bad_json, bad_text; 403 not_allowed; 413 too_large; 422 idempotency_conflict; 429
// rate_limited, also for too many idempotency keys; 503 shutting_down,
// overloaded if too many large bodies are on their way.
//
// Whether the sender may publish is asked before the body is read, so that a stranger cannot make
// the server read it, and again when the publication is made: the body takes its time, and the
// right may be withdrawn meanwhile. The program is asked once.
func (a *API) servePublish(w http.ResponseWriter, r *http.Request, channel string) {
	who, err := a.admission.Authenticator.Identify(r, channel)
	if err == nil {
		err = a.admission.MayPublish(r.Context(), who, auth.CallerFrom(r.Context()).Addr, nil, channel)
	}
	if err != nil {
		a.admission.Refuse(w, r, err)
		return
	}
	defer a.Env.CountBody(r, who)()
	p, err := a.readPublication(w, r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	o, err := parseOptions(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	p.User = who.User
	caller := auth.CallerFrom(r.Context())
	o.Publisher, o.Share = who.Publisher("", caller.Addr, caller.Holder(auth.Identity{}) == 0)
	done, err := a.Publish(r.Context(), channel, p, o, func() error {
		return a.admission.Stands(auth.Decision{Who: who, Do: auth.Publish, Channel: channel})
	})
	if err != nil {
		a.fail(w, r, err)
		return
	}
	if done.Replayed {
		w.Header().Set("Idempotent-Replay", "true")
	}
	if done.Stale {
		w.Header().Set("Stale-Version", "true")
	}
	writeJSON(w, marshal(position{channel, done.Epoch, done.Offset}))
}

// parseOptions reads the options of a publication.
func parseOptions(r *http.Request) (o maru.PublishOptions, err error) {
	q, err := request.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return o, err
	}
	keys := r.Header.Values("Idempotency-Key")
	switch {
	case len(keys) > 1, len(keys) == 1 && keys[0] == "":
		return o, maru.NewError(maru.CodeBadRequest, "Idempotency-Key must be one value of 1 to 255 bytes")
	case len(keys) == 1:
		o.IdempotencyKey = keys[0]
	}
	if q.Has("version") {
		o.Version, err = strconv.ParseUint(q.Get("version"), 10, 64)
		if err != nil || o.Version == 0 {
			return o, maru.NewError(maru.CodeBadRequest, "version must be a whole number from 1")
		}
	}
	switch q.Get("transient") {
	case "true":
		o.Transient = true
	case "", "false":
	default:
		return o, maru.NewError(maru.CodeBadRequest, "transient must be true or false")
	}
	if o.Transient && o.Version != 0 {
		return o, maru.NewError(maru.CodeBadRequest, "a transient publication has no version: leave out one of the two")
	}
	return o, o.Check()
}

func (a *API) readPublication(w http.ResponseWriter, r *http.Request) (*maru.Publication, error) {
	q, err := request.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, maru.NewError(maru.CodeBadRequest, "Content-Encoding is not supported: send the body uncompressed")
	}
	kind, err := request.Kind(r.Header.Get("Content-Type"))
	if err != nil {
		return nil, err
	}
	data, err := gateway.ReadBody(w, r, a.MaxBodyBytes)
	if err != nil {
		return nil, err
	}
	if kind == maru.JSON {
		if data, err = request.CompactJSON(data); err != nil {
			return nil, err
		}
	}
	p := &maru.Publication{Kind: kind, Data: data, Key: q.Get("key"), Event: q.Get("event")}
	return p, p.Check()
}
