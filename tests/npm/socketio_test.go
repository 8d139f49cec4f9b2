package npm_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/tests/e2e/program"
)

// A page of React in StrictMode with socket.io-client, built by Vite and in development, where
// StrictMode mounts it twice: one connection remains, and each message arrives once.
func TestSocketIOInReact(t *testing.T) {
	program.InOwnStep(t)
	must(t, buildPages())
	browser := startChromium(t)
	for name, test := range map[string]struct {
		page   func(t *testing.T) string
		mounts int
	}{
		"built":          {func(t *testing.T) string { return built(t, "socketio") }, 1},
		"in development": {func(t *testing.T) string { return developmentServer(t, "socketio") }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live, url := serve(t)
			address := test.page(t) + "?maru=" + url
			tab := openTab(t, browser)
			tab.navigate(t, address)
			tab.eventually(t, `!!globalThis.subscribed && subscribed === socket.id && socket.io.engine.transport.name === "websocket"`, true)
			tab.eventually(t, `mounts`, test.mounts)
			awaitConnections(t, live.Connections, 1) // the one of the first mount ends
			var texts []string
			for i := range 5 {
				texts = append(texts, fmt.Sprint("text ", i))
				_, err := live.Publish(t.Context(), "chat", &maru.Publication{Data: []byte(texts[i])})
				must(t, err)
			}
			tab.eventually(t, `[...document.querySelectorAll("li")].map((li) => li.textContent)`, texts)
			tab.eventually(t, `received`, texts)
			answer, err := http.Get(url + "/metrics")
			must(t, err)
			metrics, err := io.ReadAll(answer.Body)
			must(t, err)
			answer.Body.Close()
			if want := `maru_connections{transport="socketio"} 1` + "\n"; !strings.Contains(string(metrics), want) || live.Connections() != 1 {
				t.Errorf("%d connections, and the metrics have no %s", live.Connections(), want)
			}
			tab.quiet(t)
		})
	}
}

// awaitConnections waits until the server has so many connections.
func awaitConnections(t *testing.T, connections func() int, want int) {
	t.Helper()
	for deadline := time.Now().Add(patience); connections() != want; time.Sleep(30 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections, want %d", connections(), want)
		}
	}
}
