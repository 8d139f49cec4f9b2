package cluster

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// names are the subjects, streams and buckets of one cluster. All begin with its prefix, so that
// several can share the servers.
//
//	PREFIX.log.NAMESPACE.CHANNEL   a publication for the stream PREFIX_log_NAMESPACE
//	PREFIX.log.NAMESPACE.t         the beginning of a term
//	PREFIX.keys.NAMESPACE          idempotency keys, stream PREFIX_keys
//	PREFIX.heads.NAMESPACE         heads of channels, stream PREFIX_heads
//	PREFIX.carry.CHANNEL           a publication for the nodes with subscribers
//	PREFIX.index.NAMESPACE         which numbers its channels have got, for nodes that deliver it in order
//	PREFIX.node.ID                 requests to a node
//	PREFIX.kept.KIND.KEY           a record of maru.Keeper, stream PREFIX_kept
//	PREFIX.kept.KIND               says that such a record has changed
//	PREFIX.bus.ID                  a message of one server to another
//	PREFIX.bus.all                 to all
//	PREFIX_nodes, PREFIX_owners    buckets
type names struct{ prefix string }

// termToken is no channel's token: base64 has no single letter.
const termToken = "t"

func (n names) stream(namespace string) string { return n.prefix + "_log_" + idOf(namespace) }

func (n names) log(namespace, token string) string {
	return n.prefix + ".log." + idOf(namespace) + "." + token
}

// logs are the subjects of all streams of namespaces.
func (n names) logs() string { return n.prefix + ".log.>" }

func (n names) keysStream() string { return n.prefix + "_keys" }

func (n names) headsStream() string { return n.prefix + "_heads" }

func (n names) heads(namespace string) string { return n.prefix + ".heads." + idOf(namespace) }

func (n names) keys(namespace string) string { return n.prefix + ".keys." + idOf(namespace) }

func (n names) carriage(token string) string { return n.prefix + ".carry." + token }

func (n names) indexes() string { return n.prefix + ".index." }

func (n names) index(namespace string) string { return n.indexes() + idOf(namespace) }

func (n names) node(id string) string { return n.prefix + ".node." + id }

func (n names) keptStream() string { return n.prefix + "_kept" }

func (n names) kept(kind, token string) string { return n.keptHint(kind) + "." + token }

func (n names) keptHint(kind string) string { return n.prefix + ".kept." + tokenOf(kind) }
func (n names) bus(node string) string      { return n.prefix + ".bus." + node }

func (n names) nodes() string { return n.prefix + "_nodes" }

func (n names) owners() string { return n.prefix + "_owners" }

// idOf is a namespace's name as a part of subjects, keys and names of streams, also of directories
// where case makes no difference.
func idOf(namespace string) string {
	id := make([]byte, 0, 64)
	for _, r := range namespace[:min(len(namespace), 32)] {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			id = append(id, byte(r))
		} else {
			id = append(id, '-')
		}
	}
	sum := sha256.Sum256([]byte(namespace))
	return string(hex.AppendEncode(append(id, '-'), sum[:8]))
}

// tokenOf encodes a channel's name as one token of a subject.
func tokenOf(channel string) string { return base64.RawURLEncoding.EncodeToString([]byte(channel)) }

// channelOf is the channel of a subject, by its last token.
func channelOf(subject string) (string, error) {
	name, err := base64.RawURLEncoding.DecodeString(subject[strings.LastIndexByte(subject, '.')+1:])
	return string(name), err
}
