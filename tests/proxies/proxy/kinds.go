package proxy

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

// Debian and NPM are the names of the proxies that are installed from there.
var (
	Debian = []string{"nginx", "haproxy", "haproxy-tcp", "caddy", "apache", "varnish"}
	NPM    = []string{"http-proxy", "express", "webpack-dev-server"}
)

// Options are those of maru that only one proxy needs.
var Options = map[string][]string{"haproxy-tcp": {"--proxy-protocol"}}

// kind is a kind of proxy.
type kind struct {
	program   string
	secure    bool   // with TLS
	local     bool   // a development server, by the name localhost
	forks     bool   // works in processes of its own, which a signal ends
	announces bool   // chooses its port itself, and prints it
	prefix    string // of maru's addresses
	// configure writes the configuration and returns the arguments of the program.
	configure func(t testing.TB, s *site) []string
}

var kinds = map[string]kind{
	"nginx":              {program: "nginx", secure: true, forks: true, configure: nginx},
	"haproxy":            {program: "haproxy", secure: true, configure: haproxy},
	"haproxy-tcp":        {program: "haproxy", secure: true, configure: haproxyTCP}, // to a maru with --proxy-protocol
	"caddy":              {program: "caddy", secure: true, configure: caddy},
	"apache":             {program: "apache2", secure: true, configure: apache},
	"varnish":            {program: "varnishd", forks: true, configure: varnish},
	"http-proxy":         {program: "node", secure: true, announces: true, configure: node("http-proxy")},
	"express":            {program: "node", local: true, announces: true, configure: node("express")},
	"webpack-dev-server": {program: "node", local: true, announces: true, prefix: "/live", configure: node("webpack-dev-server")},
}

const upstream = "127.0.0.1:3000" // on the page

func nginx(t testing.TB, s *site) []string {
	server := fill(t, fill(t, Snippets(t, "nginx")[0], s.changes...), "listen 443", "listen "+s.addr, upstream, s.maru,
		"/etc/ssl/example.org.pem", s.cert, "/etc/ssl/example.org.key", s.key)
	user := ""
	if os.Getuid() == 0 {
		user = "user root;" // the workers read temporary directories
	}
	file := s.write(t, "nginx.conf", fmt.Sprintf(`%[1]s daemon off; pid %[2]s/pid; error_log stderr;
events {}
http {
access_log off; gzip on; gzip_types *; gzip_proxied any; gzip_min_length 1;
client_body_temp_path %[2]s/b; proxy_temp_path %[2]s/p; fastcgi_temp_path %[2]s/f; uwsgi_temp_path %[2]s/u; scgi_temp_path %[2]s/s;
%[3]s
}
`, user, s.dir, server))
	return []string{"-p", s.dir, "-c", file, "-e", "stderr"}
}

func haproxy(t testing.TB, s *site) []string {
	text := fill(t, fill(t, Snippets(t, "haproxy")[0], s.changes...), "bind :443", "bind "+s.addr, "/etc/haproxy/example.org.pem", s.both,
		"  mode http\n", "  mode http\n  compression algo gzip\n  compression type text/event-stream text/html text/plain application/json\n")
	if s.checks {
		text = fill(t, text, "  server maru "+upstream+"\n", Snippets(t, "Health checks")[0])
	}
	return []string{"-db", "-f", s.write(t, "haproxy.cfg", "global\n  maxconn 1000\n"+fill(t, text, upstream, s.maru))}
}

func haproxyTCP(t testing.TB, s *site) []string {
	text := fill(t, Snippets(t, "The PROXY protocol")[0], "bind :443", "bind "+s.addr, "/etc/haproxy/example.org.pem", s.both, upstream, s.maru)
	return []string{"-db", "-f", s.write(t, "haproxy.cfg", "global\n  maxconn 1000\n"+text)}
}

func caddy(t testing.TB, s *site) []string {
	text := Snippets(t, "Caddy")[0]
	if s.checks {
		text = fill(t, text, upstream+" {\n", upstream+" {\n"+Snippets(t, "Health checks")[1])
	}
	text = fill(t, text, "example.org {\n", fmt.Sprintf("https://example.org:%s {\n  bind 127.0.0.1\n  tls %s %s\n", s.port, s.cert, s.key), upstream, s.maru)
	file := s.write(t, "Caddyfile", "{\n  admin off\n  auto_https off\n  grace_period 1s\n  servers {\n    protocols h1 h2\n  }\n}\n"+text)
	return []string{"run", "--config", file, "--adapter", "caddyfile"}
}

func apache(t testing.TB, s *site) []string {
	blocks := Snippets(t, "Apache")
	away := s.write(t, "maru-away.asis", blocks[1])
	host := fill(t, blocks[0], "*:443", s.addr, upstream, s.maru, "/etc/apache2/maru-away.asis", away,
		"/etc/ssl/example.org.pem", s.cert, "/etc/ssl/example.org.key", s.key,
		"ProxyPreserveHost On\n", "ProxyPreserveHost On\n  SetOutputFilter DEFLATE\n")
	var modules strings.Builder
	for _, name := range []string{"mpm_event", "authz_core", "alias", "filter", "deflate", "proxy", "proxy_http", "headers", "ssl", "http2", "asis"} {
		fmt.Fprintf(&modules, "LoadModule %[1]s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", name)
	}
	file := s.write(t, "apache.conf", fmt.Sprintf("ServerRoot %[1]s\nPidFile %[1]s/pid\nErrorLog /dev/stderr\nServerName %[2]s\n%[3]sListen %[4]s\nThreadsPerChild 64\nMaxRequestWorkers 64\n%[5]s",
		s.dir, Name, modules.String(), s.addr, host))
	return []string{"-X", "-f", file} // in one process, which ends by a signal
}

func varnish(t testing.TB, s *site) []string {
	text := Snippets(t, "Varnish")[0]
	host, port, err := net.SplitHostPort(s.maru)
	must(t, err)
	was := `.host = "127.0.0.1"; .port = "3000";`
	now := fmt.Sprintf(`.host = %q; .port = %q;`, host, port)
	if s.checks {
		now += "\n" + Snippets(t, "Health checks")[2]
	}
	return []string{"-j", "none", "-F", "-n", s.dir + "/work", "-a", s.addr, "-f", s.write(t, "maru.vcl", fill(t, text, was, now))}
}

func node(name string) func(t testing.TB, s *site) []string {
	return func(t testing.TB, s *site) []string {
		snippet := fill(t, Snippets(t, "Node.js")[0], upstream, s.maru)
		return []string{"node.js", name, "http://" + s.maru, s.cert, s.key, snippet}
	}
}
