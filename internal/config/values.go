package config

import (
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Bytes is a size: a number of bytes, or a number followed by KiB, MiB or GiB.
type Bytes int64

var units = []struct {
	suffix string
	size   int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// UnmarshalText reads 4096, 512KiB, 1MiB or 2GiB: whole numbers only.
func (b *Bytes) UnmarshalText(text []byte) error {
	digits, size := string(text), int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(digits, u.suffix); ok {
			digits, size = rest, u.size
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/size || n < math.MinInt64/size {
		return fmt.Errorf("must be a size such as 1MiB, 512KiB or 4096, not %q", text)
	}
	*b = Bytes(n * size)
	return nil
}

// String is the size in the largest unit that divides it.
func (b Bytes) String() string {
	for _, u := range units {
		if b != 0 && int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// Duration is a time.Duration that is read from text, with its unit.
type Duration time.Duration

// UnmarshalText reads the format of time.ParseDuration: 25s, 1m30s, 24h.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("must be a duration such as 25s, 1m30s or 24h, not %q", text)
	}
	*d = Duration(parsed)
	return nil
}

func (d Duration) String() string { return time.Duration(d).String() }

// Mode has the permissions of a file.
type Mode fs.FileMode

// UnmarshalText reads 0660 or 660: three octal digits.
func (m *Mode) UnmarshalText(text []byte) error {
	bits, err := strconv.ParseUint(string(text), 8, 32)
	if err != nil || bits == 0 || bits > 0o777 || len(text) < 3 {
		return fmt.Errorf("must be permissions in octal, such as 0660, not %q", text)
	}
	*m = Mode(bits)
	return nil
}

// String is the permissions in octal.
func (m Mode) String() string { return fmt.Sprintf("%04o", uint32(m)) }

// Network is a range of IP addresses, or a single one, or all peers on unix sockets.
type Network struct {
	netip.Prefix
	Unix bool
}

// String is the network as a user writes it.
func (n Network) String() string {
	if n.Unix {
		return "unix"
	}
	return n.Prefix.String()
}

// UnmarshalText reads 10.0.0.0/8 and fd00::/8, 10.0.0.7 as 10.0.0.7/32, and unix.
func (n *Network) UnmarshalText(text []byte) error {
	if *n = (Network{Unix: string(text) == "unix"}); n.Unix {
		return nil
	}
	if addr, err := netip.ParseAddr(string(text)); err == nil && addr.Zone() == "" {
		n.Prefix = netip.PrefixFrom(addr, addr.BitLen())
		return nil
	}
	prefix, err := netip.ParsePrefix(string(text))
	if err != nil {
		return fmt.Errorf("must be an address such as 10.0.0.7, a network such as 10.0.0.0/8, or unix, not %q", text)
	}
	n.Prefix = prefix.Masked()
	return nil
}

// Level is the lowest severity that is logged.
type Level struct{ slog.Level }

// UnmarshalText reads debug, info, warn or error.
func (l *Level) UnmarshalText(text []byte) error {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.EqualFold(level.String(), string(text)) {
			l.Level = level
			return nil
		}
	}
	return fmt.Errorf("must be debug, info, warn or error, not %q", text)
}
