package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Check reports every invalid option at once, each by its name. It looks at values only.
// Whether a file can be read or an address is free, the code that opens it finds out;
// origins and hosts are checked by package auth.
func (s *Serve) Check() error {
	return s.place(errors.Join(
		s.checkListen(),
		s.checkHosts(),
		s.checkTLS(),
		s.checkACME(),
		s.checkRedirect(),
		s.checkCookie(),
		s.checkNumbers(),
		s.checkMetrics(),
		s.checkLog(),
		s.checkIdentity(),
		s.checkNATS(),
		s.checkCluster(),
		s.checkNamespaces(),
	))
}

// place adds the file and the line to each error that begins with a key of the file.
func (s *Serve) place(err error) error {
	if err == nil {
		return nil
	}
	var placed []error
	for text := range strings.SplitSeq(err.Error(), "\n") {
		key, _, _ := strings.Cut(text, ": ")
		if line := s.lines[key]; line > 0 {
			text = fmt.Sprintf("%s:%d: %s", s.Config, line, text)
		}
		placed = append(placed, errors.New(text))
	}
	return errors.Join(placed...)
}

func (s *Serve) checkListen() error {
	if len(s.Listen) == 0 {
		return errors.New("listen: is empty; give at least one address, such as 127.0.0.1:3000")
	}
	for i, addr := range s.Listen {
		if !isAddress(addr) {
			return fmt.Errorf("listen: %q is not an address; write HOST:PORT, such as 127.0.0.1:3000, [::1]:3000 or :3000, or unix:PATH", addr)
		}
		if slices.Contains(s.Listen[:i], addr) && !strings.HasSuffix(addr, ":0") {
			return fmt.Errorf("listen: %s is given twice; remove one of them", addr)
		}
	}
	if !s.Open && s.Namespaces == nil && !s.Loopback() {
		at := s.Listen[slices.IndexFunc(s.Listen, func(addr string) bool { return !loopback(addr) })]
		_, port, _ := net.SplitHostPort(at)
		return fmt.Errorf("listen: %s can be reached from other machines, and anybody there could read and publish; "+
			"listen on this machine only (--listen 127.0.0.1:%s), allow everybody (--open), or write rules (docs/rules.md)", at, port)
	}
	return nil
}

func (s *Serve) checkHosts() error {
	if s.AnyHost && len(s.Host) > 0 {
		return errors.New("any-host: accepts every name and contradicts host; remove one of them")
	}
	if s.ProxyProtocol && len(s.TrustedProxy) == 0 {
		return errors.New("proxy-protocol: needs trusted-proxy, the address of the proxy; a header counts only from there")
	}
	return nil
}

// Loopback reports whether all listeners can be reached from this machine only, as unix sockets can.
func (s *Serve) Loopback() bool {
	return !slices.ContainsFunc(s.Listen, func(addr string) bool { return !loopback(addr) })
}

