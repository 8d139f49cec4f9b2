package server

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/request"
)

// Access holds the rules of the namespaces, the proofs of identity, and the rate limits.
// Server.Reload replaces all of it while the server runs.
type Access struct {
	// Namespaces hold the rules and the retention of each namespace. A namespace that is
	// not listed follows maru.DefaultNamespace; actions without a rule are refused. nil: no
	// rules, so every client that may connect may do everything. Options.Open is ignored
	// unless Namespaces is nil.
	Namespaces map[string]Namespace
	// Nicknames lets people sign in under a name that they choose, even with Namespaces.
	// Without Namespaces they always may.
	Nicknames bool

	// TokenKeys are the contents of key files, which verify JSON Web Tokens. Each is a public
	// key in PEM (RS256, ES256, EdDSA) or a secret of 32 bytes or more (HS256).
	TokenKeys [][]byte
	// TokenKeySet is the URL of a JSON Web Key Set. It is read again every five minutes, within
	// seconds after a failure, by Server.Reload, and when a token needs a key that is not in it.
	// A token whose key cannot be looked up is refused with unavailable, not with bad_token.
	TokenKeySet string
	// TokenIssuer must equal a token's iss, and TokenAudience must be in its aud; empty: any.
	TokenIssuer, TokenAudience string
	// TokenLeeway is how much the clock of the server that makes tokens may differ: a token is
	// accepted so long after its exp and before its nbf. Default 30 s; negative: none.
	TokenLeeway time.Duration
	// APIKeys are the hashes of the back ends' keys, as printed by maru token --api-key.
	APIKeys []string

	// ConnectWebhook is the URL of the back end that identifies requests without a token,
	// ticket or API key; session cookies are then ignored. Empty: no webhook. It receives the
	// headers in ConnectWebhookHeaders, by default Cookie, and must answer within
	// ConnectWebhookTimeout, by default 3 s. A request with none of them is anonymous. When the
	// time in its answer has passed, connections end with reconnect, and it is asked again.
	ConnectWebhook        string
	ConnectWebhookHeaders []string
	ConnectWebhookTimeout time.Duration

	// Rates are in events a second, with a burst of two seconds' worth. PublishRate limits the
	// publications of one person on all connections together, and PublishRatePerConnection
	// those on one WebSocket. ConnectRate limits the live connections that one person opens, and
	// RPCRate the calls of Options.RPC by one person.
	// People who are not signed in are counted by address; API keys have no limits. Default: no
	// limit. Beyond a limit: rate_limited, 429 or 4429.
	PublishRate, PublishRatePerConnection, ConnectRate, RPCRate float64
}

// Namespace is the rules and the retention of the channels NAME:…, and the rule of the methods
// NAME:…. Names without a colon belong to maru.DefaultNamespace.
type Namespace struct {
	Subscribe maru.Rule // receive new publications
	Publish   maru.Rule // publish; Server.Publish is bound by no rule
	History   maru.Rule // read earlier publications: history, polls, recovery
	Presence  maru.Rule // see who is subscribed
	RPC       maru.Rule // call the methods NAME:… of Options.RPC; not maru.Own

	// Retention is what the namespace keeps. Its zero fields default to
	// Options.HistoryPublications, HistoryAge and HistoryBytes. It is fixed by the namespace's
	// first publication.
	Retention maru.Retention
	// KeyFrom is a JSON pointer (RFC 6901), like /symbol, to the key of publications that have
	// none and whose data is JSON or text that is JSON. Empty: keys are not looked up.
	KeyFrom string
	// MaxHz is the most publications of each key that a subscription receives in a second, from
	// maru.MinHz to maru.MaxHz; the last value is always delivered. 0: no limit.
	MaxHz float64
}

// namespace returns the settings of a namespace: its own, or those of the default one.
func (a *Access) namespace(name string) Namespace {
	n, listed := a.Namespaces[name]
	if !listed {
		n = a.Namespaces[maru.DefaultNamespace]
	}
	return n
}

// access is an Access that was checked and is in use.
type access struct {
	Access
	rules  map[string]auth.Allowed
	proofs auth.Proofs
	keySet *auth.KeySet // nil: none
}

