package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"maru.example/maru"
	"maru.example/maru/internal/listen"
)

// remote is the server that the commands for clients connect to.
type remote struct {
	Server     string `default:"${server}" placeholder:"URL" help:"The server (default http://localhost:3000, or MARU_SERVER); ws://… for any WebSocket server, unix:PATH for a socket."`
	CA         string `name:"ca" placeholder:"FILE" help:"Trust this certificate (PEM) in addition to the system's."`
	Token      string `placeholder:"TOKEN" help:"Token or API key to send (better in MARU_TOKEN, which a list of processes does not show)."`
	ClientCert string `placeholder:"FILE" help:"Certificate in PEM to show to a server with --tls-client-ca."`
	ClientKey  string `placeholder:"FILE" help:"Private key of the certificate, in PEM."`
	Insecure   bool   `help:"Trust any certificate; for a server with a self-signed certificate on your own machine."`

	token string // of the environment
}

func serverURL(s *surroundings) string {
	if server := s.getenv("MARU_SERVER"); server != "" {
		return server
	}
	return "http://localhost:3000"
}

// base is the server's address for HTTP, without a slash at the end.
func (r *remote) base() (string, error) {
	if path, isUnix := listen.UnixPath(r.Server); isUnix {
		if err := listen.Check(r.Server); err != nil {
			return "", usagef("--server %s: %w", path, err)
		}
		return "http://localhost", nil // which every server answers for
	}
	u, err := url.Parse(r.Server)
	if err != nil || !slices.Contains([]string{"http", "https", "ws", "wss"}, u.Scheme) || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return "", usagef("--server: must be a URL such as http://localhost:3000, not %q", r.Server)
	}
	u.Scheme = strings.Replace(u.Scheme, "ws", "http", 1)
	return strings.TrimRight(u.String(), "/"), nil
}

// channelURL is the channel's address (docs/contract.md §1).
func (r *remote) channelURL(channel string) (string, error) {
	if err := maru.CheckChannel(channel); err != nil {
		return "", usageError{err}
	}
	base, err := r.base()
	return base + "/channels/" + url.PathEscape(channel), err
}

// client is an HTTP client with the certificates and token of the flags.
func (r *remote) client() (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone() // with the proxy of the environment
	transport.OnProxyConnectResponse = proxyAnswered
	if dial := r.dialUnix(); dial != nil {
		transport.DialContext, transport.Proxy = dial, nil
	}
	var err error
	if transport.TLSClientConfig, err = r.tls(); err != nil {
		return nil, err
	}
	base, err := r.base()
	if err != nil {
		return nil, err
	}
	server, err := url.Parse(base)
	if err != nil {
		return nil, usagef("--server: %w", err)
	}
	return &http.Client{Transport: &bearer{transport, server.Scheme, server.Host, r.bearer()}}, nil
}

// dialUnix connects to the unix socket of --server; nil for a URL.
func (r *remote) dialUnix() func(ctx context.Context, network, address string) (net.Conn, error) {
	path, isUnix := listen.UnixPath(r.Server)
	if !isUnix {
		return nil
	}
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
}

// tls is the configuration with the certificates of the flags.
func (r *remote) tls() (*tls.Config, error) {
	config := &tls.Config{InsecureSkipVerify: r.Insecure}
	if (r.ClientCert == "") != (r.ClientKey == "") {
		return nil, usagef("--client-cert and --client-key belong together: give both")
	}
	if r.ClientCert != "" {
		pair, err := tls.LoadX509KeyPair(r.ClientCert, r.ClientKey)
		if err != nil {
			return nil, usagef("--client-cert %q with --client-key %q: %w", r.ClientCert, r.ClientKey, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if r.CA == "" {
		return config, nil
	}
	pem, err := os.ReadFile(r.CA)
	if err != nil {
		return nil, usagef("--ca: %w", err)
	}
	if config.RootCAs, err = x509.SystemCertPool(); err != nil {
		config.RootCAs = x509.NewCertPool()
	}
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, usagef("--ca: %s has no certificate in PEM", r.CA)
	}
	return config, nil
}

// bearer is the token to send, or "".
func (r *remote) bearer() string { return cmp.Or(r.Token, r.token) }

// BeforeResolve reads the token from the environment.
func (r *remote) BeforeResolve(s *surroundings) error {
	r.token = s.getenv("MARU_TOKEN")
	return nil
}

// bearer is a transport that sends a token, if there is one, to one server, and not to servers
// that it redirects to.
type bearer struct {
	*http.Transport
	scheme, host, token string
}

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" && r.URL.Scheme == b.scheme && r.URL.Host == b.host {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	resp, err := b.Transport.RoundTrip(r)
	if err != nil {
		return nil, advised(err)
	}
	return resp, nil
}

// refusal is an answer with an error.
type refusal struct {
	status  int
	problem error
}

func (e *refusal) Error() string { return e.problem.Error() }
func (e *refusal) Unwrap() error { return e.problem }

// temporary reports whether the same request may succeed later.
func (e *refusal) temporary() bool {
	return e.status >= 500 || e.status == http.StatusRequestTimeout || e.status == http.StatusTooManyRequests
}

// refused reads the error in an answer (docs/contract.md §3). An answer that is not maru's
// is reported by its status.
func refused(resp *http.Response) error {
	var body struct {
		Error struct {
			Code    maru.Code `json:"code"`
			Message string    `json:"message"`
		} `json:"error"`
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	err := json.Unmarshal(text, &body)
	if needsTLS(resp.StatusCode, text) {
		return &refusal{resp.StatusCode, fmt.Errorf("%s: %w", resp.Request.URL.Redacted(), errNeedsTLS)}
	}
	if err != nil || body.Error.Code == "" {
		if err := byProxy(resp); err != nil {
			return err
		}
		return &refusal{resp.StatusCode, fmt.Errorf("%s: answered %s, without an error of maru's (is it a maru server?)", resp.Request.URL.Redacted(), resp.Status)}
	}
	return &refusal{resp.StatusCode, maru.NewError(body.Error.Code, body.Error.Message)}
}
