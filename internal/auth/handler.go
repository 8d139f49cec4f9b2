package auth

import (
	"context"
	"log/slog"
	"net/http"

	"maru.example/maru"
)

// Handler checks each request before next gets it. Requests that Check refuses, and
// state-changing requests of other sites, are answered with WriteError and logged. All
// others reach next with the original ResponseWriter and their Caller in the context (see
// CallerFrom). Answers to other origins have CORS headers; their preflights are answered
// here.
func (g *RequestFilter) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Also without an Origin: a cache must not give that answer to a page of
		// another origin (Fetch, "CORS protocol and HTTP caches").
		w.Header().Add("Vary", "Origin")
		c, err := g.Check(r)
		if err == nil {
			err = g.protect(r, c)
		}
		if err != nil {
			g.logRefused(r, c, err)
			g.refusals.Count(maru.ErrorOf(err).Code)
			WriteError(w, r, err)
			return
		}
		c.refusals = g.refusals
		if c.CrossOrigin {
			g.allowCORS(w.Header(), c)
			if isPreflight(r) {
				g.answerPreflight(w)
				return
			}
		}
		next.ServeHTTP(w, r.WithContext(&callerContext{r.Context(), c}))
	})
}

// protect is http.CrossOriginProtection for requests that Check has accepted.
func (g *RequestFilter) protect(r *http.Request, c Caller) error {
	switch {
	case c.CrossOrigin:
		// Check trusts this origin. The library compares exact spellings only, and has no
		// way to allow null or all ports of localhost.
		return nil
	case c.Origin != "" && r.Header.Get("Sec-Fetch-Site") == "":
		// The library would compare Origin and Host as they are written. Check has found
		// them equal, with the scheme and with default ports.
		return nil
	}
	if err := g.protection.Check(r); err != nil {
		return maru.NewError(maru.CodeNotAllowed,
			"a page of another site sent this state-changing request (Sec-Fetch-Site), and its Origin is not allowed: --origin allows one")
	}
	return nil
}

func (g *RequestFilter) logRefused(r *http.Request, c Caller, err error) {
	e := maru.ErrorOf(err)
	all := append(make([]slog.Attr, 0, 5), slog.String("code", string(e.Code)), slog.String("reason", e.Message))
	if c.Addr.IsValid() {
		all = append(all, slog.String("addr", c.Addr.String()))
	}
	all = append(all, slog.String("method", r.Method), slog.String("path", r.URL.Path)) // not the query: it may hold a secret
	g.log.LogAttrs(r.Context(), slog.LevelWarn, "refused", all...)
}

type callerKey struct{}

// callerContext is context.WithValue in one piece of memory.
type callerContext struct {
	context.Context
	caller Caller
}

func (c *callerContext) Value(key any) any {
	if key == (callerKey{}) {
		return &c.caller
	}
	return c.Context.Value(key)
}

// CallerFrom is the Caller that RequestFilter.Handler put into a request's context, or
// the zero Caller.
func CallerFrom(ctx context.Context) Caller {
	if c, ok := ctx.Value(callerKey{}).(*Caller); ok {
		return *c
	}
	return Caller{}
}

// OverTLS reports whether the client of a request used TLS: see Caller.Secure. It also works for
// requests that did not pass through RequestFilter.Handler, which have no proxies.
func OverTLS(r *http.Request) bool {
	return r.TLS != nil || CallerFrom(r.Context()).Secure
}