// prepare checks an Access and opens what it needs. It takes over the parts that are the same as
// in old, which may be nil.
func (s *Server) prepare(a Access, old *access) (*access, error) {
	x := &access{Access: a}
	var err error
	if x.rules, err = a.rules(); err != nil {
		return nil, err
	}
	if err := a.checkDurability(s.options.Broker); err != nil {
		return nil, err
	}
	x.proofs.Program = s.identify()
	x.proofs.NoNicknames = x.proofs.Program != nil || a.ConnectWebhook != "" || a.Namespaces != nil && !a.Nicknames
	if x.proofs.APIKeys, err = auth.ParseAPIKeys(a.APIKeys); err != nil {
		return nil, err
	}
	if a.ConnectWebhook != "" {
		x.proofs.Webhook, err = auth.NewWebhook(auth.WebhookOptions{
			URL: a.ConnectWebhook, Headers: a.ConnectWebhookHeaders, Timeout: a.ConnectWebhookTimeout, Log: s.options.Logger,
			Stats: &s.connectWebhook,
		})
		if err != nil {
			return nil, err
		}
	}
	if len(a.TokenKeys) > 0 || a.TokenKeySet != "" {
		if err := s.prepareTokens(x, old); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// prepareTokens opens the key set last, so that nothing is left open after an error. It goes on
// with the set of old if that has the same URL: its keys stay valid while it cannot be read.
func (s *Server) prepareTokens(x, old *access) (err error) {
	o := auth.TokenOptions{Issuer: x.TokenIssuer, Audience: x.TokenAudience, Leeway: x.TokenLeeway}
	for i, file := range x.TokenKeys {
		key, err := auth.ParseKey(file)
		if err != nil {
			return fmt.Errorf("token key %d: %w", i+1, err)
		}
		o.Keys = append(o.Keys, key)
	}
	switch {
	case x.TokenKeySet == "":
	case old != nil && old.TokenKeySet == x.TokenKeySet:
		x.keySet = old.keySet
	default:
		if x.keySet, err = auth.NewKeySet(x.TokenKeySet, s.options.Logger, func() { s.admission.Review() }, &s.keySets); err != nil {
			return err
		}
	}
	o.KeySet = x.keySet
	x.proofs.Tokens = auth.NewTokens(o)
	return nil
}

// rules returns the rules of each namespace, nil in open mode.
func (a *Access) rules() (map[string]auth.Allowed, error) {
	if a.Namespaces == nil {
		return nil, nil
	}
	table := make(map[string]auth.Allowed, len(a.Namespaces))
	for name, n := range a.Namespaces {
		if err := maru.CheckNamespace(name); err != nil {
			return nil, fmt.Errorf("namespace %q: %w", name, err)
		}
		if n.KeyFrom != "" && n.KeyFrom[0] != '/' {
			return nil, fmt.Errorf("namespace %q: KeyFrom %q is not a JSON pointer: it must begin with /", name, n.KeyFrom)
		}
		if max(n.Subscribe, n.Publish, n.History, n.Presence, n.RPC) > maru.ServerOnly {
			return nil, fmt.Errorf("namespace %q: unknown rule: use the constants of package maru", name)
		}
		if n.RPC == maru.Own {
			return nil, fmt.Errorf("namespace %q: RPC cannot be maru.Own: a method belongs to nobody", name)
		}
		if err := maru.CheckMaxHz(n.MaxHz); err != nil {
			return nil, fmt.Errorf("namespace %q: MaxHz is %v: %w", name, n.MaxHz, err)
		}
		table[name] = auth.Allowed{
			auth.Subscribe: n.Subscribe, auth.Publish: n.Publish, auth.History: n.History, auth.Presence: n.Presence, auth.Call: n.RPC,
		}
	}
	return table, nil
}

// enforce makes x the current Access, and closes what the previous one had open.
func (s *Server) enforce(x *access) {
	old := s.access.Swap(x)
	s.rules.Set(x.rules)
	s.authenticator.Set(x.proofs)
	s.rates.Set(admission.RateLimits{
		Publish:              rate(x.PublishRate),
		PublishPerConnection: rate(x.PublishRatePerConnection),
		Connect:              rate(x.ConnectRate),
		Call:                 rate(x.RPCRate),
	})
	if old != nil {
		old.close(x)
	}
}

func rate(perSecond float64) admission.Rate {
	if !(perSecond > 0) {
		return admission.Rate{}
	}
	return admission.RateOf(perSecond)
}

// close closes what x has open, except the parts that next has taken over.
func (x *access) close(next *access) {
	if x.keySet != nil && (next == nil || next.keySet != x.keySet) {
		x.keySet.Close()
	}
	if x.proofs.Webhook != nil {
		x.proofs.Webhook.Close()
	}
}

// Reload replaces the Access. It applies to all later decisions, and to those that stand: before
// Reload returns, everything that live connections go on doing is decided anew, except by
// Hooks.Allow. A subscription that is no longer allowed ends with not_allowed; so do the connections
// that are nothing else: raw WebSockets, event streams, polls. A connection ends with bad_token
// if its API key, or the key that signed its token, is gone.
//
// The key set at TokenKeySet is read again, which may take 5 s, and so are the files of
// Options.TLSFiles and TLSClientCA; the log says which of them cannot be used. If a is not valid, the error
// says why and the previous Access stays. Reload cannot switch between open mode and rules
// (Options.Open). A namespace that has publications keeps its retention. In a cluster the log names
// what differs from the other servers then.
func (s *Server) Reload(a Access) (err error) {
	defer func() { s.reloads.ended(err) }()
	s.reload.Lock()
	defer s.reload.Unlock()
	if s.ended {
		return errShuttingDown
	}
	old := s.access.Load()
	if (a.Namespaces == nil) != (old.Namespaces == nil) {
		return fmt.Errorf("server: Reload cannot switch between open mode and rules: start the server anew")
	}
	x, err := s.prepare(a.clone(), old)
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	s.enforce(x)
	s.admission.Review()
	if x.keySet != nil && x.keySet == old.keySet {
		x.keySet.Read() // and reviews again if a key is gone
	}
	if s.certificates != nil {
		s.certificates.Reload()
	}
	if bus := s.broker.bus(); bus != nil {
		s.compareSettings(bus)
	}
	return nil
}

// endAccess closes what the current Access has open.
func (s *Server) endAccess() {
	s.reload.Lock()
	defer s.reload.Unlock()
	s.ended = true
	s.access.Load().close(nil)
}

// clone copies a, so that the caller cannot change it.
func (a Access) clone() Access {
	a.Namespaces = maps.Clone(a.Namespaces)
	a.APIKeys = slices.Clone(a.APIKeys)
	a.ConnectWebhookHeaders = slices.Clone(a.ConnectWebhookHeaders)
	return a
}

// retention returns what a namespace keeps.
func (s *Server) retention(namespace string) maru.Retention {
	if r, is := s.reserved.Load(namespace); is {
		return r.(maru.Retention)
	}
	return s.access.Load().namespace(namespace).Retention.Or(maru.Retention{
		Publications: s.options.HistoryPublications, Age: s.options.HistoryAge, Bytes: s.options.HistoryBytes,
	})
}

// listed reports whether the operator has named the namespace.
func (s *Server) listed(namespace string) bool {
	if _, listed := s.access.Load().Namespaces[namespace]; listed {
		return true
	}
	_, listed := s.reserved.Load(namespace)
	return listed
}

// maxHz returns the most publications of each key that a subscriber of a channel receives in a
// second.
func (s *Server) maxHz(channel string) float64 {
	return s.access.Load().namespace(maru.Namespace(channel)).MaxHz
}

// complete sets the key of a publication from its data, if its namespace has KeyFrom, and removes
// the name of an event that needs none.
func (s *Server) complete(channel string, p *maru.Publication) {
	if p.Event == maru.MessageEvent {
		p.Event = "" // one way to say it, also for idempotency keys
	}
	if p.Key != "" {
		return
	}
	if from := s.access.Load().namespace(maru.Namespace(channel)).KeyFrom; from != "" {
		p.Key = request.KeyAt(from, p)
	}
}
