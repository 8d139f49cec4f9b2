package acme

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru/internal/acme"
	"maru.example/maru/server"
)

const name = "push.example.com"

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

func listener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// closed is a port at which nobody listens.
func closed(t *testing.T) int {
	t.Helper()
	l := listener(t)
	defer l.Close()
	return port(l)
}

// Either way of checking a name works at maru's own listeners, and a certificate is renewed in time
// while the server runs (issue 15 §10).
func TestObtainAndRenew(t *testing.T) {
	t.Parallel()
	for way, tt := range map[string]struct {
		name          string // certmagic has one table of challenges for the whole process, by name
		byTLS, byHTTP bool
	}{
		"TLS-ALPN-01": {name: "tls." + name, byTLS: true},
		"HTTP-01":     {name: "plain." + name, byHTTP: true},
	} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			secure, plain := listener(t), listener(t)
			o := acme.Options{Domains: []string{tt.name}, Email: "operator@example.com", Storage: t.TempDir(), Log: slog.New(slog.NewTextHandler(t.Output(), nil)), CheckEvery: 500 * time.Millisecond}
			tlsPort, httpPort := closed(t), closed(t)
			if tt.byTLS {
				o.TLSPort, tlsPort = port(secure), port(secure)
			}
			if tt.byHTTP {
				o.HTTPPort, httpPort = port(plain), port(plain)
			}
			ca := newAuthority(t, tlsPort, httpPort, 9*time.Second)
			o.Directory = ca.url
			m, err := acme.New(o)
			if err != nil {
				t.Fatal(err)
			}
			live, err := server.New(server.Options{Open: true, TLSConfig: m.TLSConfig(), TLSLeaves: m.Leaves})
			if err != nil {
				t.Fatal(err)
			}
			redirect := &http.Server{Handler: m.Handler(server.RedirectHTTP(port(secure)))}
			var serving sync.WaitGroup
			serving.Go(func() { live.Serve(secure) })
			serving.Go(func() { redirect.Serve(plain) })
			defer serving.Wait()
			defer func() {
				m.Stop()
				redirect.Close()
				live.Shutdown(context.Background())
			}()
			if err := m.Start(); err != nil {
				t.Fatal(err)
			}
			first := ca.served(t, secure.Addr().String(), tt.name, nil)
			if all := m.Leaves(); len(all) == 0 || all[0].DNSNames[0] != tt.name {
				t.Errorf("certificates %v", all)
			}
			renewed := ca.served(t, secure.Addr().String(), tt.name, first)
			if !renewed.NotAfter.After(first.NotAfter) {
				t.Errorf("renewed until %v, before until %v", renewed.NotAfter, first.NotAfter)
			}
		})
	}
}

// output is what a program has printed.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// maru runs the program until stop is called.
func maru(t *testing.T, args ...string) (out *output, stop func()) {
	t.Helper()
	out = new(output)
	cmd := exec.Command(maruPath, append([]string{"serve"}, args...)...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Cleanup(stop)
	return out, stop
}

// The program obtains a certificate, says when it ends, and needs no second one after a restart.
func TestProgram(t *testing.T) {
	t.Parallel()
	secure, plain := listener(t), listener(t)
	at, httpAt := secure.Addr().String(), plain.Addr().String()
	ca := newAuthority(t, port(secure), port(plain), time.Hour)
	secure.Close()
	plain.Close()
	storage := filepath.Join(t.TempDir(), "acme")
	flags := []string{"--listen", at, "--redirect-http", httpAt, "--acme-domain", name, "--acme-email", "operator@example.com",
		"--acme-directory", ca.url, "--acme-storage", storage}
	_, stop := maru(t, flags...)
	first := ca.served(t, at, name, nil)
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: ca.client(name),
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, at)
		},
	}}
	answer, err := client.Get("https://" + name + "/metrics") // the name is one of the server's
	if err != nil {
		t.Fatal(err)
	}
	page, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	client.CloseIdleConnections()
	if !regexp.MustCompile(`(?m)^maru_certificate_expiry_timestamp_seconds\{certificate="` + name + `"\} \d`).Match(page) {
		t.Errorf("%s: the metrics do not have the end of the certificate", answer.Status)
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Transport = http.DefaultTransport
	if answer, err = client.Get("http://" + httpAt + "/.well-known/acme-challenge/unknown"); err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusPermanentRedirect {
		t.Errorf("a challenge of somebody else: %s", answer.Status)
	}
	stop()

	if n := ca.orders.Load(); n != 1 {
		t.Errorf("%d orders for one certificate", n)
	}
	_, stop = maru(t, flags...)
	again := ca.served(t, at, name, nil)
	if !again.Equal(first) || ca.orders.Load() != 1 {
		t.Errorf("after a restart there were %d orders", ca.orders.Load())
	}
	stop()
	if info, err := os.Stat(storage); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the storage: %v, %v", info.Mode(), err)
	}
}

// A name that the authority cannot reach is reported in the log, and the server goes on.
func TestUnreachableName(t *testing.T) {
	t.Parallel()
	l := listener(t)
	at := l.Addr().String()
	l.Close()
	ca := newAuthority(t, closed(t), closed(t), time.Hour)
	out, stop := maru(t, "--listen", at, "--acme-domain", name, "--acme-directory", ca.url, "--acme-storage", t.TempDir())
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(out.String(), "level=ERROR"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no error in the log:\n%s", out)
		}
	}
	if !strings.Contains(out.String(), name) {
		t.Errorf("the name is not in the log:\n%s", out)
	}
	stop()
}

func TestUnusableOptions(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for what, o := range map[string]acme.Options{
		"no port":           {Storage: t.TempDir()},
		"a file as storage": {Storage: file, TLSPort: 443},
		"a file above it":   {Storage: filepath.Join(file, "acme"), TLSPort: 443},
	} {
		o.Domains, o.Log = []string{name}, slog.New(slog.DiscardHandler)
		if m, err := acme.New(o); err == nil || errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", what, err)
			m.Stop()
		}
	}
}
