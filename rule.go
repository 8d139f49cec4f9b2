package maru

import (
	"fmt"
	"slices"
	"strings"
)

// Rule says who may do something in the channels of a namespace. Its zero value
// is Nobody: what no rule allows is refused. The program that embeds the server is
// bound by no rule, and an API key may do whatever anybody may.
type Rule uint8

const (
	Nobody     Rule = iota // nobody from outside
	Anyone                 // also who is not signed in
	SignedIn               // who has a name: by session, token, ticket or webhook
	Own                    // the person whom the channel names: NAMESPACE:USER and NAMESPACE:USER:…, see Owner
	ByToken                // who has a token that names the channel
	ServerOnly             // API keys
)

var ruleNames = [...]string{Nobody: "nobody", Anyone: "anyone", SignedIn: "user", Own: "own", ByToken: "token", ServerOnly: "server"}

// String is the rule's word in the configuration file.
func (r Rule) String() string {
	if int(r) < len(ruleNames) {
		return ruleNames[r]
	}
	return fmt.Sprintf("Rule(%d)", uint8(r))
}

// UnmarshalText reads anyone, user, own, token, server or nobody, written so.
func (r *Rule) UnmarshalText(text []byte) error {
	i := slices.Index(ruleNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("must be anyone, user, own, token, server or nobody, not %q", text)
	}
	*r = Rule(i)
	return nil
}

// Owner is the person whom a channel names: what stands between its first ':' and
// the next, or the end. Empty for a channel without ':', and so is never
// somebody's; neither is a channel ever of a person whose name contains ':'.
func Owner(channel string) string {
	_, rest, _ := strings.Cut(channel, ":")
	owner, _, _ := strings.Cut(rest, ":")
	return owner
}

var durabilityNames = [...]string{UnsaidDurability: "", InMemory: "memory", Interval: "interval", Sync: "sync"}

// String is the durability's word in the configuration file.
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
