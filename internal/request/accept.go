package request

import (
	"mime"
	"strconv"
	"strings"
)

// Accepts reports whether the Accept lines of a request name a media type. Wildcards do not
// count: a client that takes anything gets JSON.
func Accepts(lines []string, want string) bool {
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			media, params, err := mime.ParseMediaType(part)
			if err == nil && media == want && !excluded(params["q"]) {
				return true
			}
		}
	}
	return false
}

// excluded reports whether a weight is zero, which means "not acceptable" (RFC
// 9110 §12.4.2).
func excluded(q string) bool {
	weight, err := strconv.ParseFloat(q, 64)
	return err == nil && weight == 0
}
