// Todo is a live to-do list that is shared by everybody who opens the page:
//
//	go run ./examples/todo
//
// The program holds the list. A page requests a change by RPC, and the program publishes the
// whole list after each change. So the newest publication is all that a page needs, even if
// it missed others. Only the program may publish.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"maru.example/maru"
	"maru.example/maru/server"
)

//go:embed index.html
var page []byte

const (
	channel   = "todo"
	mostItems = 100
	mostText  = 200 // characters
)

type item struct {
	ID   int    `json:"id"`
	Text string `json:"text"`
	Done bool   `json:"done"`
}

// todo is the list, and the server that publishes it.
type todo struct {
	live *server.Server

	mu    sync.Mutex // held while publishing, so that changes are published in order
	items []item
	last  int // ID
}

func newTodo() (*todo, error) {
	t := &todo{items: []item{}}
	var err error
	t.live, err = server.New(server.Options{
		Loopback: true,
		Access: server.Access{Namespaces: map[string]server.Namespace{
			maru.DefaultNamespace: {Subscribe: maru.Anyone, History: maru.Anyone, RPC: maru.Anyone, Retention: maru.Retention{Publications: 1}},
		}},
		RPC: t.change,
	})
	if err != nil {
		return nil, err
	}
	return t, t.publish(context.Background())
}

// change handles the RPC methods add, check and remove.
func (t *todo) change(ctx context.Context, _ server.Caller, method string, data json.RawMessage) (json.RawMessage, error) {
	var ask item
	if err := json.Unmarshal(data, &ask); err != nil {
		return nil, refuse("the change is not the JSON of an item")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	at := slices.IndexFunc(t.items, func(i item) bool { return i.ID == ask.ID })
	text := strings.TrimSpace(ask.Text)
	switch {
	case method != "add" && method != "check" && method != "remove":
		return nil, server.ErrNoMethod
	case method != "add" && at < 0:
		return nil, refuse("this item was removed by somebody else")
	case method == "check":
		t.items[at].Done = ask.Done
	case method == "remove":
		t.items = slices.Delete(t.items, at, at+1)
	case text == "" || utf8.RuneCountInString(text) > mostText:
		return nil, refuse("an item must have 1 to 200 characters")
	case len(t.items) >= mostItems:
		return nil, refuse("the list is full (100 items): remove one")
	default:
		t.last++
		t.items = append(t.items, item{ID: t.last, Text: text})
	}
	return nil, t.publish(ctx)
}

func (t *todo) publish(ctx context.Context) error {
	list, err := json.Marshal(t.items)
	if err != nil {
		return err
	}
	_, err = t.live.Publish(ctx, channel, &maru.Publication{Kind: maru.JSON, Data: list})
	return err
}

func refuse(why string) error { return maru.NewError(maru.CodeBadRequest, why) }

func (t *todo) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(page)
	})
	mux.Handle("/assets/", t.live)
	mux.Handle("/live/", http.StripPrefix("/live", t.live))
	return mux
}

func main() {
	listen := flag.String("listen", "localhost:3000", "address to listen on")
	flag.Parse()
	t, err := newTodo()
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err, "; choose another address with --listen")
	}
	log.Printf("to-do list on http://%s", listener.Addr())
	log.Fatal(http.Serve(listener, t.handler()))
}
