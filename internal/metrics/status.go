package metrics

import "net/http"

// ok is a handler that sets the status 200, which promhttp leaves to the writer. In gin's NoRoute
// the answer would otherwise be 404.
type ok struct{ http.Handler }

func (h ok) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.Handler.ServeHTTP(&okWriter{ResponseWriter: w}, r)
}

type okWriter struct {
	http.ResponseWriter
	begun bool
}

func (w *okWriter) WriteHeader(status int) {
	w.begun = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *okWriter) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}
