package gateway

import (
	"errors"
	"io"
	"net/http"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/shares"
)

// bodyTimeout is the time for a body to arrive.
const bodyTimeout = 30 * time.Second

// bodyStep is the unit in which bodies that are coming are counted. The first of each is free: most
// bodies have no more.
const bodyStep = 64 << 10

// body counts the bytes of a request's body that have come, as a share of Env.Bodies.
type body struct {
	io.ReadCloser
	shares      *shares.Shares
	holder      shares.Holder
	read, taken int64
}

// CountBody counts the body of a request while it comes, for its sender. The caller calls release
// when it does not need the body any more. With too much coming, ReadBody fails with
// auth.ErrOverloaded.
func (env *Env) CountBody(r *http.Request, who auth.Identity) (release func()) {
	if env.Bodies == nil {
		return func() {}
	}
	b := &body{ReadCloser: r.Body, shares: env.Bodies, holder: auth.CallerFrom(r.Context()).Holder(who)}
	r.Body = b
	return func() { b.shares.Give(b.holder, b.taken) }
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	for b.read > b.taken+bodyStep {
		if b.shares.Take(b.holder, bodyStep) != nil {
			return n, auth.ErrOverloaded
		}
		b.taken += bodyStep
	}
	return n, err
}

var (
	errBodyLarge  = maru.NewError(maru.CodeTooLarge, "the body is larger than a message may be (--max-message)")
	errBodyBroken = maru.NewError(maru.CodeBadRequest, "the body was incomplete or took longer than 30 s: send it again")
)

// ReadBody reads the whole body of a request, with a deadline. Error codes: CodeTooLarge for more
// than most bytes, CodeOverloaded, CodeBadRequest if it does not arrive whole.
func ReadBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	if r.ContentLength > most {
		return nil, errBodyLarge // and net/http closes the connection rather than read it
	}
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(bodyTimeout)) // not supported everywhere, nor needed there
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if over := new(http.MaxBytesError); errors.As(err, &over) {
		return nil, errBodyLarge
	}
	if errors.Is(err, auth.ErrOverloaded) {
		return nil, err
	}
	if err != nil {
		return nil, errBodyBroken
	}
	control.SetReadDeadline(time.Time{})
	return data, nil
}
