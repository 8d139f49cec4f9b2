package server

import "sync"

// requests counts the requests in progress, and can be closed.
type requests struct {
	mu     sync.Mutex
	served int
	idle   chan struct{} // nil until closed; closed itself when no request is in progress
}

// begin reports whether a request may be served. If so, the caller calls end after it.
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

// closed reports whether new requests are refused.
func (q *requests) closed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.idle != nil
}

// close refuses new requests. The Go channel that it returns is closed when the last request is
// done. It is called once.
func (q *requests) close() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.idle = make(chan struct{})
	if q.served == 0 {
		close(q.idle)
	}
	return q.idle
}
