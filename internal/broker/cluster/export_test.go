package cluster

// Kill ends a node as the end of its process would: nothing is given up or said.
func (b *Broker) Kill() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel(errShuttingDown)
	b.conn.Close()
	b.working.Wait()
}

// Lose loses what is carried of a channel from now on, until the returned function is called.
func (b *Broker) Lose() (again func()) {
	sub := b.subs[len(b.subs)-1]
	sub.Unsubscribe()
	b.conn.Flush()
	return func() {
		sub, err := b.conn.ChanSubscribe(b.names.carriage("*"), b.arrived)
		if err != nil {
			panic(err)
		}
		b.conn.Flush()
		b.subs[len(b.subs)-1] = sub
	}
}

// Recent is recent.
var Recent = recent
