package npm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"maru.example/maru/tests/e2e/program"
)

// Two tabs of a page share one connection, with every bundler.
func TestBundlers(t *testing.T) {
	program.InOwnStep(t)
	must(t, buildPages())
	browser := startChromium(t)
	for name, test := range map[string]struct {
		page        func(t *testing.T) string
		connections int
	}{
		"Vite":        {func(t *testing.T) string { return built(t, "vite") }, 1},
		"Vite, dev":   {func(t *testing.T) string { return developmentServer(t, ".") }, 1},
		"webpack":     {func(t *testing.T) string { return built(t, "webpack") }, 1},
		"esbuild":     {func(t *testing.T) string { return built(t, "esbuild") }, 1},
		"no worker":   {func(t *testing.T) string { return built(t, "alone") }, 2},
		"not bundled": {func(t *testing.T) string { return importMap(t) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live, url := serve(t)
			address := test.page(t) + "?maru=" + url
			first := openTab(t, browser, chromedp.WithNewBrowserContext())
			first.navigate(t, address)
			first.eventually(t, `globalThis.maru?.state`, "open")
			second := openTab(t, first.ctx)
			second.navigate(t, address)
			second.eventually(t, `globalThis.maru?.state`, "open")
			first.do(t, chromedp.Evaluate[chromedp.Void](`void maru.publish("chat", "hello")`))
			for _, tab := range []*tab{first, second} {
				tab.eventually(t, `received`, []string{"hello"})
			}
			if n := live.Connections(); n != test.connections {
				t.Errorf("two tabs have %d connections, want %d", n, test.connections)
			}
			if test.connections == 1 {
				first.quiet(t)
				second.quiet(t)
			}
		})
	}
}

// buildPages builds all pages, once.
var buildPages = sync.OnceValue(func() error {
	_, err := run(project, "node", "build.js")
	return err
})

// built serves a page that was built.
func built(t *testing.T, name string) (url string) {
	page := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(project, "out", name))))
	t.Cleanup(page.Close)
	return page.URL + "/"
}

// developmentServer starts that of Vite for a page. It serves what it has not bundled.
func developmentServer(t *testing.T, directory string) (url string) {
	cmd := exec.Command("node", "dev.js", directory)
	cmd.Dir = project
	return program.StartCommand(t, cmd).Stdout.Await(t, "://")
}

// importMap serves the package as it is, without a bundler.
func importMap(t *testing.T) (url string) {
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(project)))
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,">
			<script type="importmap">{ "imports": { "maru-client": "./node_modules/maru-client/maru.js" } }</script>
			<script type="module" src="app.js"></script>`)
	})
	page := httptest.NewServer(mux)
	t.Cleanup(page.Close)
	return page.URL + "/"
}

func startChromium(t *testing.T) context.Context {
	t.Helper()
	i := slices.IndexFunc(browsers, func(name string) bool { _, err := exec.LookPath(name); return err == nil })
	if i < 0 {
		t.Fatal("there is no Chromium for the tests in a browser; run:\n\tapt-get install -y chromium")
	}
	dir, err := os.MkdirTemp("", "maru-npm-chromium-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(browsers[i]),
		chromedp.UserDataDir(dir),
		chromedp.Headless,
		chromedp.NoSandbox, // root has none
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-proxy-server", true),
	)...)
	t.Cleanup(stop)
	browser, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		chromedp.Cancel(browser) // waits until it has ended
		cancel()
	})
	must(t, chromedp.Do(browser)) // starts it
	return browser
}

var browsers = []string{"chromium", "chromium-browser", "google-chrome"}

// tab is a tab of the browser. It belongs to the goroutine of its test.
type tab struct {
	ctx context.Context

	mu      sync.Mutex
	trouble []string // errors and warnings on the console
}

func openTab(t *testing.T, parent context.Context, options ...chromedp.ContextOption) *tab {
	t.Helper()
	p := new(tab)
	ctx, cancel := chromedp.NewContext(parent, append(options, chromedp.WithListener(p.listen))...)
	t.Cleanup(cancel)
	p.ctx = ctx
	must(t, chromedp.Do(ctx)) // opens it, and lets it live as long as ctx
	return p
}

func (p *tab) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.trouble = append(p.trouble, (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			p.trouble = append(p.trouble, fmt.Sprintf("console.%s: %s", e.Type, e.Args[0].Value))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			p.trouble = append(p.trouble, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

// quiet fails if the console has an error or a warning.
func (p *tab) quiet(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.trouble {
		t.Errorf("in the console: %s", line)
	}
}

func (p *tab) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	must(t, chromedp.Do(ctx, steps...))
}

func (p *tab) navigate(t *testing.T, address string) {
	t.Helper()
	p.do(t, chromedp.Navigate(address))
}

// eventually waits until the script's value is that.
func (p *tab) eventually(t *testing.T, script string, want any) {
	t.Helper()
	expected, err := json.Marshal(want)
	must(t, err)
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	var last []byte
	for {
		value, err := chromedp.Run(ctx, chromedp.Evaluate[[]byte](script))
		if err == nil && string(value) == string(expected) {
			return
		}
		last = fmt.Appendf(value, " %v", err)
		select {
		case <-ctx.Done():
			p.mu.Lock()
			defer p.mu.Unlock()
			t.Fatalf("%s is %s after %v, want %s; the console has %q", script, last, patience, expected, p.trouble)
		case <-time.After(30 * time.Millisecond):
		}
	}
}
