package gateway

import (
	"errors"
	"net/http"

	"maru.example/maru"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/handshake"
)

// checkHandshake is all that handshake.Accept refuses a request for, in the words
// of the rest of the program, and the headers that belong to it set.
func checkHandshake(w http.ResponseWriter, r *http.Request) error {
	if _, err := frame.ParseExtensions(r.Header["Sec-Websocket-Extensions"]); err != nil {
		return maru.NewError(maru.CodeBadRequest, "Sec-WebSocket-Extensions is malformed")
	}
	err := handshake.Check(r)
	if err == nil {
		return nil
	}
	var e *handshake.Error
	if !errors.As(err, &e) {
		return err
	}
	handshake.AnswerHeader(w.Header(), r, e)
	code := maru.CodeBadRequest
	switch e.Status {
	case http.StatusUpgradeRequired:
		code = maru.CodeUpgradeRequired
	case http.StatusMethodNotAllowed:
		code = maru.CodeMethodNotAllowed
	}
	return maru.NewError(code, e.Message)
}
