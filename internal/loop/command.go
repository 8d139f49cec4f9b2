package loop

import "net"

// action says what a command asks for. Beside each stands the type of its payload.
type action uint8

const (
	// Of a loop.
	doAppend    action = iota // *shard: add message for all its members but conn
	doOpen                    // *opening: take conn over
	doAccepted                // *acceptedSocket: a socket that another loop has accepted
	doListen                  // *listening
	doUnlisten                // descriptor: of the listener
	doTighten                 // tightness: of the limits of backlogs
	doCloseAll                // *closed: all connections
	doCloseSome               // *shard in a *closingShard: all its members
	doSettle                  // chan struct{}: closed when what was posted before is obeyed
	doStop                    // nothing

	// Of a request that has not become a connection yet.
	doRefuse  // httpAnswer: instead of a WebSocket
	doAbandon // nothing: close it
	doDetach  // detached: give it back as a net.Conn

	// Of one connection.
	doSend        // nothing: message
	doSendAll     // replay
	doSendPieces  // *Pieces
	doDrain       // chan struct{}: closed when the queue is empty, or never will be
	doClose       // *closing
	doFarewell    // *closing: after the handler's last message
	doTerminate   // nothing
	doStart       // nothing
	doPause       // nothing
	doResume      // nothing
	doJoin        // *shard
	doLeave       // *shard
	doRead        // *pipeRead
	doWritten     // *pipeWrite
	doLost        // *lost
	doSettled     // nothing: after the end of the stream, see SettleHandler
	doFail        // *closed: the peer broke the protocol
	doAnswerClose // *closed: the peer's close frame has arrived
	doTake        // taker
	doAttach      // *opening: the socket of a parked connection
)

// command is a request to a loop. A loop posts commands to itself where commands that its
// handlers have just posted must come first.
type command struct {
	do      action
	conn    connID
	size    int      // bytes of messages: they count against the inbox's bound and, for sends, the connection's Buffered
	message *Message // of doSend and doAppend
	payload any      // see action; nil where there is none. A pointer in it takes no memory of its own
}

// opening is what a loop needs to take a connection over.
type opening struct {
	fd       int
	tls      *transport
	nc       net.Conn
	buffered []byte
	params   Params
	handler  Handler
	parked   bool // without a socket: see OpenParked
}

// The other payloads.
type (
	replay     []*Message // see Conn.SendAll
	httpAnswer []byte
	descriptor int
	detached   chan<- net.Conn // gets one value; nil: the request is gone
	tightness  int             // limits are divided by 1<<tightness: see Engine.Tighten

	closing struct {
		why   closed
		frame []byte   // the payload of the close frame
		last  *Message // before it; nil: none
	}
	closingShard struct {
		shard *shard
		closing
	}
	pipeRead struct {
		data []byte // the reader's buffer, until it is asked to read on
		err  error
	}
	pipeWrite struct {
		n   int
		err error
	}
	lost struct{ err error } // the stream has ended or broken, see loseLater
)
