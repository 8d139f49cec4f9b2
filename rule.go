package maru

import (
	"fmt"
	"slices"
	"strings"
)

// Rule says who may perform an action in the channels of a namespace. The zero value is
// Nobody: actions without a rule are refused. No rule applies to the embedding program, and
// an API key may do anything that any client may do.
type Rule uint8

const (
	Nobody     Rule = iota // no client
	Anyone                 // everybody, signed in or not
	SignedIn               // people with a name, from a session, token, ticket or webhook
	Own                    // the person that the channel names: NAMESPACE:USER and NAMESPACE:USER:…, see Owner
	ByToken                // people whose token names the channel
	ServerOnly             // API keys
)

var ruleNames = [...]string{Nobody: "nobody", Anyone: "anyone", SignedIn: "user", Own: "own", ByToken: "token", ServerOnly: "server"}

// String returns the rule's word in the configuration file.
func (r Rule) String() string {
	if int(r) < len(ruleNames) {
		return ruleNames[r]
	}
	return fmt.Sprintf("Rule(%d)", uint8(r))
}

// UnmarshalText reads anyone, user, own, token, server or nobody; case matters.
func (r *Rule) UnmarshalText(text []byte) error {
	i := slices.Index(ruleNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("must be anyone, user, own, token, server or nobody, not %q", text)
	}
	*r = Rule(i)
	return nil
}

// Owner returns the person that a channel names: the part between its first ':' and the next,
// or the end. It is empty for a channel without ':', which has no owner. A person whose name
// contains ':' owns no channel.
func Owner(channel string) string {
	_, rest, _ := strings.Cut(channel, ":")
	owner, _, _ := strings.Cut(rest, ":")
	return owner
}

var durabilityNames = [...]string{UnsaidDurability: "", InMemory: "memory", Interval: "interval", Sync: "sync"}

// String returns the durability's word in the configuration file.
func (d Durability) String() string {
	if int(d) < len(durabilityNames) {
		return durabilityNames[d]
	}
	return fmt.Sprintf("Durability(%d)", uint8(d))
}

// UnmarshalText reads memory, interval or sync.
func (d *Durability) UnmarshalText(text []byte) error {
	i := slices.Index(durabilityNames[:], string(text))
	if i <= 0 {
		return fmt.Errorf("must be memory, interval or sync, not %q", text)
	}
	*d = Durability(i)
	return nil
}
