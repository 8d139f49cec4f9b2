package proxyproto

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Header is what a proxy says about a connection.
type Header struct {
	// Source and Destination are the two ends of the client's connection to the proxy. Both
	// are zero if the proxy speaks for itself, as in a health check, or if the client has no
	// IP address. The connection's own addresses count then.
	Source, Destination netip.AddrPort
	// TLS says that the client's connection to the proxy uses TLS. Only version 2 can say so.
	TLS bool
}

const (
	begin1 = "PROXY "
	begin2 = "\r\n\r\n\x00\r\nQUIT\n"

	mostLine = 107     // §2.1: the longest line of version 1, with its end
	mostBody = 4 << 10 // of version 2: addresses have 216 bytes, the rest is extensions

	// MaxBytes is the most bytes that a header has.
	MaxBytes = len(begin2) + 4 + mostBody
)

// ErrNone is the error for a connection that does not begin with a header.
var ErrNone = errors.New("the connection does not begin with a PROXY header")

// Parse reads the header at the beginning of b. n is its length; 0, without an error, means that
// more bytes are needed. Any other error than ErrNone says what is malformed.
func Parse(b []byte) (h Header, n int, err error) {
	switch {
	case bytes.HasPrefix(b, []byte(begin1)):
		return parseLine(b)
	case bytes.HasPrefix(b, []byte(begin2)):
		return parseBinary(b)
	case strings.HasPrefix(begin1, string(b)), strings.HasPrefix(begin2, string(b)):
		return Header{}, 0, nil
	}
	return Header{}, 0, ErrNone
}

// parseLine reads version 1.
func parseLine(b []byte) (h Header, n int, err error) {
	line, _, ended := bytes.Cut(b[:min(len(b), mostLine)], []byte("\r\n"))
	switch {
	case !ended && len(b) >= mostLine:
		return h, 0, fmt.Errorf("the PROXY line does not end within %d bytes", mostLine)
	case !ended:
		return h, 0, nil
	}
	n = len(line) + len("\r\n")
	fields := strings.Split(string(line), " ")
	if fields[1] == "UNKNOWN" { // §2.1: the rest of the line is ignored
		return h, n, nil
	}
	if len(fields) != 6 || fields[1] != "TCP4" && fields[1] != "TCP6" {
		return h, 0, errors.New("the PROXY line is not PROXY UNKNOWN, or PROXY TCP4 or TCP6 with two addresses and two ports")
	}
	var okSource, okDestination bool
	h.Source, okSource = parseAddrPort(fields[1] == "TCP4", fields[2], fields[4])
	h.Destination, okDestination = parseAddrPort(fields[1] == "TCP4", fields[3], fields[5])
	if !okSource || !okDestination {
		return Header{}, 0, errors.New("the PROXY line has a malformed address or port, or one of another family")
	}
	return h, n, nil
}

func parseAddrPort(is4 bool, addr, port string) (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(addr)
	p, portErr := strconv.ParseUint(port, 10, 16)
	ok := err == nil && portErr == nil && a.Is4() == is4 && a.Zone() == "" && strconv.FormatUint(p, 10) == port
	return netip.AddrPortFrom(a, uint16(p)), ok
}
