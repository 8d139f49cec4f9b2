package auth

import (
	"crypto/rand"
	"errors"
	"io"
	"net/http"

	"maru.example/maru"
	"maru.example/maru/internal/strict"
)

// maxSignIn bounds the body of a sign-in: a nickname of 32 characters, each
// escaped as \uXXXX\uXXXX, needs 400 bytes.
const maxSignIn = 4 << 10

// ServeHTTP answers /session. It must be behind RequestFilter.Handler, which keeps other
// sites from signing people in and decides whether the cookie is Secure.
//
//	POST {"nickname":"…"}   201 {"user":"…"}: signed in; 400 bad_request or bad_nickname, 403 not_allowed (Origin
//	                        null, or http with SameSite None), 409 taken, 413 too_large
//	GET                     200 {"user":"…"}, or 404 not_signed_in
//	DELETE                  204, signed in or not
//
// POST with the nickname that the session has changes nothing; with another one
// it begins a new session and ends the old one with its live connections, like
// DELETE. The end functions of those connections are called before the answer is written.
func (s *Sessions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		s.servePerson(w, r)
	case http.MethodPost:
		s.serveSignIn(w, r)
	case http.MethodDelete:
		s.serveSignOut(w, r)
	default:
		w.Header().Set("Allow", "DELETE, GET, HEAD, POST")
		WriteError(w, r, maru.NewError(maru.CodeMethodNotAllowed, "this address takes GET, POST and DELETE only"))
	}
}

var errNotSignedIn = maru.NewError(maru.CodeNotSignedIn, "not signed in: POST /session signs in")

// person is the JSON of a signed-in person.
type person struct {
	User string `json:"user"`
}

func (s *Sessions) servePerson(w http.ResponseWriter, r *http.Request) {
	who, err := s.Identify(r)
	if err == nil && who == (Identity{}) {
		err = errNotSignedIn
	}
	if err != nil {
		WriteError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, person{who.User})
}

func (s *Sessions) serveSignIn(w http.ResponseWriter, r *http.Request) {
	if CallerFrom(r.Context()).Origin == "null" {
		// A form in any site's sandboxed frame sends this, and the browser would keep the
		// cookie: the person would then publish under a name chosen by that site. A page
		// opened from disk loses nothing: its requests never have the cookie.
		WriteError(w, r, maru.NewError(maru.CodeNotAllowed, "a page with Origin null cannot sign in: open the page over http or https"))
		return
	}
	if s.sameSite == http.SameSiteNoneMode && !OverTLS(r) {
		WriteError(w, r, errInsecure)
		return
	}
	nickname, err := readNickname(w, r)
	if err != nil {
		WriteError(w, r, err)
		return
	}
	x, token, err := s.begun(r, nickname)
	if err != nil {
		WriteError(w, r, err)
		return
	}
	s.setCookie(w, r, x, token)
	writeJSON(w, http.StatusCreated, person{x.user})
}

// begun signs in, and keeps the session.
func (s *Sessions) begun(r *http.Request, nickname string) (x *session, token string, err error) {
	id := rand.Text()
	if err := s.claim(r.Context(), sessionToken(r), nickname, id); err != nil {
		return nil, "", err
	}
	x, token, ends, err := s.signIn(CallerFrom(r.Context()), sessionToken(r), nickname, id)
	call(ends)
	if err != nil {
		s.disclaim(r.Context(), nickname, id)
		return nil, "", err
	}
	if s.keeper.shared != nil {
		return x, token, s.share(r.Context(), x)
	}
	s.save(r.Context(), x)
	return x, token, nil
}

func (s *Sessions) serveSignOut(w http.ResponseWriter, r *http.Request) {
	if err := s.endShared(r.Context(), sessionToken(r)); err != nil { // it would go on elsewhere
		WriteError(w, r, err)
		return
	}
	call(s.signOut(sessionToken(r)))
	if hasSessionCookie(r) {
		s.clearCookie(w, r)
	}
	w.WriteHeader(http.StatusNoContent)
}

// readNickname reads the body of a sign-in. It ignores the Content-Type: plain curl -d sends
// another one, and RequestFilter.Handler refuses forms of other sites.
func readNickname(w http.ResponseWriter, r *http.Request) (string, error) {
	var body struct {
		Nickname string `json:"nickname"`
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSignIn))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return "", maru.NewError(maru.CodeTooLarge, "the body of the sign-in is larger than 4 KiB")
	} else if err != nil {
		return "", maru.NewError(maru.CodeBadRequest, "the body of the sign-in did not arrive completely; send it again")
	}
	err = strict.DecodeKnown(data, &body)
	if e := new(strict.Error); errors.As(err, &e) && e.Problem == strict.Text {
		return "", badNickname("is not valid Unicode")
	} else if err != nil {
		return "", maru.NewError(maru.CodeBadRequest, `the body of a sign-in must be {"nickname":"…"}: `+err.Error())
	}
	return Nickname(body.Nickname)
}

func call(ends []func()) {
	for _, end := range ends {
		end()
	}
}
