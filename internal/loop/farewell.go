package loop

import "maru.example/maru/internal/frame"

// Farewell is Close over nothing that the peer did: its FarewellHandler may have the last
// word before the close frame.
func (c Conn) Farewell(code int, reason string) error {
	payload, err := frame.ClosePayload(code, reason)
	if err != nil || c.loop == nil {
		return err
	}
	c.loop.inbox.post(command{do: doFarewell, conn: c.id, payload: &closing{closed{code: code, reason: reason}, payload, nil}})
	return nil
}
