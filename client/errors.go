package client

import (
	"errors"
	"fmt"
	"net"
	"time"

	"maru.example/maru"
)

var (
	// ErrClosed is returned after Close. errors.Is(err, net.ErrClosed) holds.
	ErrClosed error = closedError{}
	// ErrDisconnected is returned for a command that may not be sent twice and whose
	// connection was lost before its reply: it may have been carried out or not. It is also
	// returned for a transient publication while there is no connection.
	ErrDisconnected = errors.New("client: the connection was lost")
	// ErrUnsubscribed is returned by Next after Unsubscribe.
	ErrUnsubscribed = errors.New("client: unsubscribed")
)

type closedError struct{}

func (closedError) Error() string        { return "client: closed" }
func (closedError) Is(target error) bool { return target == net.ErrClosed }

// failure is an error in a reply or a push.
type failure struct {
	Code      maru.Code `json:"code"`
	Message   string    `json:"message"`
	Temporary bool      `json:"temporary"`
}

func (f *failure) Error() string { return f.public().Error() }

// Unwrap lets programs find the *maru.Error.
func (f *failure) Unwrap() error { return f.public() }

func (f *failure) public() *maru.Error { return maru.NewError(f.Code, f.Message) }

// passes reports whether the same command may be tried again.
func (f *failure) passes() bool {
	return f.Temporary || f.Code.Temporary() || f.Code == maru.CodeBadFrame
}

// Close codes beside those of the root package (RFC 6455 §7.4.1).
const (
	closeLost    = 1006
	closeBadText = 1007
)

// ending is how a connection ended.
type ending struct {
	code int       // the close code; closeLost without one
	word maru.Code // the reason in the close frame; empty without one
	err  error     // the error on this side, if any

	retryAfter time.Duration // of a handshake that was refused
}

// comeBack reports whether the close code says to reconnect.
func (e ending) comeBack() bool {
	return e.code != maru.CloseNotAllowed && (e.code < 4500 || e.code > 4999)
}

// error is the ending as an error for the program.
func (e ending) error() error {
	var public *maru.Error
	switch {
	case errors.As(e.err, &public):
		return fmt.Errorf("client: refused: %w", e.err)
	case e.word != "":
		message := "the server closed the connection"
		if e.err != nil {
			message = e.err.Error()
		}
		return fmt.Errorf("client: the connection was closed with code %d: %w", e.code, maru.NewError(e.word, message))
	case e.err != nil:
		return fmt.Errorf("client: %w", e.err)
	case e.code == closeLost:
		return ErrDisconnected
	}
	return fmt.Errorf("client: the server closed the connection with code %d", e.code)
}
