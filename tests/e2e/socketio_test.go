package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/tests/proxies/proxy"
)

// socketIOPage serves a page with the published socket.io-client, in its built file.
func socketIOPage(t testing.TB) (url string) {
	mux := http.NewServeMux()
	for path, file := range map[string]string{
		"/{$}":                         "socketio.html",
		"/own":                         "socketio-own.html",
		"/follow.mjs":                  "../proxies/follow.mjs",
		"/client/socket.io.esm.min.js": "../proxies/node_modules/socket.io-client/dist/socket.io.esm.min.js",
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
	}
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	return site.URL
}

// The published socket.io-client in a page of Chromium and of Firefox, of another origin, behind
// nginx and haproxy: by polling, by polling and the upgrade, and by WebSocket. The proxy is restarted,
// then maru is killed, and then ended in good order; each client comes back, is recovered, and has each
// message once, in order.
func TestIssue16SocketIOInBrowsers(t *testing.T) {
	program.InOwnStep(t)
	page := socketIOPage(t)
	chromium, firefox := openTab(t, look{}), startFirefox(t)
	for _, name := range []string{"nginx", "haproxy"} {
		t.Run(name, func(t *testing.T) {
			args := []string{"--host", proxy.Name, "--trusted-proxy", "127.0.0.1", "--origin", page, "--drain", "1s", "--data", t.TempDir()}
			server := program.Serve(t, maruPath, args...)
			args = append(args, "--listen", server.Addr)
			p := proxy.Start(t, name, server.Addr)
			viewers := openBoth(t, page+"/?at="+p.URL, chromium, firefox)
			each := func(what string, want any) {
				t.Helper()
				for _, v := range viewers {
					for _, way := range []string{"polling", "upgrade", "websocket"} {
						v.eventually(t, "clients."+way+"."+what, want)
					}
				}
			}
			each("ready", true)
			var want []string
			publish := func(text string) {
				curl(t, server.URL+"/channels/page", text)
				want = append(want, text)
			}
			for _, v := range viewers {
				v.eventually(t, "clients.upgrade.transports", []string{"polling", "websocket"})
			}
			restart := func() { server = program.Serve(t, maruPath, args...) }
			for _, breaks := range []struct{ end, mend func() }{
				{func() { p.Stop(t) }, func() { p.Restart(t) }},
				{func() { server.Kill(t) }, restart},
				{func() { server.Terminate(); server.Wait(t) }, restart},
			} {
				publish("before an end")
				breaks.end()
				each("ready", false)
				breaks.mend()
				each("recovered.at(-1)", true)
				publish("before they are back")
				each("got", want)
				publish("after")
				each("got", want)
			}
			each("gaps", []string{})
			for _, v := range viewers {
				v.eventually(t, `[...document.querySelectorAll("td:last-child")].map((td) => td.textContent)`, slices.Repeat([]string{strings.Join(want, ", ")}, 3))
			}
			chromium.photograph(t, "socketio-"+name+"-chromium")
			firefox.photograph(t, "socketio-"+name+"-firefox")
		})
	}
}
