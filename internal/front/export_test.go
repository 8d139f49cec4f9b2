package front

import (
	"log/slog"
	"net"
	"net/http"

	"maru.example/maru/internal/loop"
)

// Read is what becomes of a header block that comes to a listener of l's address, after
// another one.
func Read(l net.Listener, head []byte) (*http.Request, bool) {
	blank := newUpgrader(new(http.Server), l, slog.New(slog.DiscardHandler)).blank
	r := &newExchange().request
	r.read(&loop.Accepted{Head: []byte("GET /other?a=%41 HTTP/1.1\r\nHost: other\r\nUpgrade: websocket\r\nOrigin: null\r\nCookie: a=b\r\n\r\n")}, blank)
	r.clear()
	return &r.Request, r.read(&loop.Accepted{Head: head}, blank)
}

// NewRetryListener is a listener of net/http.
func NewRetryListener(accepting *Accepting, l net.Listener, failed func(error)) net.Listener {
	return newRetryListener(accepting, l, failed)
}
