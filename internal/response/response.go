package response

import (
	"net/http"
	"reflect"
	"time"
)

// CanFlush reports whether the response reaches the client while the handler runs. A Flush that
// cannot fail is believed only if the request is of an http.Server, or its connection can be taken
// over. Adaptors of other servers have one that does nothing, and the client would get no answer
// at all.
func CanFlush(w http.ResponseWriter, r *http.Request) bool {
	_, real := r.Context().Value(http.ServerContextKey).(*http.Server)
	real = real || CanHijack(w)
	for ; w != nil; w = unwrap(w) {
		switch w.(type) {
		case interface{ FlushError() error }:
			return true
		case http.Flusher:
			if real {
				return true
			}
		}
	}
	return false
}

// CanHijack looks for a Hijacker as http.ResponseController does. It is for a caller that needs the
// answer before Hijack.
func CanHijack(w http.ResponseWriter) bool {
	for ; w != nil; w = unwrap(w) {
		if _, ok := w.(http.Hijacker); ok {
			return true
		}
	}
	return false
}

// Deadlines returns a controller for the deadlines of the response alone. Many middlewares have no
// Unwrap, from the time before http.ResponseController, but embed the writer that they wrap. The
// write timeout of the http.Server would cut a stream behind them, in HTTP/2 even while nothing
// is written.
func Deadlines(w http.ResponseWriter) *http.ResponseController {
	for at := w; at != nil; {
		if _, ok := at.(interface{ SetWriteDeadline(time.Time) error }); ok {
			return http.NewResponseController(at)
		}
		inner := unwrap(at)
		if inner == nil {
			inner = embedded(at)
		}
		at = inner
	}
	return http.NewResponseController(w)
}

// unwrap is the writer below w by its own account, nil if it gives none.
func unwrap(w http.ResponseWriter) http.ResponseWriter {
	if v, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
		return v.Unwrap()
	}
	return nil
}

// embedded is the writer in a struct type's field ResponseWriter, nil if it has none.
func embedded(w http.ResponseWriter) http.ResponseWriter {
	v := reflect.Indirect(reflect.ValueOf(w))
	if v.Kind() != reflect.Struct {
		return nil
	}
	field := v.FieldByName("ResponseWriter")
	if !field.IsValid() || !field.CanInterface() {
		return nil
	}
	inner, _ := field.Interface().(http.ResponseWriter)
	return inner
}