func loopback(addr string) bool {
	if isUnix(addr) {
		return true
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// TLS reports whether the listeners use TLS.
func (s *Serve) TLS() bool { return s.TLSSelfSigned || len(s.TLSCert)+len(s.ACMEDomain) > 0 }

func (s *Serve) checkTLS() error {
	switch {
	case s.TLSSelfSigned && len(s.TLSCert)+len(s.TLSKey) > 0:
		return errors.New("tls-self-signed: makes its own certificate, so it cannot be combined with tls-cert and tls-key; remove one or the other")
	case len(s.TLSCert) > len(s.TLSKey):
		return fmt.Errorf("tls-cert: %s has no tls-key; give one for each certificate, in the same order", s.TLSCert[len(s.TLSKey)])
	case len(s.TLSKey) > len(s.TLSCert):
		return fmt.Errorf("tls-key: %s has no tls-cert; give one for each key, in the same order", s.TLSKey[len(s.TLSCert)])
	case len(s.TLSClientCA) > 0 && !s.TLS():
		return errors.New("tls-client-ca: clients show a certificate only to a server with TLS; set tls-cert and tls-key")
	}
	return nil
}

// mostPadding is more than proxies hold back.
const mostPadding = 64 << 10

// checkCookie: browsers drop a cookie with SameSite=None that did not come over https.
func (s *Serve) checkCookie() error {
	switch s.CookieSameSite {
	case "lax", "strict":
		return nil
	case "none":
		if s.TLS() || len(s.TrustedProxy) > 0 {
			return nil
		}
		return errors.New("cookie-same-site: none needs https, or browsers drop the cookie; set tls-cert and tls-key, or trusted-proxy for a proxy that ends TLS")
	}
	return fmt.Errorf("cookie-same-site: must be lax, strict or none, not %q", s.CookieSameSite)
}

func (s *Serve) checkRedirect() error {
	for i, at := range s.RedirectHTTP {
		switch {
		case !isAddress(at):
			return fmt.Errorf("redirect-http: %q is not an address; write HOST:PORT, such as :80, or unix:PATH", at)
		case !s.TLS():
			return errors.New("redirect-http: there is no https to redirect to; set tls-cert and tls-key, or acme-domain")
		case (slices.Contains(s.Listen, at) || slices.Contains(s.RedirectHTTP[:i], at) || at == s.MetricsListen) && !strings.HasSuffix(at, ":0"):
			return fmt.Errorf("redirect-http: %s is given twice, or is also in listen or metrics-listen; choose another port", at)
		}
	}
	return nil
}

func (s *Serve) checkNumbers() error {
	var wrong []error
	for _, n := range []struct {
		name         string
		value, least int64
	}{
		{"max-message", int64(s.MaxMessage), 1},
		{"max-header", int64(s.MaxHeader), 1},
		{"backlog", int64(s.Backlog), 1},
		{"backlog-messages", int64(s.BacklogMessages), 1},
		{"max-channels", int64(s.MaxChannels), 1},
		{"presence-max-list", int64(s.PresenceMaxList), 1},
		{"max-memory", int64(s.MaxMemory), 0},
		{"event-padding", int64(s.EventPadding), 0},
		{"max-connections", int64(s.MaxConnections), 0},
		{"max-connections-per-address", int64(s.MaxConnectionsPerAddress), 0},
		{"history", int64(s.History), 0},
		{"history-bytes", int64(s.HistoryBytes), 1},
	} {
		if n.value < n.least {
			wrong = append(wrong, fmt.Errorf("%s: is %d, but must be at least %d", n.name, n.value, n.least))
		}
	}
	if s.EventPadding > mostPadding {
		wrong = append(wrong, fmt.Errorf("event-padding: is %v, but must be at most %v", s.EventPadding, Bytes(mostPadding)))
	}
	for _, n := range []struct {
		name  string
		value float64
	}{
		{"publish-rate", s.PublishRate},
		{"publish-rate-per-connection", s.PublishRatePerConnection},
		{"rpc-rate", s.RPCRate},
		{"connect-rate", s.ConnectRate},
	} {
		if !(n.value == 0 || n.value >= leastRate && n.value <= mostRate) {
			wrong = append(wrong, fmt.Errorf("%s: is %v, but must be 0 (no limit) or from %v to %.0f a second", n.name, n.value, leastRate, mostRate))
		}
	}
	for _, d := range []struct {
		name  string
		value Duration
	}{
		{"handshake-timeout", s.HandshakeTimeout},
		{"ping-interval", s.PingInterval},
		{"ping-timeout", s.PingTimeout},
		{"event-interval", s.EventInterval},
		{"backlog-age", s.BacklogAge},
		{"presence-grace", s.PresenceGrace},
		{"history-age", s.HistoryAge},
		{"connect-webhook-timeout", s.ConnectWebhookTimeout},
	} {
		// ping-interval = 25 in a file is 25 nanoseconds: the unit was forgotten.
		if time.Duration(d.value) < time.Millisecond {
			wrong = append(wrong, fmt.Errorf(`%s: is %v, but must be at least 1ms; write it with its unit, as in "25s"`, d.name, d.value))
		}
	}
	for _, d := range []struct {
		name  string
		value Duration
	}{{"drain", s.Drain}, {"token-leeway", s.TokenLeeway}} {
		if d.value != 0 && time.Duration(d.value) < time.Millisecond {
			wrong = append(wrong, fmt.Errorf(`%s: is %v, but must be 0s (none) or at least 1ms; write it with its unit, as in "5s"`, d.name, d.value))
		}
	}
	return errors.Join(wrong...)
}

// Rates are from one in a thousand seconds to a number whose burst is still an int.
const leastRate, mostRate = 0.001, 1e6

// checkIdentity checks the options for tokens, keys and webhooks. Keys themselves are
// parsed by package auth.
func (s *Serve) checkIdentity() error {
	var wrong []error
	for name, at := range map[string]string{"token-key-set": s.TokenKeySet, "connect-webhook": s.ConnectWebhook, "rpc-webhook": s.RPCWebhook} {
		if at != "" && !isTrustworthy(at) {
			wrong = append(wrong, fmt.Errorf("%s: must be an https URL, or an http URL on this machine or a private address; over plain http an attacker could change the answer", name))
		}
	}
	for _, h := range s.APIKey {
		if digits, ok := strings.CutPrefix(h, "sha256:"); !ok || len(digits) != 64 || strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
			// The value may be the key itself, so the error does not repeat it.
			wrong = append(wrong, errors.New("api-key: must be sha256: and 64 hexadecimal digits; maru token --api-key prints such a line"))
		}
	}
	return errors.Join(wrong...)
}

// isTrustworthy reports whether an answer from a URL can be trusted: it is https, or the
// host is on this machine or a private network.
func isTrustworthy(at string) bool {
	u, err := url.Parse(at)
	if err != nil || u.Hostname() == "" {
		return false
	}
	ip, _ := netip.ParseAddr(u.Hostname())
	local := strings.EqualFold(u.Hostname(), "localhost") || !strings.Contains(u.Hostname(), ".") || ip.IsLoopback() || ip.IsPrivate()
	return u.Scheme == "https" || u.Scheme == "http" && local
}

func (s *Serve) checkMetrics() error {
	switch at := s.MetricsListen; {
	case at == "":
	case !isAddress(at):
		return fmt.Errorf("metrics-listen: %q is not an address; write HOST:PORT, such as 127.0.0.1:9090, or unix:PATH", at)
	case slices.Contains(s.Listen, at) && !strings.HasSuffix(at, ":0"):
		return fmt.Errorf("metrics-listen: %s is also in listen; choose another port, or remove metrics-listen and read /metrics there with an API key", at)
	}
	return nil
}

func (s *Serve) checkLog() error {
	if s.LogFormat != "text" && s.LogFormat != "json" {
		return fmt.Errorf("log-format: must be text or json, not %q", s.LogFormat)
	}
	return nil
}

func isUnix(addr string) bool { return strings.HasPrefix(addr, "unix:") }

func isAddress(addr string) bool {
	if isUnix(addr) {
		return true // package listen looks at the path
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}
