package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"maru.example/maru"
	"maru.example/maru/internal/config"
)

// announce prints the addresses that can be opened, and how the rules let one use them: nothing
// that it prints is refused.
func (c *serveCmd) announce(w io.Writer, at *opened, certificate *tls.Certificate) error {
	scheme, socket, curl := "http", "ws", "curl"
	if c.TLS() {
		scheme, socket = "https", "wss"
	}
	if c.TLSSelfSigned {
		curl = "curl -k"
	}
	base := strings.TrimSuffix(c.BasePath, "/")
	socketPath := "" // without a path, as short as it can be
	if base != "" {
		socketPath = base + "/"
	}
	hosts, sockets := authorities(at.main), socketFiles(at.main)
	first := "localhost"
	if len(hosts) > 0 {
		first = hosts[0]
	} else {
		scheme, curl = "http", "curl --unix-socket "+sockets[0]
	}

	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintf(t, "maru is running. Press Ctrl-C to stop it.\n\n")
	for _, host := range hosts {
		fmt.Fprintf(t, "  The hall\t%s://%s%s/\n", scheme, host, base)
	}
	for _, name := range c.ACMEDomain {
		fmt.Fprintf(t, "  By name\thttps://%s%s/\n", withPort(name, portOf(at.main)), base)
	}
	for _, path := range sockets {
		fmt.Fprintf(t, "  Unix socket\t%s\n", path)
	}
	if c.Demo && len(hosts) > 0 {
		fmt.Fprintf(t, "  Quotes (sample data)\t%s://%s%s/quotes\n", scheme, first, base)
	}
	hall := c.hall()
	if offer, ok := c.withToken(hall.Subscribe, "", `, ["maru.raw", "maru.token." + token]`); ok && len(hosts) > 0 {
		fmt.Fprintf(t, "  From a program\tnew WebSocket(\"%s://%s%s\"%s)\n", socket, first, socketPath, offer)
	}
	if header, ok := c.withToken(hall.Publish, "", ` -H "Authorization: Bearer $MARU_TOKEN"`); ok {
		fmt.Fprintf(t, "  From a shell\t%s%s -d hello %s://%s%s/\n", curl, header, scheme, first, base)
	}
	if c.TLSSelfSigned {
		fmt.Fprintf(t, "  Certificate\tself-signed, SHA-256 %s\n", fingerprint(certificate))
	}
	for _, host := range authorities(at.plain) {
		fmt.Fprintf(t, "  Plain HTTP\thttp://%s leads to https\n", host)
	}
	for _, host := range authorities(at.status) {
		fmt.Fprintf(t, "  Metrics\thttp://%s/metrics\n", host)
	}
	for _, path := range socketFiles(at.status) {
		fmt.Fprintf(t, "  Metrics\tcurl --unix-socket %s http://localhost/metrics\n", path)
	}
	fmt.Fprintln(t)
	return t.Flush()
}

// hall returns the rules of the hall.
func (c *serveCmd) hall() config.Namespace {
	if c.Namespaces == nil {
		return config.Namespace{Subscribe: maru.Anyone, Publish: maru.Anyone}
	}
	return c.Namespaces[maru.DefaultNamespace]
}

// withToken chooses between the words for everybody and those for holders of a token or key. ok
// reports whether the rule lets in either.
func (c *serveCmd) withToken(rule maru.Rule, everybody, holders string) (words string, ok bool) {
	tokens := len(c.TokenKey) > 0 || c.TokenKeySet != "" || len(c.APIKey) > 0
	switch {
	case rule == maru.Anyone:
		return everybody, true
	case rule == maru.ServerOnly:
		return holders, len(c.APIKey) > 0
	}
	return holders, tokens && rule != maru.Nobody && rule != maru.Own // the hall is nobody's own
}

// authorities are host and port for URLs, without repeats: localhost if both loopback
// addresses are listened on, otherwise the addresses themselves.
func authorities(listeners []net.Listener) []string {
	var bound []netip.AddrPort
	for _, l := range listeners {
		if addr, ok := l.Addr().(*net.TCPAddr); ok {
			at := addr.AddrPort()
			bound = append(bound, netip.AddrPortFrom(at.Addr().Unmap(), at.Port()))
		}
	}
	var hosts []string
	add := func(host string, port uint16) {
		if host = net.JoinHostPort(host, strconv.Itoa(int(port))); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	for _, at := range bound {
		switch addr := at.Addr(); {
		case addr.IsUnspecified():
			add("localhost", at.Port())
			for _, own := range ownAddresses(addr) {
				add(own.String(), at.Port())
			}
		case isLoopback(addr) && slices.ContainsFunc(bound, func(other netip.AddrPort) bool {
			return other.Port() == at.Port() && other.Addr() != addr && isLoopback(other.Addr())
		}):
			add("localhost", at.Port())
		default:
			add(addr.String(), at.Port())
		}
	}
	return hosts
}

// withPort is a name for a URL of https.
func withPort(name string, port int) string {
	if port == 443 {
		return name
	}
	return net.JoinHostPort(name, strconv.Itoa(port))
}

// socketFiles are the paths of the unix sockets.
func socketFiles(listeners []net.Listener) (paths []string) {
	for _, l := range listeners {
		if addr, ok := l.Addr().(*net.UnixAddr); ok {
			paths = append(paths, addr.Name)
		}
	}
	return paths
}

// isLoopback reports whether addr is one of the two that localhost means.
func isLoopback(addr netip.Addr) bool {
	return addr == netip.IPv6Loopback() || addr == netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// ownAddresses are the global addresses at which other machines reach a listener on any;
// for 0.0.0.0 only the IPv4 ones.
func ownAddresses(any netip.Addr) []netip.Addr {
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var own []netip.Addr
	for _, a := range interfaces {
		network, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		addr, ok := netip.AddrFromSlice(network.IP)
		addr = addr.Unmap()
		if ok && addr.IsGlobalUnicast() && (any.Is6() || addr.Is4()) {
			own = append(own, addr)
		}
	}
	return own
}
