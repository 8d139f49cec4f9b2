package gateway

import (
	"errors"
	"net/http"

	"maru.example/maru"
	"maru.example/maru/internal/handshake"
)

// checkHandshake is handshake.Check with a *maru.Error, and sets the headers that belong to it.
func checkHandshake(w http.ResponseWriter, r *http.Request) (handshake.Request, error) {
	q, err := handshake.Check(r)
	var e *handshake.Error
	if !errors.As(err, &e) {
		return q, err
	}
	handshake.AnswerHeader(w.Header(), r, e)
	code := maru.CodeBadRequest
	switch e.Status {
	case http.StatusUpgradeRequired:
		code = maru.CodeUpgradeRequired
	case http.StatusMethodNotAllowed:
		code = maru.CodeMethodNotAllowed
	}
	return q, maru.NewError(code, e.Message)
}
