package auth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"maru.example/maru"
	"maru.example/maru/internal/request"
)

// Authenticator identifies the sender of a request, and ends a live connection when its
// identity does. Make it with NewAuthenticator.
type Authenticator struct {
	Sessions *Sessions
	// Connections are what Disconnect, Unsubscribe and Revoke end. nil: there are none.
	Connections Connections
	// Overloaded reports that memory is short: sign-ins and requests for tickets then get
	// CodeOverloaded. nil: never.
	Overloaded func() bool

	log     *slog.Logger
	proofs  atomic.Pointer[Proofs]
	tickets tickets

	reopenable reopenable
	expiries   expiries
	revoked    revoked
	bus        maru.Bus // to the other nodes; nil: there are none
}

// Proofs are the ways in which people and back ends prove their identity, beside the
// cookie. The zero value accepts no tokens and no API keys.
type Proofs struct {
	Tokens  *Tokens // nil: none
	APIKeys APIKeys
	// Program, or else Webhook, identifies requests without other proofs; without both the
	// cookie does.
	Program func(r *http.Request, channel string) (Identity, error)
	Webhook *Webhook
	// NoNicknames refuses sign-in with a nickname.
	NoNicknames bool
}

// NewAuthenticator makes an Authenticator with these sessions. The log gets a line for each
// request by which a back end ends connections.
func NewAuthenticator(sessions *Sessions, log *slog.Logger) *Authenticator {
	p := &Authenticator{Sessions: sessions, log: log, tickets: newTickets(maxTickets, log), reopenable: newReopenable(log)}
	p.proofs.Store(new(Proofs))
	return p
}

// Nicknames reports whether people may sign in under a name of their choice.
func (p *Authenticator) Nicknames() bool { return !p.proofs.Load().NoNicknames }

// Set replaces the proofs, for all requests to come. What live connections rest on is asked
// again by Connections.Review, which the caller calls afterwards.
func (p *Authenticator) Set(proofs Proofs) { p.proofs.Store(&proofs) }

const (
	tokenProtocol   = "maru.token." // before a token among the subprotocols
	ticketParameter = "ticket"
)

// Identify returns the sender of a request for this channel, "" for none. It uses the first
// of: a token or an API key in Authorization: Bearer, which is ignored where none can be
// valid; a token or key among the subprotocols, after maru.token.; a ticket in the query;
// the program or the webhook, if there is one; the session's cookie. An invalid proof is an
// error, never an anonymous identity: CodeBadToken, CodeTokenExpired, CodeRevoked,
// CodeUnavailable; of the webhook CodeNotAllowed, CodeReconnect; of a malformed query
// CodeBadRequest. A *TokenError is logged here. It may wait, unless Immediate.
func (p *Authenticator) Identify(r *http.Request, channel string) (Identity, error) {
	who, err := p.identify(r, channel)
	if err != nil || who == (Identity{}) {
		p.logRefused(r.Context(), err, slog.String("method", r.Method), slog.String("path", r.URL.Path))
		return Identity{}, err
	}
	if err := p.Check(who); err != nil {
		return Identity{}, err
	}
	return who, nil
}

func (p *Authenticator) identify(r *http.Request, channel string) (Identity, error) {
	proofs := p.proofs.Load()
	token, found, err := credential(r, proofs.any())
	if err != nil {
		return Identity{}, err
	}
	if found {
		return p.verify(r.Context(), token)
	}
	q, err := request.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return Identity{}, err
	}
	if q.Has(ticketParameter) {
		return p.byTicket(r, q.Get(ticketParameter))
	}
	switch {
	case proofs.Program != nil:
		return proofs.Program(r, channel)
	case proofs.Webhook != nil:
		return proofs.Webhook.ask(r, channel)
	}
	return p.Sessions.Identify(r)
}

// Immediate reports whether Identify needs no lookup for a request that has no query, no
// cookie, no Authorization and no subprotocol.
func (p *Authenticator) Immediate() bool {
	proofs := p.proofs.Load()
	return proofs.Program == nil && proofs.Webhook == nil
}

// any reports whether any token or API key can be valid.
func (p *Proofs) any() bool { return p.Tokens != nil || len(p.APIKeys.sums) > 0 }

