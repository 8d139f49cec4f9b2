package auth

import (
	"errors"
	"io"
	"net/http"

	"maru.example/maru"
	"maru.example/maru/internal/strict"
)

// maxPostBytes bounds the body of a request for a ticket or to AdminAPI.
const maxPostBytes = 16 << 10

// identifyPost identifies the sender of a POST. Errors: those of Identify, and
// CodeMethodNotAllowed.
func (p *Authenticator) identifyPost(w http.ResponseWriter, r *http.Request) (Identity, error) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return Identity{}, maru.NewError(maru.CodeMethodNotAllowed, "this address takes POST only")
	}
	return p.Identify(r, "")
}

// readPost reads a JSON body into v. Unknown fields are errors.
func readPost(w http.ResponseWriter, r *http.Request, v any) error {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPostBytes))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return maru.NewError(maru.CodeTooLarge, "the body is larger than 16 KiB")
	} else if err != nil {
		return maru.NewError(maru.CodeBadRequest, "the body did not arrive completely; send it again")
	}
	if err := strict.Decode(data, v); err != nil {
		return maru.NewError(maru.CodeBadRequest, "the body: "+err.Error()+" (docs/rules.md)")
	}
	return nil
}
