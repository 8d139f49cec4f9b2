package api

import (
	"net/http"
	"strings"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/pieces"
	"maru.example/maru/internal/request"
)

// maxWait is the longest wait of a poll. It lies below the default time-outs of proxies: haproxy in
// Debian 50 s; nginx, Apache, Varnish and most load balancers 60 s (docs/proxies.md).
const maxWait = 45 * time.Second

// ask holds the parameters of a request for history.
type ask struct {
	query maru.HistoryQuery
	wait  time.Duration
}

// serveHistory answers the retained publications, or waits for one (see servePoll). Parameters:
//
//	since=POSITION   the first publications after it; without it the newest
//	before=POSITION  the newest publications before it; without since and wait
//	limit=N          how many at most, 1 to 1,000; default 100
//	wait=30s         a Go duration or whole seconds; more than 45 s counts as 45 s
//
// Errors: 400 bad_request, bad_position; 403 not_allowed; 503 overloaded, too_many_connections for
// a poll, shutting_down.
func (a *API) serveHistory(w http.ResponseWriter, r *http.Request, channel string) {
	asked, err := parseAsk(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	if asked.wait > 0 {
		a.servePoll(w, r, channel, asked)
		return
	}
	_, err = a.admission.Allow(r, channel, auth.History)
	if err == nil && a.admission.Registry.Overloaded() {
		err = auth.ErrOverloaded
	}
	if err != nil {
		a.admission.Refuse(w, r, err)
		return
	}
	h, err := a.History(r.Context(), channel, asked.query)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writePieces(w, pieces.History(channel, h))
}

func parseAsk(r *http.Request) (ask, error) {
	q, err := request.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return ask{}, err
	}
	since, err := request.Since(q)
	if err != nil {
		return ask{}, err
	}
	limit, err := request.Number(q, "limit", maru.MaxHistoryPublications, maru.DefaultHistoryPublications)
	if err != nil {
		return ask{}, err
	}
	before, err := request.Before(q)
	if err != nil {
		return ask{}, err
	}
	asked := ask{query: maru.HistoryQuery{Since: since, Before: before, Limit: limit}}
	if err := asked.query.Check(); err != nil || !q.Has("wait") {
		return asked, err
	}
	if before != nil {
		return ask{}, errWaitBefore
	}
	asked.wait, err = parseWait(q.Get("wait"))
	return asked, err
}

var errWaitBefore = maru.NewError(maru.CodeBadRequest, "before and wait cannot be given together: nothing new comes before a position")

func parseWait(s string) (time.Duration, error) {
	if strings.Trim(s, "0123456789") == "" {
		s += "s"
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, maru.NewError(maru.CodeBadRequest, "wait must be a duration, such as 30s")
	}
	return min(d, maxWait), nil
}

// writePieces answers 200 with JSON, in pieces: all of it may be large, and many may ask for it and
// not read.
func writePieces(w http.ResponseWriter, answer *pieces.JSON) {
	beginJSON(w)
	answer.Within("", "\n")
	var b []byte
	for more := true; more; {
		b, more = answer.Next(b[:0])
		if _, err := w.Write(b); err != nil {
			return // the client has disconnected, or does not read
		}
	}
}
