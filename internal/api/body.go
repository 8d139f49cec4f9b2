package api

import (
	"io"
	"net/http"

	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/shares"
)

// bodyStep is the unit in which bodies that are coming are counted. The first of each is free: most
// bodies have no more.
const bodyStep = 64 << 10

// body counts the bytes of a request's body that have come, as a share of Options.Bodies.
type body struct {
	io.ReadCloser
	shares      *shares.Shares
	holder      shares.Holder
	read, taken int64
}

// countBody counts the body of a request while it comes. The caller calls release when it does not
// need the body any more. With too much coming, reading the body fails with auth.ErrOverloaded.
func (a *API) countBody(r *http.Request, who auth.Identity) (release func()) {
	if a.Bodies == nil {
		return func() {}
	}
	b := &body{ReadCloser: r.Body, shares: a.Bodies, holder: auth.CallerFrom(r.Context()).Holder(who)}
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
