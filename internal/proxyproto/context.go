package proxyproto

import "context"

type tlsKey struct{}

// WithTLS marks the requests of a connection whose header says that the client uses TLS.
func WithTLS(ctx context.Context) context.Context { return context.WithValue(ctx, tlsKey{}, true) }

// TLS reports whether ctx is of such a request.
func TLS(ctx context.Context) bool {
	marked, _ := ctx.Value(tlsKey{}).(bool)
	return marked
}
