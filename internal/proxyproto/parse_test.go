package proxyproto_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"maru.example/maru/internal/proxyproto"
)

const signature = "\r\n\r\n\x00\r\nQUIT\n"

// v2 is a header of version 2.
func v2(command, family byte, body string) string {
	b := append([]byte(signature), command, family)
	return string(binary.BigEndian.AppendUint16(b, uint16(len(body)))) + body
}

func extension(kind byte, value string) string {
	return string(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(value)))) + value
}

const (
	body4 = "\xcb\x00\x71\x09\xc0\x00\x02\x01\xc3\x50\x01\xbb" // 203.0.113.9:50000 to 192.0.2.1:443
	tls   = "\x01\x00\x00\x00\x00"                             // the client uses TLS, with a valid certificate or none
)

var body6 = string(netip.MustParseAddr("2001:db8::9").AsSlice()) + string(netip.MustParseAddr("2001:db8::1").AsSlice()) + "\xc3\x50\x01\xbb"

func header(source, destination string, tls bool) proxyproto.Header {
	return proxyproto.Header{Source: netip.MustParseAddrPort(source), Destination: netip.MustParseAddrPort(destination), TLS: tls}
}

var good = map[string]struct {
	header string
	want   proxyproto.Header
}{
	"TCP4":             {"PROXY TCP4 203.0.113.9 192.0.2.1 50000 443\r\n", header("203.0.113.9:50000", "192.0.2.1:443", false)},
	"TCP6":             {"PROXY TCP6 2001:db8::9 2001:db8::1 50000 443\r\n", header("[2001:db8::9]:50000", "[2001:db8::1]:443", false)},
	"TCP6, mapped":     {"PROXY TCP6 ::ffff:203.0.113.9 ::1 0 65535\r\n", header("[::ffff:203.0.113.9]:0", "[::1]:65535", false)},
	"UNKNOWN":          {"PROXY UNKNOWN\r\n", proxyproto.Header{}},
	"UNKNOWN and more": {"PROXY UNKNOWN ffff::ffff ffff::ffff 65535 65535\r\n", proxyproto.Header{}},
	"the longest line": {"PROXY UNKNOWN " + strings.Repeat("x", 107-16) + "\r\n", proxyproto.Header{}},

	"2: TCP4":               {v2(0x21, 0x11, body4), header("203.0.113.9:50000", "192.0.2.1:443", false)},
	"2: TCP6":               {v2(0x21, 0x21, body6), header("[2001:db8::9]:50000", "[2001:db8::1]:443", false)},
	"2: LOCAL":              {v2(0x20, 0x00, ""), proxyproto.Header{}},
	"2: LOCAL, addresses":   {v2(0x20, 0x11, body4), proxyproto.Header{}},
	"2: LOCAL, what is not": {v2(0x20, 0xff, "x"), proxyproto.Header{}},
	"2: UNSPEC":             {v2(0x21, 0x00, ""), proxyproto.Header{}},
	"2: a unix socket":      {v2(0x21, 0x31, strings.Repeat("\x00", 216)), proxyproto.Header{}},
	"2: TLS":                {v2(0x21, 0x11, body4+extension(0x01, "h2")+extension(0x20, tls+extension(0x21, "TLSv1.3"))), header("203.0.113.9:50000", "192.0.2.1:443", true)},
	"2: no TLS":             {v2(0x21, 0x11, body4+extension(0x20, "\x00\x00\x00\x00\x01")+extension(0x04, "")), header("203.0.113.9:50000", "192.0.2.1:443", false)},
	"2: TLS, of nobody":     {v2(0x21, 0x00, extension(0x20, tls)), proxyproto.Header{TLS: true}},
	"2: the longest":        {v2(0x21, 0x11, body4+extension(0xe0, strings.Repeat("x", 4096-15))), header("203.0.113.9:50000", "192.0.2.1:443", false)},
}

