package request

import (
	"mime"
	"strings"

	"maru.example/maru"
	"maru.example/maru/internal/strict"
)

// Kind returns the kind of a body by its Content-Type: JSON for application/json and +json;
// Text for text/*, for forms (the type that plain curl -d sends) and without a type; Binary for
// everything else. Text with a charset other than UTF-8 is CodeBadText; a malformed
// Content-Type is CodeBadRequest.
func Kind(contentType string) (maru.Kind, error) {
	if contentType == "" {
		return maru.Text, nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return 0, maru.NewError(maru.CodeBadRequest, "the Content-Type is malformed: send TYPE/SUBTYPE, such as text/plain")
	}
	switch {
	case media == "application/json", strings.HasSuffix(media, "+json"):
		return maru.JSON, nil
	case media == "application/x-www-form-urlencoded", strings.HasPrefix(media, "text/"):
		switch strings.ToLower(params["charset"]) {
		case "", "utf-8", "utf8", "us-ascii":
			return maru.Text, nil
		}
		return 0, maru.NewError(maru.CodeBadText, "the charset in the Content-Type is not supported: send text as UTF-8")
	}
	return maru.Binary, nil
}

// CompactJSON checks one JSON value and removes the white space between its tokens, so that it
// is one line and the same bytes for all. Equal names and escapes stay as they are: they are the
// receivers' matter. The error's code is CodeBadJSON.
func CompactJSON(data []byte) ([]byte, error) {
	compact, err := strict.Compact(data)
	if err != nil {
		return nil, maru.NewError(maru.CodeBadJSON, "the body must be one valid JSON value: "+err.Error())
	}
	return compact, nil
}