// credential is the token or API key that a request brings. Without bearers Authorization
// is ignored: it may be for a proxy.
func credential(r *http.Request, bearers bool) (token string, found bool, err error) {
	for _, line := range r.Header["Authorization"] {
		scheme, value, _ := strings.Cut(line, " ")
		if !bearers || !strings.EqualFold(scheme, "Bearer") {
			continue
		}
		if found {
			return "", false, badToken("more than one was sent")
		}
		token, found = strings.TrimSpace(value), true
	}
	if found {
		return token, true, nil
	}
	for _, line := range r.Header["Sec-Websocket-Protocol"] {
		for offered := range strings.SplitSeq(line, ",") {
			value, isToken := strings.CutPrefix(strings.TrimSpace(offered), tokenProtocol)
			if !isToken {
				continue
			}
			if found {
				return "", false, badToken("more than one was sent")
			}
			token, found = value, true
		}
	}
	return token, found, nil
}

// Verify returns the identity of a token or an API key. It may wait for the key set.
// Errors: CodeBadToken, CodeTokenExpired, CodeRevoked, CodeUnavailable. A *TokenError is logged
// here, with the attributes of who sent the token.
func (p *Authenticator) Verify(ctx context.Context, token string, sender ...slog.Attr) (Identity, error) {
	who, err := p.verify(ctx, token)
	p.logRefused(ctx, err, sender...)
	if err == nil {
		err = p.Check(who)
	}
	if err != nil {
		return Identity{}, err
	}
	return who, nil
}

func (p *Authenticator) verify(ctx context.Context, token string) (Identity, error) {
	proofs := p.proofs.Load()
	if strings.HasPrefix(token, apiKeyPrefix) {
		if id := proofs.APIKeys.find(token); id != "" {
			return Identity{Grant: &Grant{Key: id}}, nil
		}
		return Identity{}, badToken("there is no such API key")
	}
	if proofs.Tokens == nil {
		return Identity{}, badToken("this server accepts no tokens", "token-key and token-key-set are not set")
	}
	return proofs.Tokens.Verify(ctx, token)
}

// logRefused logs why a token was refused. It stands in the log once, where it is found, since
// only a *TokenError has the reason.
func (p *Authenticator) logRefused(ctx context.Context, err error, more ...slog.Attr) {
	var e *TokenError
	if !errors.As(err, &e) {
		return
	}
	all := e.attrs()
	if addr := CallerFrom(ctx).Addr; addr.IsValid() {
		all = append(all, slog.String("addr", addr.String()))
	}
	p.log.LogAttrs(ctx, slog.LevelWarn, "refused", append(all, more...)...)
}

// Attach closes a live connection when the grant of its identity expires, or when its session
// ends. The caller does not change the identity afterwards. live is closed once, from any goroutine,
// maybe before Attach has returned, with CodeTokenExpired, CodeReconnect or CodeRevoked. Close
// should not block. The errors are those of Check. An identity that cannot end by itself has no
// Revocation, nil: everything else that can be withdrawn is asked again by Connections.Review,
// so the connection must be listed there with this identity before Attach is called.
func (p *Authenticator) Attach(who *Identity, live Live) (*Revocation, error) {
	if err := p.Check(*who); err != nil {
		return nil, err
	}
	if who.Session == "" && who.ends().IsZero() {
		return nil, nil
	}
	t := p.expiries.watch(who, live)
	if who.Session == "" {
		return t, nil
	}
	detach, err := p.Sessions.Attach(who.Session, func() { t.fire(errRevoked) })
	if err != nil {
		t.stop()
		return nil, err
	}
	t.of.mu.Lock()
	watching := t.watching
	if watching {
		t.detach = detach
	}
	t.of.mu.Unlock()
	if !watching { // it has ended meanwhile
		detach()
	}
	return t, nil
}

// ServeSession is Sessions.ServeHTTP, except that GET accepts every proof of identity, and
// that NoNicknames refuses sign-in.
func (p *Authenticator) ServeSession(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		w.Header().Set("Cache-Control", "no-store")
		who, err := p.Identify(r, "")
		if err == nil && who.User == "" {
			err = errNotSignedIn
		}
		if err != nil {
			WriteError(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, person{who.User})
		return
	case http.MethodPost:
		var err error
		switch {
		case p.proofs.Load().NoNicknames:
			err = errNoNicknames
		case p.overloaded():
			err = ErrOverloaded
		}
		if err != nil {
			w.Header().Set("Cache-Control", "no-store")
			WriteError(w, r, err)
			return
		}
	}
	p.Sessions.ServeHTTP(w, r)
}

func (p *Authenticator) overloaded() bool { return p.Overloaded != nil && p.Overloaded() }

var errNoNicknames = maru.NewError(maru.CodeNotAllowed, "signing in with a nickname is off on this server: --nicknames allows it, unless a program or webhook identifies users")
