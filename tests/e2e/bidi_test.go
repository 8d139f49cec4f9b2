package e2e_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/tests/proxies/proxy"
	"maru.example/maru/ws"
)

// firefox is a headless Firefox with one page, driven by WebDriver BiDi
// (https://www.w3.org/TR/webdriver-bidi/). It belongs to its test's goroutine.
type firefox struct {
	conn    *ws.Conn
	replies chan json.RawMessage
	id      int
	page    string // its browsing context
}

// quiet are preferences that keep Firefox from asking its makers for anything. The name of the proxies' site is this machine.
const quiet = `user_pref("services.settings.server", "data:,");
user_pref("app.normandy.enabled", false);
user_pref("browser.safebrowsing.provider.mozilla.updateURL", "");
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("media.gmp-manager.url", "data:,");
user_pref("intl.accept_languages", "en");
user_pref("network.dns.localDomains", "` + proxy.Name + `");
`

// startFirefox starts a Firefox that ends with the test.
func startFirefox(t testing.TB) *firefox {
	t.Helper()
	path, err := exec.LookPath("firefox-esr")
	if err != nil {
		path, err = exec.LookPath("firefox")
	}
	if err != nil {
		t.Fatal("there is no Firefox for the tests in a browser; run:\n\tapt-get install -y firefox-esr")
	}
	profile := t.TempDir()
	must(t, os.WriteFile(filepath.Join(profile, "user.js"), []byte(quiet), 0o600))
	cmd := exec.Command(path, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0", "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	p := program.StartCommand(t, cmd)
	line := p.Stderr.Await(t, "WebDriver BiDi listening on ")
	f := &firefox{replies: make(chan json.RawMessage, 16)}
	f.conn, err = ws.Dial(context.Background(), line[strings.Index(line, "ws://"):]+"/session", ws.DialOptions{
		MaxMessageBytes: 64 << 20,
		OnMessage:       func(_ *ws.Conn, m ws.Message) { f.replies <- append(json.RawMessage(nil), m.Data...) },
	})
	must(t, err)
	f.call(t, "session.new", map[string]any{"capabilities": map[string]any{
		"alwaysMatch": map[string]any{"acceptInsecureCerts": true}, // as Chromium here
	}}, nil)
	t.Cleanup(func() {
		f.call(t, "browser.close", map[string]any{}, nil)
		f.conn.Terminate()
		p.Wait(t)
	})
	var tree struct{ Contexts []struct{ Context string } }
	f.call(t, "browsingContext.getTree", map[string]any{}, &tree)
	f.page = tree.Contexts[0].Context
	return f
}

// call runs a command of the protocol.
func (f *firefox) call(t testing.TB, method string, params map[string]any, result any) {
	t.Helper()
	f.id++
	must(t, f.conn.SendJSON(map[string]any{"id": f.id, "method": method, "params": params}))
	late := time.After(program.Patience)
	for {
		var reply struct {
			ID             int
			Type           string
			Error, Message string
			Result         json.RawMessage
		}
		select {
		case data := <-f.replies:
			must(t, json.Unmarshal(data, &reply))
		case <-late:
			t.Fatalf("%s: Firefox does not answer", method)
		}
		switch {
		case reply.ID != f.id: // an event
		case reply.Type == "error":
			t.Fatalf("%s: %s: %s", method, reply.Error, reply.Message)
		default:
			if result != nil {
				must(t, json.Unmarshal(reply.Result, result))
			}
			return
		}
	}
}

func (f *firefox) navigate(t testing.TB, url string) {
	t.Helper()
	f.call(t, "browsingContext.navigate", map[string]any{"context": f.page, "url": url, "wait": "complete"}, nil)
	f.await(t, `document.body.classList.contains("ready")`)
}

// viewport sets the size of the page, in CSS pixels.
func (f *firefox) viewport(t testing.TB, width, height int) {
	t.Helper()
	f.call(t, "browsingContext.setViewport", map[string]any{"context": f.page, "viewport": map[string]int{"width": width, "height": height}}, nil)
}

// value is the JSON of an expression in the page.
func (f *firefox) value(t testing.TB, script string) string {
	t.Helper()
	var reply struct {
		Type   string
		Result struct{ Value string }
	}
	f.call(t, "script.evaluate", map[string]any{
		"expression": "JSON.stringify(" + script + ") ?? ''", "target": map[string]string{"context": f.page}, "awaitPromise": true,
	}, &reply)
	return reply.Result.Value
}

// run evaluates statements in the page.
func (f *firefox) run(t testing.TB, script string) {
	t.Helper()
	var reply struct {
		Type             string
		ExceptionDetails struct{ Text string }
	}
	f.call(t, "script.evaluate", map[string]any{
		"expression": script + "; undefined", "target": map[string]string{"context": f.page}, "awaitPromise": false,
	}, &reply)
	if reply.Type != "success" {
		t.Fatal(reply.ExceptionDetails.Text)
	}
}

// eventually waits until an expression has a value.
func (f *firefox) eventually(t testing.TB, script string, want any) {
	t.Helper()
	wanted, err := json.Marshal(want)
	must(t, err)
	var last string
	for late := time.Now().Add(program.Patience); time.Now().Before(late); time.Sleep(30 * time.Millisecond) {
		if last = f.value(t, script); last == string(wanted) {
			return
		}
	}
	t.Fatalf("after %v it is\n%s\nwant\n%s", program.Patience, last, wanted)
}

func (f *firefox) await(t testing.TB, script string) {
	t.Helper()
	f.eventually(t, script, true)
}

// write types into an element, and then Enter.
func (f *firefox) write(t testing.TB, selector, keys string) {
	t.Helper()
	f.run(t, `document.querySelector("`+selector+`").focus()`)
	var actions []map[string]string
	for _, key := range append(strings.Split(keys, ""), "\ue007") {
		actions = append(actions, map[string]string{"type": "keyDown", "value": key}, map[string]string{"type": "keyUp", "value": key})
	}
	f.call(t, "input.performActions", map[string]any{
		"context": f.page, "actions": []any{map[string]any{"type": "key", "id": "keyboard", "actions": actions}},
	}, nil)
}

func (f *firefox) photograph(t testing.TB, name string) {
	t.Helper()
	var picture struct{ Data string }
	f.call(t, "browsingContext.captureScreenshot", map[string]any{"context": f.page}, &picture)
	png, err := base64.StdEncoding.DecodeString(picture.Data)
	must(t, err)
	must(t, os.MkdirAll(shots, 0o755))
	must(t, os.WriteFile(filepath.Join(shots, name+".png"), png, 0o644))
}
