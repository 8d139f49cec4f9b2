package followers

import (
	"bufio"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// streams keeps no connection, as each stream has one for itself.
var streams = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// followEvents is an EventSource: it comes back after a lost stream and after an error of the network,
// and never after any status but 200.
func (f *Follower) followEvents(ctx context.Context) {
	id, retry := "", 3*time.Second
	for ctx.Err() == nil {
		r, err := http.NewRequestWithContext(ctx, "GET", f.URL+f.path(), nil)
		if err != nil {
			f.giveUp(err.Error())
			return
		}
		r.Header = f.Header.Clone()
		if r.Header == nil {
			r.Header = make(http.Header)
		}
		r.Header.Set("Accept", "text/event-stream")
		if id != "" && f.Recover {
			r.Header.Set("Last-Event-ID", id)
		}
		answer, err := streams.Do(r)
		if err == nil && answer.StatusCode != http.StatusOK {
			answer.Body.Close()
			f.giveUp(answer.Status)
			return
		}
		if err == nil {
			f.readEvents(answer, &id, &retry)
			answer.Body.Close()
			f.lost()
		}
		pause(ctx, retry)
	}
}

// readEvents reads blocks until the stream ends.
func (f *Follower) readEvents(answer *http.Response, id *string, retry *time.Duration) {
	event, data, at := "", "", *id
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "retry":
			if ms, err := strconv.Atoi(value); err == nil {
				*retry = time.Duration(ms) * time.Millisecond
			}
		case "id":
			at = value
		case "event":
			event = value
		case "data":
			data = value
		case "":
			*id = at
			switch {
			case event == "position":
				f.back()
			case event == "gap":
				f.trouble("a gap: " + data)
			case event == "" && data != "":
				f.take(data)
			}
			event, data = "", ""
		}
	}
}
