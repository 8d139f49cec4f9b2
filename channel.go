package maru

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Hall is the channel behind the address "/".
const Hall = "hall"

// DefaultNamespace is the namespace of every channel whose name has no ':'.
const DefaultNamespace = "default"

// MaxChannelBytes is the maximum length of a channel name, in bytes of UTF-8.
const MaxChannelBytes = 255

// CheckChannel reports whether name is a valid channel name: 1 to 255 bytes of valid UTF-8
// without control characters, '/' or '\', not "." or "..". If it has a ':', something precedes
// the first one. Names are compared byte by byte; nothing is folded or normalised. The error's
// code is CodeBadChannel.
func CheckChannel(name string) error {
	switch {
	case name == "":
		return badChannel(name, "the name is empty")
	case len(name) > MaxChannelBytes:
		return badChannel(name, "the name has more than 255 bytes")
	case name == "." || name == "..":
		return badChannel(name, `"." and ".." are not allowed as names`)
	case !utf8.ValidString(name):
		return badChannel(name, "the name is not valid UTF-8")
	case strings.ContainsAny(name, `/\`):
		return badChannel(name, `/ and \ are not allowed in a name`)
	case strings.ContainsFunc(name, unicode.IsControl):
		return badChannel(name, "control characters are not allowed in a name")
	case name[0] == ':':
		return badChannel(name, "the namespace before the first : is empty")
	}
	return nil
}

// ParseChannel reads a channel name from one segment of an escaped URL path. The segment is
// percent-decoded exactly once, then checked as by CheckChannel.
func ParseChannel(segment string) (string, error) {
	name, err := url.PathUnescape(segment)
	if err != nil {
		return "", badChannel(segment, "an invalid percent escape; a literal % is %25")
	}
	if err := CheckChannel(name); err != nil {
		return "", err
	}
	return name, nil
}

// Namespace returns the part of a channel name before its first ':', or DefaultNamespace if
// there is none. Rules and history are the namespace's.
func Namespace(channel string) string {
	if namespace, _, ok := strings.Cut(channel, ":"); ok {
		return namespace
	}
	return DefaultNamespace
}

// CheckNamespace reports whether name is a valid namespace: the part before the first ':' of a
// channel name, which does not begin with '$'. The error's code is CodeBadChannel.
func CheckNamespace(name string) error {
	if CheckChannel(name+":") != nil || strings.Contains(name, ":") || Reserved(name) {
		return NewError(CodeBadChannel, fmt.Sprintf("namespace %q: it must be a valid channel name without :, and not begin with $ (docs/contract.md §1)", short(name)))
	}
	return nil
}

// Reserved reports whether the channel belongs to the server itself: its name starts with '$'.
// Clients can neither read it nor publish there.
func Reserved(channel string) bool { return strings.HasPrefix(channel, "$") }

func badChannel(name, problem string) error {
	return NewError(CodeBadChannel, fmt.Sprintf("channel %q: %s (docs/contract.md §1)", short(name), problem))
}

// short cuts text from a client for an error message.
func short(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return s
}
