package server

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/request"
)

// Access is who may do what, how they prove who they are, and how often they may.
// All of it can be replaced while the server runs, by Server.Reload.
type Access struct {
	// Namespaces say who may do what in the channels of each namespace, and what it
	// keeps. A namespace that is not listed follows maru.DefaultNamespace, and what no
	// rule allows is refused. nil: no rules, everybody who may connect may do
	// everything. Options.Open is ignored unless it is nil.
	Namespaces map[string]Namespace
	// Nicknames lets people sign in under a name that they choose, also where there
	// are Namespaces. Without them they always may.
	Nicknames bool

	// TokenKeys are contents of key files, with which JSON Web Tokens are verified: a
	// public key in PEM (RS256, ES256, EdDSA) or a secret of 32 bytes or more (HS256).
	TokenKeys [][]byte
	// TokenKeySet is the URL of a JSON Web Key Set, read anew every hour and when a
	// token names a key that it has not.
	TokenKeySet string
	// TokenIssuer and TokenAudience are what a token's iss must be and its aud contain;
	// empty: anything.
	TokenIssuer, TokenAudience string
	// APIKeys are the hashes of the keys of back ends, as maru token --api-key prints
	// them.
	APIKeys []string

	// ConnectWebhook is the URL of the back end that is asked who sends a request which
	// brings no token, ticket or API key; the session's cookie then says nothing. Empty:
	// none. It gets the headers of ConnectWebhookHeaders, by default Cookie, and has
	// ConnectWebhookTimeout, by default 3 s, to answer.
	ConnectWebhook        string
	ConnectWebhookHeaders []string
	ConnectWebhookTimeout time.Duration

	// PublishRate is how many publications a second one person may make, on all
	// connections together, PublishRatePerConnection how many on one WebSocket, and
	// ConnectRate how many live connections a second one person may begin. After a pause it
	// may be what two seconds allow at once. Who is not signed in counts by address; API
	// keys have no limits. Default: no limit. Beyond: rate_limited, 429 or 4429.
	PublishRate, PublishRatePerConnection, ConnectRate float64
}

// Namespace is the rules for the channels NAME:… and what they keep.
type Namespace struct {
	Subscribe maru.Rule // get what is published from now on
	Publish   maru.Rule // publish; Server.Publish is bound by no rule
	History   maru.Rule // read what was published before: history, polls, recovery
	Presence  maru.Rule // see who is there

	// Retention is what the namespace keeps. Fields that are zero are as
	// Options.HistoryPublications, HistoryAge and HistoryBytes have it. It counts from
	// the namespace's first publication on.
	Retention maru.Retention
	// KeyFrom is a JSON pointer (RFC 6901), like /symbol, to the key of a publication of
	// JSON, or of text that is JSON, that has none. Empty: no key is looked for.
	KeyFrom string
	// MaxHz is the most that a subscription gets of each key in a second, the last value
	// always delivered. 0: no limit.
	MaxHz float64
}

// namespace is what holds for a namespace: its own, or that of the default one.
func (a *Access) namespace(name string) Namespace {
	n, listed := a.Namespaces[name]
	if !listed {
		n = a.Namespaces[maru.DefaultNamespace]
	}
	return n
}

// access is an Access that was checked and is in force.
type access struct {
	Access
	rules  map[string]auth.Allowed
	proofs auth.Proofs
}

