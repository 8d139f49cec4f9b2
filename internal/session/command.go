package session

// Command is one request of a client: Connect, Subscribe, Unsubscribe, Publish, History,
// Presence, Refresh, RPC, Ping, Resume or Invalid.
//
// The Ref of each is the protocol's own name for the request (maru.v1: id), which the
// reply carries. 0 means that no reply is wanted; an error is reported all the same.
type Command interface{ isCommand() }

func (Connect) isCommand()     {}
func (Subscribe) isCommand()   {}
func (Unsubscribe) isCommand() {}
func (Publish) isCommand()     {}
func (History) isCommand()     {}
func (Presence) isCommand()    {}
func (Refresh) isCommand()     {}
func (RPC) isCommand()         {}
func (Ping) isCommand()        {}
func (Resume) isCommand()      {}
func (Invalid) isCommand()     {}

// Ping asks for a sign of life. The reply is Pong.
type Ping struct{ Ref uint64 }

// Invalid is a command that the decoder could read but that cannot be carried out. The reply is
// Failed with Err, after the replies to the commands before it.
type Invalid struct {
	Ref uint64
	Err error // its *maru.Error is sent to the client
}