var bad = map[string]string{
	"a request":           "GET / HTTP/1.1\r\n",
	"TLS":                 "\x16\x03\x01",
	"almost 1":            "PROXYTCP4",
	"almost 2":            "\r\n\r\n\x00\r\nQUIT\r",
	"lower case":          "PROXY tcp4 203.0.113.9 192.0.2.1 50000 443\r\n",
	"UDP":                 "PROXY UDP4 203.0.113.9 192.0.2.1 50000 443\r\n",
	"nothing":             "PROXY \r\n",
	"a port is missing":   "PROXY TCP4 203.0.113.9 192.0.2.1 50000\r\n",
	"one field more":      "PROXY TCP4 203.0.113.9 192.0.2.1 50000 443 x\r\n",
	"two spaces":          "PROXY TCP4  203.0.113.9 192.0.2.1 50000 443\r\n",
	"a name":              "PROXY TCP4 example.org 192.0.2.1 50000 443\r\n",
	"another family":      "PROXY TCP4 2001:db8::9 2001:db8::1 50000 443\r\n",
	"another family, 6":   "PROXY TCP6 203.0.113.9 192.0.2.1 50000 443\r\n",
	"a zone":              "PROXY TCP6 fe80::9%eth0 fe80::1 50000 443\r\n",
	"a port too high":     "PROXY TCP4 203.0.113.9 192.0.2.1 50000 65536\r\n",
	"a leading zero":      "PROXY TCP4 203.0.113.9 192.0.2.1 050000 443\r\n",
	"a sign":              "PROXY TCP4 203.0.113.9 192.0.2.1 +50000 443\r\n",
	"LF alone":            "PROXY TCP4 203.0.113.9 192.0.2.1 50000 443\n" + strings.Repeat("x", 100),
	"a line without end":  "PROXY UNKNOWN " + strings.Repeat("x", 107-15) + "\r\n",
	"2: version 1":        v2(0x11, 0x11, body4),
	"2: another command":  v2(0x22, 0x11, body4),
	"2: UDP":              v2(0x21, 0x12, body4),
	"2: another family":   v2(0x21, 0x41, body4),
	"2: too short":        v2(0x21, 0x11, body4[:11]),
	"2: too short for 6":  v2(0x21, 0x21, body6[:35]),
	"2: too long":         v2(0x21, 0x11, body4+strings.Repeat("\x00", 4096)),
	"2: half a type":      v2(0x21, 0x11, body4+"\x20"),
	"2: half a value":     v2(0x21, 0x11, body4+extension(0x20, tls)[:7]),
	"2: a wrong length":   v2(0x21, 0x00, "\x20\xff\xff"),
	"2: too long, LOCAL":  v2(0x20, 0x00, strings.Repeat("\x00", 4097)),
	"2: what ends in one": v2(0x21, 0x00, extension(0x04, "")+"\x04\x00"),
}

func TestParse(t *testing.T) {
	t.Parallel()
	for name, c := range good {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for end := range len(c.header) {
				if h, n, err := proxyproto.Parse([]byte(c.header[:end])); n != 0 || err != nil || h != (proxyproto.Header{}) {
					t.Fatalf("%d bytes: %+v, %d, %v; want more", end, h, n, err)
				}
			}
			got, n, err := proxyproto.Parse([]byte(c.header + "GET /"))
			if err != nil || n != len(c.header) || got != c.want || n > proxyproto.MaxBytes {
				t.Errorf("%+v, %d, %v; want %+v, %d", got, n, err, c.want, len(c.header))
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, b := range bad {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if h, n, err := proxyproto.Parse([]byte(b)); err == nil || n != 0 || h != (proxyproto.Header{}) {
				t.Errorf("%+v, %d, %v", h, n, err)
			}
		})
	}
	for _, none := range []string{bad["a request"], bad["TLS"], bad["almost 1"], bad["almost 2"]} {
		if _, _, err := proxyproto.Parse([]byte(none)); !errors.Is(err, proxyproto.ErrNone) {
			t.Errorf("%q: %v, want ErrNone", none, err)
		}
	}
}

func TestMark(t *testing.T) {
	t.Parallel()
	if ctx := context.Background(); proxyproto.TLS(ctx) || !proxyproto.TLS(proxyproto.WithTLS(ctx)) {
		t.Error("the mark is lost")
	}
}

// Any split of the input gives the same header at the same place, or the same error, and no header
// is longer than MaxBytes.
func FuzzParse(f *testing.F) {
	for _, c := range good {
		f.Add([]byte(c.header + "GET / HTTP/1.1\r\n"))
	}
	for _, b := range bad {
		f.Add([]byte(b))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, n, err := proxyproto.Parse(b)
		if n > proxyproto.MaxBytes || n > len(b) || n > 0 && err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
		if n == 0 && err == nil && len(b) >= proxyproto.MaxBytes {
			t.Fatal("it wants more than MaxBytes")
		}
		if whole.Source.IsValid() != whole.Destination.IsValid() || whole.Source.Addr().Zone() != "" {
			t.Errorf("%+v", whole)
		}
		for end := range min(len(b), 300) {
			part, k, partErr := proxyproto.Parse(b[:end])
			switch {
			case partErr != nil && err == nil, k > 0 && (k != n || part != whole):
				t.Fatalf("%d bytes: %+v, %d, %v; all: %+v, %d, %v", end, part, k, partErr, whole, n, err)
			case n > 0 && end >= n && k != n:
				t.Fatalf("%d bytes are not enough for the %d of the header", end, n)
			}
		}
	})
}
