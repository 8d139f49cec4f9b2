package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
)

// Name is the public name of the site.
const Name = "example.org"

// ClientAddr is the address from which a Proxy's clients connect. It is not the one from which
// proxies connect to maru.
const ClientAddr = "127.0.0.2"

// A Proxy is a running proxy.
type Proxy struct {
	URL  string // of maru behind it, such as https://example.org:PORT
	Addr string // 127.0.0.1:PORT
	CA   string // file of the certificate that its clients trust

	roots   *x509.CertPool
	command func() *exec.Cmd
	process *program.Process
	forks   bool
}

// site is what a configuration is made of.
type site struct {
	dir             string   // for files; other users may read it
	addr, port      string   // where the proxy listens
	maru            string   // HOST:PORT
	checks          bool     // with the health check of the page
	changes         []string // of the snippet: pairs of old and new
	cert, key, both string   // files
	roots           *x509.CertPool
}

// Start starts a proxy before the maru at the address, until the test ends. The names are those of
// Debian and NPM.
func Start(t testing.TB, name, maru string) *Proxy { return start(t, name, &site{maru: maru}) }

// StartWithChecks starts it with the health check of the page.
func StartWithChecks(t testing.TB, name, maru string) *Proxy {
	return start(t, name, &site{maru: maru, checks: true})
}

// StartChanged starts nginx or haproxy with changes of the snippet, as pairs of old and new.
func StartChanged(t testing.TB, name, maru string, changes ...string) *Proxy {
	return start(t, name, &site{maru: maru, changes: changes})
}

func start(t testing.TB, name string, s *site) *Proxy {
	t.Helper()
	k, ok := kinds[name]
	if !ok {
		t.Fatalf("no proxy is called %q", name)
	}
	path, err := find(k.program)
	if err == nil && k.program == "node" {
		_, err = os.Stat("node_modules") // beside node.js
	}
	if err != nil {
		t.Skip(name + " is not installed: scripts/install.sh")
	}
	s.open(t)
	p := &Proxy{Addr: s.addr, CA: s.cert, roots: s.roots, forks: k.forks}
	args := k.configure(t, s)
	p.command = func() *exec.Cmd {
		cmd := exec.Command(path, args...)
		cmd.Env = append(os.Environ(), "HOME="+s.dir, "XDG_CONFIG_HOME="+s.dir, "XDG_DATA_HOME="+s.dir)
		return cmd
	}
	p.process = program.StartCommand(t, p.command())
	if k.announces {
		words := strings.Fields(p.process.Stdout.Await(t, "port "))
		p.Addr = net.JoinHostPort("127.0.0.1", words[len(words)-1])
	}
	program.AwaitPort(t, p.process, p.Addr)
	host := Name
	if k.local {
		host = "localhost"
	}
	_, port, err := net.SplitHostPort(p.Addr)
	must(t, err)
	p.URL = map[bool]string{false: "http://", true: "https://"}[k.secure] + net.JoinHostPort(host, port) + k.prefix
	return p
}

// Stop ends the proxy at once, and all connections through it.
func (p *Proxy) Stop(t testing.TB) {
	t.Helper()
	if p.forks {
		p.process.Stop(t) // killed, it would leave its workers behind
	} else {
		p.process.Kill(t)
	}
}

// Restart starts a proxy of Debian again, at its address, after Stop.
func (p *Proxy) Restart(t testing.TB) {
	t.Helper()
	p.process = program.StartCommand(t, p.command())
	program.AwaitPort(t, p.process, p.Addr)
}

// find looks where programs for administrators are, too.
func find(name string) (string, error) {
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		return exec.LookPath(filepath.Join("/usr/sbin", name))
	}
	return path, err
}

// open makes the directory and the certificate, and finds a free port.
func (s *site) open(t testing.TB) {
	t.Helper()
	var err error
	s.dir, err = os.MkdirTemp("", "maru-proxy-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(s.dir) })
	must(t, os.Chmod(s.dir, 0o755)) // workers of proxies run as another user
	s.addr = program.FreeAddr(t)
	_, s.port, err = net.SplitHostPort(s.addr)
	must(t, err)
	s.certificate(t)
}

// write writes a file of the configuration and returns its path.
func (s *site) write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	must(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// Dial connects to the proxy, whatever the address is, from ClientAddr.
func (p *Proxy) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ClientAddr)}}
	return d.DialContext(ctx, network, p.Addr)
}

// TLS trusts the proxy's certificate.
func (p *Proxy) TLS() *tls.Config { return &tls.Config{RootCAs: p.roots} }

// Client is a client with connections of its own, over HTTP/2 where the proxy has it, or over
// HTTP/1.1 only.
func (p *Proxy) Client(t testing.TB, http1 bool) *http.Client {
	transport := &http.Transport{
		TLSClientConfig: p.TLS(), DialContext: p.Dial, Protocols: new(http.Protocols),
		DisableCompression: true, IdleConnTimeout: time.Minute,
	}
	transport.Protocols.SetHTTP1(true)
	transport.Protocols.SetHTTP2(!http1)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
