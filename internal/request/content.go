package request

import (
	"bytes"
	"encoding/json"
	"mime"
	"strings"
	"unicode/utf8"

	"maru.example/maru"
)

// Kind says what a body of that Content-Type is published as: JSON for
// application/json and +json; Text for text/*, for forms, whose type is what
// plain curl -d sends, and without any type; Binary for all else. Text must say
// no other charset than UTF-8 (CodeBadText); a Content-Type that cannot be read is
// CodeBadRequest.
func Kind(contentType string) (maru.Kind, error) {
	if contentType == "" {
		return maru.Text, nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return 0, maru.NewError(maru.CodeBadRequest, "the Content-Type is malformed")
	}
	switch {
	case media == "application/json", strings.HasSuffix(media, "+json"):
		return maru.JSON, nil
	case media == "application/x-www-form-urlencoded", strings.HasPrefix(media, "text/"):
		switch strings.ToLower(params["charset"]) {
		case "", "utf-8", "utf8", "us-ascii":
			return maru.Text, nil
		}
		return 0, maru.NewError(maru.CodeBadText, "text is published as UTF-8, not as another charset")
	}
	return maru.Binary, nil
}

// CompactJSON checks one JSON value and takes the white space between its tokens
// out, so that it is one line and all see the same bytes. The error's code is
// CodeBadJSON.
func CompactJSON(data []byte) ([]byte, error) {
	var compact bytes.Buffer
	// encoding/json lets bytes through that are not UTF-8 (RFC 8259 §8.1).
	if !utf8.Valid(data) || json.Compact(&compact, data) != nil {
		return nil, maru.NewError(maru.CodeBadJSON, "the body is not one valid JSON value")
	}
	return compact.Bytes(), nil
}
