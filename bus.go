package maru

import (
	"context"
	"time"
)

// A Bus is a Broker of several nodes that also carries messages between their servers: presence,
// revocations, questions. A server whose broker does not have the methods is the only node.
//
// A node is one run of a server. All methods are safe for concurrent use. After Close nothing is
// sent, and no function is called.
type Bus interface {
	// Node returns the id of this node, of letters, digits, - and _. The next run has another one.
	Node() string
	// Nodes returns the nodes that are alive, this one too, in no order. A node that died is one
	// of them until its death is noticed (see OnLeave). connected is false while this node is cut
	// off: then it returns those that it knew last.
	Nodes() (all []string, connected bool)

	// Send sends a message to another node. It does not wait. The message arrives at most once;
	// those of one node to another arrive in the order in which they were sent, by Send and
	// Broadcast. kind is a short word that chooses the handler there. The caller may change data
	// afterwards. Errors: CodeTooLarge above MaxBusBytes; CodeUnavailable if nothing can be sent now.
	Send(node, kind string, data []byte) error
	// Broadcast is Send to all other nodes.
	Broadcast(kind string, data []byte) error
	// Ask sends a message to another node and waits for the answer, until ctx ends. Errors: those
	// of Send; the one that the handler answered with; CodeUnavailable if the node is not alive or
	// this one is cut off: the other may have got the message; ctx's cause.
	Ask(ctx context.Context, node, kind string, data []byte) ([]byte, error)
	// Handle sets the handler of a kind. Until then messages of the kind are lost, and questions
	// are answered with CodeUnavailable. It is called once for a kind.
	Handle(kind string, h BusHandler)
	// OnLeave calls f when another node is no longer alive. silent is for how long nothing came
	// from it, and 0 if it left in order. A node that was only cut off may return, with the same
	// id. f must not wait. It is called in one goroutine, in order.
	OnLeave(f func(node string, silent time.Duration))
}

// A BusHandler handles a message of another node. It is called in the order in which messages
// arrived and must not wait: longer work belongs in a goroutine. It may keep data. answer is nil
// unless the other node asks; else it is called once, at once or later, from any goroutine. The
// other node receives the code and message of an error (ErrorOf), or data of at most MaxBusBytes.
type BusHandler func(from string, data []byte, answer func(data []byte, err error))

// MaxBusBytes is the most data in a message between nodes, and in an answer.
const MaxBusBytes = 512 << 10
