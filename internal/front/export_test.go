package front

import (
	"log/slog"
	"net"
	"net/http"

	"maru/internal/loop"
)

// Read is what becomes of a header block that comes to a listener of l's address.
func Read(l net.Listener, head []byte) (*http.Request, bool) {
	return newDesk(new(http.Server), l, slog.New(slog.DiscardHandler)).read(&loop.Arrival{Head: head})
}
