package auth

import (
	"net/http"
	"time"

	"maru.example/maru"
)

// CookieName is the name of the session cookie.
const CookieName = "maru_session"

func sessionToken(r *http.Request) string {
	c, err := r.Cookie(CookieName)
	if err != nil {
		return ""
	}
	return c.Value
}

func hasSessionCookie(r *http.Request) bool {
	_, err := r.Cookie(CookieName)
	return err == nil
}

// setCookie gives the browser the session's token until its lifetime ends. The server alone
// checks the idle time-out, so that the cookie need not be sent again with each answer.
func (s *Sessions) setCookie(w http.ResponseWriter, r *http.Request, x *session, token string) {
	// At least a second: after the deadline a live session can still sign in anew.
	seconds := max(1, int(time.Until(x.deadline)/time.Second))
	s.writeCookie(w, r, token, seconds)
}

func (s *Sessions) clearCookie(w http.ResponseWriter, r *http.Request) {
	s.writeCookie(w, r, "", -1)
}

// writeCookie sets the cookie. Scripts cannot read it, and pages of other sites cannot send it,
// unless SessionOptions.SameSite allows it. Which of those pages may then use it, the
// RequestFilter decides by their origin.
func (s *Sessions) writeCookie(w http.ResponseWriter, r *http.Request, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name:     CookieName,
		Value:    value,
		Path:     s.cookiePath,
		MaxAge:   maxAge,
		HttpOnly: true,
		SameSite: s.sameSite,
		Secure:   OverTLS(r) || s.sameSite == http.SameSiteNoneMode,
		// Browsers that block the cookies of other sites store one that belongs to the site in
		// the address bar (CHIPS).
		Partitioned: s.sameSite == http.SameSiteNoneMode,
	})
}

// errInsecure: browsers drop a cookie with SameSite=None that is not Secure, and most drop a
// Secure one without https. The person would be signed in and at once anonymous again.
var errInsecure = maru.NewError(maru.CodeNotAllowed, "with --cookie-same-site none one can sign in over https only, since browsers drop the cookie otherwise: "+
	"use https, or if a proxy ends TLS, have it send X-Forwarded-Proto and be a --trusted-proxy")
