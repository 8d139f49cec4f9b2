package request

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"maru.example/maru"
)

// parameters are all that maru reads from a query. Of these each may be given once, so that
// nobody before or behind it can read another one of two values.
var parameters = []string{"as", "before", "deliver", "event", "key", "last", "limit", "max_hz", "since", "ticket", "transient", "version", "wait"}

// ParseQuery parses the query of an address. If any part of it is malformed or not UTF-8, or a
// parameter of maru is given twice, the error's code is CodeBadRequest.
func ParseQuery(raw string) (url.Values, error) {
	if raw == "" {
		return nil, nil
	}
	q, err := url.ParseQuery(raw)
	if err != nil {
		return nil, maru.NewError(maru.CodeBadRequest, "the query of the address is malformed: percent-encode names and values, and separate them with &")
	}
	for name, values := range q {
		switch {
		case !utf8.ValidString(name), !utf8.ValidString(strings.Join(values, "")):
			return nil, maru.NewError(maru.CodeBadRequest, "the query of the address is not UTF-8: percent-encode the bytes of UTF-8")
		case len(values) > 1 && slices.Contains(parameters, name):
			return nil, maru.NewError(maru.CodeBadRequest, "the parameter "+name+" of the address is given twice")
		}
	}
	return q, nil
}

// Replay reads since and last: the history that a subscriber wants before live publications.
// Without both, Limit is 0; with both, since wins. Errors: CodeBadPosition, CodeBadRequest.
func Replay(q url.Values) (maru.HistoryQuery, error) {
	last, err := Number(q, "last", maru.MaxHistoryPublications, 0)
	if err != nil {
		return maru.HistoryQuery{}, err
	}
	since, err := Since(q)
	if err != nil || since == nil {
		return maru.HistoryQuery{Limit: last}, err
	}
	return maru.HistoryQuery{Since: since, Limit: -1}, nil
}

// Since reads the position after which history is wanted; nil if there is none. The error's
// code is CodeBadPosition.
func Since(q url.Values) (*maru.Position, error) { return position(q, "since") }

// Before reads the position before which history is wanted; nil if there is none. The error's
// code is CodeBadPosition.
func Before(q url.Values) (*maru.Position, error) { return position(q, "before") }

func position(q url.Values, name string) (*maru.Position, error) {
	if !q.Has(name) {
		return nil, nil
	}
	at, err := maru.ParsePosition(q.Get(name))
	if err != nil {
		// Not err itself: it repeats the value, refusals are logged, and the log must not hold
		// any part of a query.
		return nil, maru.NewError(maru.CodeBadPosition, name+" must be a position: EPOCH:OFFSET or OFFSET")
	}
	return &at, nil
}

// Delivery reads deliver and max_hz: whether only the newest publication of each key is wanted,
// and at most how many times a second; 0 is no limit. The error's code is CodeBadRequest.
func Delivery(q url.Values) (latest bool, maxHz float64, err error) {
	deliver := q.Get("deliver")
	if q.Has("deliver") && deliver != "all" && deliver != "latest" {
		return false, 0, maru.NewError(maru.CodeBadRequest, "deliver must be all or latest")
	}
	if !q.Has("max_hz") {
		return deliver == "latest", 0, nil
	}
	maxHz, err = strconv.ParseFloat(q.Get("max_hz"), 64)
	if err != nil || maxHz == 0 {
		maxHz = -1 // not a number, or out of range
	}
	if err := maru.CheckMaxHz(maxHz); err != nil {
		return false, 0, err
	}
	if deliver == "all" {
		return false, 0, maru.NewError(maru.CodeBadRequest, "max_hz needs deliver=latest, not all")
	}
	return true, maxHz, nil
}

// Number reads a parameter from 1 to most; absent means otherwise. The error's code is
// CodeBadRequest.
func Number(q url.Values, name string, most, otherwise int) (int, error) {
	if !q.Has(name) {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(q.Get(name), 10, 32)
	if err != nil || n < 1 || n > uint64(most) {
		return 0, maru.NewError(maru.CodeBadRequest, fmt.Sprintf("%s must be a number from 1 to %d", name, most))
	}
	return int(n), nil
}
