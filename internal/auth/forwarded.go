package auth

import (
	"errors"
	"fmt"
	"strings"
)

// hop is one element of Forwarded: what one proxy saw.
type hop struct {
	from   string // for: an address, "unknown" or an invented name; empty: not said
	scheme string // proto; empty: not said
}

// parseForwarded reads the lines of Forwarded (RFC 7239 §4), in their order. It accepts what proxies
// write: a value without quotes may have a colon and brackets, which a token may not. It accepts
// no stray quote, so that a client cannot hide in its own part what a proxy appends to it.
func parseForwarded(lines []string) ([]hop, error) {
	var hops []hop
	for _, line := range lines {
		for rest := line; ; {
			h, after, said, err := parseHop(rest)
			if err != nil {
				return nil, err
			}
			if said { // empty elements are not counted (RFC 9110 §5.6.1)
				hops = append(hops, h)
			}
			if after == "" {
				break
			}
			rest = after[1:] // behind the comma
		}
	}
	return hops, nil
}

// parseHop reads pairs up to a comma, which begins after, or the end.
func parseHop(s string) (h hop, after string, said bool, err error) {
	seen := make(map[string]bool, 4)
	for {
		s = strings.TrimLeft(s, " \t")
		if s == "" || s[0] == ',' {
			return h, s, said, nil
		}
		if s[0] == ';' {
			s = s[1:]
			continue
		}
		name, rest, found := strings.Cut(s, "=")
		name = strings.ToLower(name)
		if !found || name == "" || strings.ContainsAny(name, "\",; \t") {
			return h, "", false, fmt.Errorf("%s does not begin with NAME=", quote(s))
		}
		if seen[name] {
			return h, "", false, fmt.Errorf("%s is given twice", quote(name))
		}
		seen[name], said = true, true
		value, rest, err := parseValue(rest)
		if err != nil {
			return h, "", false, err
		}
		switch name {
		case "for":
			h.from = value
		case "proto":
			h.scheme = value
		}
		s = rest
	}
}

var errQuote = errors.New("a quotation mark stands where none may stand, or is not closed")

// parseValue reads the value of a pair, which ends before a semicolon, a comma or the end.
func parseValue(s string) (value, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		value, s, err = parseQuoted(s[1:])
	} else {
		end := strings.IndexAny(s, ",;")
		if end < 0 {
			end = len(s)
		}
		value, s = strings.TrimRight(s[:end], " \t"), s[end:]
		if strings.Contains(value, `"`) {
			err = errQuote
		}
	}
	rest = strings.TrimLeft(s, " \t")
	if err == nil && rest != "" && rest[0] != ',' && rest[0] != ';' {
		err = errQuote
	}
	return value, rest, err
}

// parseQuoted reads a quoted-string behind its first mark (RFC 9110 §5.6.4).
func parseQuoted(s string) (value, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], nil
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", errQuote
}
