package maru

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Hall is the channel behind the address "/": where everybody hears everybody.
const Hall = "hall"

// DefaultNamespace is the namespace of every channel whose name has no ':'.
const DefaultNamespace = "default"

// MaxChannelBytes is the longest channel name, counted in bytes of UTF-8.
const MaxChannelBytes = 255

// CheckChannel says whether name may name a channel: 1 to 255 bytes of valid
// UTF-8 without control characters, '/' or '\', not "." or "..", and with
// something before its first ':' if it has one. Names are compared byte for
// byte; nothing is folded or normalised. The error's code is CodeBadChannel.
func CheckChannel(name string) error {
	switch {
	case name == "":
		return badChannel("a channel's name is empty")
	case len(name) > MaxChannelBytes:
		return badChannel("a channel's name has more than 255 bytes")
	case name == "." || name == "..":
		return badChannel("a channel cannot be named . or ..")
	case !utf8.ValidString(name):
		return badChannel("a channel's name is not valid UTF-8")
	case strings.ContainsAny(name, `/\`):
		return badChannel(`a channel's name contains / or \`)
	case strings.ContainsFunc(name, unicode.IsControl):
		return badChannel("a channel's name contains a control character")
	case name[0] == ':':
		return badChannel("a channel's namespace (before the first :) is empty")
	}
	return nil
}

// ParseChannel reads a channel's name from one segment of an escaped URL path:
// it is percent-decoded exactly once, then checked as by CheckChannel.
func ParseChannel(segment string) (string, error) {
	name, err := url.PathUnescape(segment)
	if err != nil {
		return "", badChannel("a channel's name has a wrong percent escape")
	}
	if err := CheckChannel(name); err != nil {
		return "", err
	}
	return name, nil
}

// Namespace is the part of a channel's name before its first ':', whose rules
// and whose history the channel has; DefaultNamespace where there is none.
func Namespace(channel string) string {
	if namespace, _, ok := strings.Cut(channel, ":"); ok {
		return namespace
	}
	return DefaultNamespace
}

// CheckNamespace says whether name may name a namespace: what stands before the first
// ':' of a channel's name, and does not begin with '$'. The error's code is
// CodeBadChannel.
func CheckNamespace(name string) error {
	if CheckChannel(name+":") != nil || strings.Contains(name, ":") || Reserved(name) {
		return badChannel("a namespace is what stands before the first : of a channel's name, and does not begin with $")
	}
	return nil
}

// Reserved reports whether the channel is kept for the server itself: its name
// starts with '$'. Nobody outside reads or publishes there.
func Reserved(channel string) bool { return strings.HasPrefix(channel, "$") }

func badChannel(message string) error { return NewError(CodeBadChannel, message) }
