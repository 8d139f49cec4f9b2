package front

import (
	"context"
	"crypto/tls"
)

// turnKey is the key of a handshake's inTurn in its context.
type turnKey struct{}

// withTurns lets the callbacks of config wait: they hold no place meanwhile, so that a
// certificate that is slow to obtain delays only the connections that need it.
func withTurns(config *tls.Config) {
	if get := config.GetCertificate; get != nil {
		config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			defer pauseTurn(hello.Context())()
			return get(hello)
		}
	}
	if get := config.GetConfigForClient; get != nil {
		config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			defer pauseTurn(hello.Context())()
			return get(hello)
		}
	}
}

// pauseTurn leaves the place of a handshake; resume waits for one again.
func pauseTurn(ctx context.Context) (resume func()) {
	turn, ok := ctx.Value(turnKey{}).(*inTurn)
	if !ok {
		return func() {}
	}
	turn.leave()
	return turn.enter
}
