package auth

import (
	"net/http"
	"time"
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

// writeCookie sets the cookie. Scripts cannot read it, and other sites cannot send it, except
// by navigation (SameSite=Lax).
func (s *Sessions) writeCookie(w http.ResponseWriter, r *http.Request, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name:     CookieName,
		Value:    value,
		Path:     s.cookiePath,
		MaxAge:   maxAge,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
		Secure:   OverTLS(r),
	})
}
