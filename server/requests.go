package server

import "sync"

// requests counts the requests that are being served, and can be closed.
type requests struct {
	mu     sync.Mutex
	served int
	idle   chan struct{} // not nil once closed; closed itself when no request is served
}

// begin reports whether a request may be served. One that may is ended by end.
func (q *requests) begin() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.idle != nil {
		return false
	}
	q.served++
	return true
}

func (q *requests) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.served--
	if q.served == 0 && q.idle != nil {
		close(q.idle)
	}
}

// closed reports whether no more requests are served.
func (q *requests) closed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.idle != nil
}

// close ends the service of new requests. The Go channel is closed when the last request
// has been served. It is called once.
func (q *requests) close() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.idle = make(chan struct{})
	if q.served == 0 {
		close(q.idle)
	}
	return q.idle
}
