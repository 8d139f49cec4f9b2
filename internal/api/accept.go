package api

import (
	"mime"
	"strconv"
	"strings"
)

// accepted is what an Accept header names. Wildcards name nothing: who takes
// anything gets JSON.
type accepted struct{ events, page bool }

func accepts(lines []string) accepted {
	var a accepted
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			media, params, err := mime.ParseMediaType(part)
			if err != nil || excluded(params["q"]) {
				continue
			}
			switch media {
			case "text/event-stream":
				a.events = true
			case "text/html":
				a.page = true
			}
		}
	}
	return a
}

// excluded reports whether a weight is zero, which means "not acceptable" (RFC
// 9110 §12.4.2).
func excluded(q string) bool {
	weight, err := strconv.ParseFloat(q, 64)
	return err == nil && weight == 0
}
