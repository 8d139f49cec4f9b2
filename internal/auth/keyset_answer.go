package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/MicahParks/jwkset"

	"maru.example/maru/internal/strict"
)

// strictKeySet replaces the body of an answer with a key set by what strict decodes from it. The
// library would also take "Kid" for kid, and the last of equal names. Members that are not known
// are ignored (RFC 7517 §5). Nobody reads the body of any other answer.
func strictKeySet(answer *http.Response) error {
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxKeySetAnswer+1))
	if err != nil {
		return err
	}
	answer.Body = http.NoBody
	if answer.StatusCode != http.StatusOK {
		return nil
	}
	if len(data) > maxKeySetAnswer {
		return errors.New("the key set is larger than 1 MiB")
	}
	var set jwkset.JWKSMarshal
	if err := strict.DecodeKnown(data, &set); err != nil {
		return fmt.Errorf("the key set is not valid (RFC 7517): %w", err)
	}
	exact, err := json.Marshal(set)
	answer.Body = io.NopCloser(bytes.NewReader(exact))
	return err
}
