package proxyproto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// The header of version 2 (§2.2), behind its 12 bytes of signature:
//
//	version, 4 bits | command, 4 bits
//	family, 4 bits | protocol, 4 bits
//	length of the rest, 16 bits
//	two addresses, two ports; then extensions: type, length in 16 bits, value
const (
	local  = 0x20 // version 2, the proxy speaks for itself
	proxy  = 0x21
	unspec = 0x00
	tcp4   = 0x11
	tcp6   = 0x21
	unix   = 0x31

	extensionTLS = 0x20 // PP2_TYPE_SSL
	clientTLS    = 0x01 // PP2_CLIENT_SSL, a bit of its first byte
)

// parseBinary reads version 2.
func parseBinary(b []byte) (h Header, n int, err error) {
	rest := b[len(begin2):]
	if len(rest) < 4 {
		return h, 0, nil
	}
	command, family, length := rest[0], rest[1], int(binary.BigEndian.Uint16(rest[2:]))
	if command != local && command != proxy {
		return h, 0, fmt.Errorf("the PROXY header has version and command %#02x, which are neither 0x20 (local) nor 0x21 (proxy)", command)
	}
	if length > mostBody {
		return h, 0, fmt.Errorf("the PROXY header has %d bytes behind its length (limit %d)", length, mostBody)
	}
	if len(rest) < 4+length {
		return h, 0, nil
	}
	n = len(begin2) + 4 + length
	if command == local { // §2.2: the addresses are ignored
		return h, n, nil
	}
	body := rest[4 : n-len(begin2)]
	size, ok := map[byte]int{unspec: 0, tcp4: 2*4 + 4, tcp6: 2*16 + 4, unix: 2 * 108}[family]
	if !ok {
		return h, 0, fmt.Errorf("the PROXY header has family and protocol %#02x, which are not those of a connection", family)
	}
	if len(body) < size {
		return h, 0, fmt.Errorf("the PROXY header has %d bytes of addresses, and needs %d", len(body), size)
	}
	if family == tcp4 || family == tcp6 {
		h.Source, h.Destination = addrPorts(body[:size])
	}
	if h.TLS, err = usesTLS(body[size:]); err != nil {
		return Header{}, 0, err
	}
	return h, n, nil
}

// addrPorts reads two addresses and two ports.
func addrPorts(b []byte) (source, destination netip.AddrPort) {
	size := (len(b) - 4) / 2
	from, _ := netip.AddrFromSlice(b[:size])
	to, _ := netip.AddrFromSlice(b[size : 2*size])
	ports := b[2*size:]
	return netip.AddrPortFrom(from, binary.BigEndian.Uint16(ports)), netip.AddrPortFrom(to, binary.BigEndian.Uint16(ports[2:]))
}

// usesTLS reads the extensions, and looks for the one about TLS (§2.2.6).
func usesTLS(b []byte) (tls bool, err error) {
	for len(b) > 0 {
		if len(b) < 3 || len(b) < 3+int(binary.BigEndian.Uint16(b[1:])) {
			return false, errors.New("the PROXY header ends within an extension")
		}
		kind, value := b[0], b[3:3+binary.BigEndian.Uint16(b[1:])]
		if kind == extensionTLS && len(value) > 0 {
			tls = value[0]&clientTLS != 0
		}
		b = b[3+len(value):]
	}
	return tls, nil
}