// open makes an Access ready. What is the same as in old, which may be nil, is taken
// over from there.
func (s *Server) open(a Access, old *access) (*access, error) {
	x := &access{Access: a}
	var err error
	if x.rules, err = a.rules(); err != nil {
		return nil, err
	}
	if err := a.checkDurability(s.options.Broker); err != nil {
		return nil, err
	}
	x.proofs.Program = s.options.program()
	x.proofs.NoNicknames = x.proofs.Program != nil || a.ConnectWebhook != "" || a.Namespaces != nil && !a.Nicknames
	if x.proofs.APIKeys, err = auth.ParseAPIKeys(a.APIKeys); err != nil {
		return nil, err
	}
	if a.ConnectWebhook != "" {
		x.proofs.Webhook, err = auth.NewWebhook(auth.WebhookOptions{
			URL: a.ConnectWebhook, Headers: a.ConnectWebhookHeaders, Timeout: a.ConnectWebhookTimeout, Log: s.options.Logger,
		})
		if err != nil {
			return nil, err
		}
	}
	switch {
	case old != nil && a.sameTokens(&old.Access):
		x.proofs.Tokens = old.proofs.Tokens
	case len(a.TokenKeys) > 0 || a.TokenKeySet != "":
		o := auth.TokenOptions{KeySet: a.TokenKeySet, Issuer: a.TokenIssuer, Audience: a.TokenAudience, Log: s.options.Logger}
		for i, file := range a.TokenKeys {
			key, err := auth.ParseKey(file)
			if err != nil {
				return nil, fmt.Errorf("token key %d: %w", i+1, err)
			}
			o.Keys = append(o.Keys, key)
		}
		if x.proofs.Tokens, err = auth.NewTokens(o); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// rules are who may do what, nil in open mode.
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
			return nil, fmt.Errorf("namespace %q: KeyFrom %q is no JSON pointer", name, n.KeyFrom)
		}
		if max(n.Subscribe, n.Publish, n.History, n.Presence) > maru.ServerOnly {
			return nil, fmt.Errorf("namespace %q: a rule is none of maru's", name)
		}
		if !(n.MaxHz >= 0) {
			return nil, fmt.Errorf("namespace %q: MaxHz is %v", name, n.MaxHz)
		}
		table[name] = auth.Allowed{
			auth.Subscribe: n.Subscribe, auth.Publish: n.Publish, auth.History: n.History, auth.Presence: n.Presence,
		}
	}
	return table, nil
}

func (a *Access) sameTokens(b *Access) bool {
	return a.TokenKeySet == b.TokenKeySet && a.TokenIssuer == b.TokenIssuer && a.TokenAudience == b.TokenAudience &&
		reflect.DeepEqual(a.TokenKeys, b.TokenKeys)
}

// enforce puts x in force for all decisions to come, and ends what the one before it
// had open.
func (s *Server) enforce(x *access) {
	old := s.access.Swap(x)
	s.rules.Set(x.rules)
	s.authenticator.Set(x.proofs)
	s.rates.Set(admission.RateLimits{
		Publish:              rate(x.PublishRate),
		PublishPerConnection: rate(x.PublishRatePerConnection),
		Connect:              rate(x.ConnectRate),
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

// close ends what is open, but for what next has taken over.
func (x *access) close(next *access) {
	if t := x.proofs.Tokens; t != nil && (next == nil || next.proofs.Tokens != t) {
		t.Close()
	}
	if x.proofs.Webhook != nil {
		x.proofs.Webhook.Close()
	}
}

// Reload puts another Access in force, for all decisions to come. Nobody is
// disconnected. If it is not valid the error says why, and the one before stays. It
// cannot begin or end the open mode of Options.Open, which says who may connect at
// all. A namespace that has been published to keeps what it kept.
func (s *Server) Reload(a Access) error {
	s.reload.Lock()
	defer s.reload.Unlock()
	if s.ended {
		return errShuttingDown
	}
	old := s.access.Load()
	if (a.Namespaces == nil) != (old.Namespaces == nil) {
		return fmt.Errorf("server: rules begin and end with a new start only")
	}
	x, err := s.open(a.clone(), old)
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	s.enforce(x)
	return nil
}

// endAccess closes what is open.
func (s *Server) endAccess() {
	s.reload.Lock()
	defer s.reload.Unlock()
	s.ended = true
	s.access.Load().close(nil)
}

// clone is a copy that its giver cannot change.
func (a Access) clone() Access {
	a.Namespaces = maps.Clone(a.Namespaces)
	a.APIKeys = slices.Clone(a.APIKeys)
	a.ConnectWebhookHeaders = slices.Clone(a.ConnectWebhookHeaders)
	return a
}

// retention is what a namespace keeps.
func (s *Server) retention(namespace string) maru.Retention {
	return s.access.Load().namespace(namespace).Retention.Or(maru.Retention{
		Publications: s.options.HistoryPublications, Age: s.options.HistoryAge, Bytes: s.options.HistoryBytes,
	})
}

// maxHz is the most that a subscriber of a channel gets of each key in a second.
func (s *Server) maxHz(channel string) float64 {
	return s.access.Load().namespace(maru.Namespace(channel)).MaxHz
}

// complete gives a publication the key that its namespace says where to find.
func (s *Server) complete(channel string, p *maru.Publication) {
	if p.Key != "" {
		return
	}
	if from := s.access.Load().namespace(maru.Namespace(channel)).KeyFrom; from != "" {
		p.Key = request.KeyAt(from, p)
	}
}

// Disconnect ends the live connections of a person with 4503 revoked, and says how
// many there were. They may come back.
func (s *Server) Disconnect(user string) int {
	if user == "" {
		return 0
	}
	return s.authenticator.Disconnect(auth.Target{User: user})
}
