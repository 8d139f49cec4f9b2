package entry

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"maru"
	"maru/internal/auth"
)

// MaxPublications is the most publications that one request may ask for, by
// last or limit.
const MaxPublications = 1000

// Values reads the query of a request. One that is malformed anywhere is
// CodeBadRequest: half of a query is not what was asked.
func Values(r *http.Request) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, maru.NewError(maru.CodeBadRequest, "the query of the address is malformed")
	}
	return q, nil
}

// Replay reads since and last: what a subscriber wants before what is live.
// With neither, Limit is 0; with both, since decides. Errors: CodeBadPosition,
// CodeBadRequest.
func Replay(q url.Values) (maru.HistoryQuery, error) {
	last, err := Number(q, "last", MaxPublications, 0)
	if err != nil {
		return maru.HistoryQuery{}, err
	}
	since, err := Since(q)
	if err != nil || since == nil {
		return maru.HistoryQuery{Limit: last}, err
	}
	return maru.HistoryQuery{Since: since, Limit: -1}, nil
}

// Actions are what a subscription with that replay wants to do.
func Actions(replay maru.HistoryQuery) []auth.Action {
	if replay.Since == nil && replay.Limit == 0 {
		return subscribe[:1]
	}
	return subscribe[:]
}

var subscribe = [...]auth.Action{auth.Subscribe, auth.History}

// Since reads the position after which history is wanted; nil if there is none.
// The error's code is CodeBadPosition.
func Since(q url.Values) (*maru.Position, error) {
	if !q.Has("since") {
		return nil, nil
	}
	at, err := maru.ParsePosition(q.Get("since"))
	if err != nil {
		// Not err itself, which repeats the value: refusals are logged, and the log has
		// nothing of a query.
		return nil, maru.NewError(maru.CodeBadPosition, "a position is EPOCH:OFFSET or OFFSET")
	}
	return &at, nil
}

// Number reads a parameter from 1 to most; absent means otherwise. The error's
// code is CodeBadRequest.
func Number(q url.Values, name string, most, otherwise int) (int, error) {
	if !q.Has(name) {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(q.Get(name), 10, 32)
	if err != nil || n < 1 || n > uint64(most) {
		return 0, maru.NewError(maru.CodeBadRequest, fmt.Sprintf("%s is a number from 1 to %d", name, most))
	}
	return int(n), nil
}
