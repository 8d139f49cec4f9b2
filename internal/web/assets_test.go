package web_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"maru.example/maru/internal/web"
)

func TestAssets(t *testing.T) {
	t.Parallel()
	h := web.New(web.Options{}).Assets()
	tests := map[string]struct {
		path   string
		status int
		kind   string
		cache  string
	}{
		"module":              {"/assets/hall.js", 200, "text/javascript; charset=utf-8", "no-cache"},
		"the client":          {"/assets/maru.js", 200, "text/javascript; charset=utf-8", "no-cache"},
		"style":               {"/assets/maru.css", 200, "text/css; charset=utf-8", "no-cache"},
		"picture":             {"/assets/maru.svg", 200, "image/svg+xml", "no-cache"},
		"vendored script":     {"/assets/vendor/uplot-1.6.32/uPlot.iife.min.js", 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		"its licence":         {"/assets/vendor/uplot-1.6.32/LICENSE", 200, "text/plain; charset=utf-8", "public, max-age=31536000, immutable"},
		"none":                {"/assets/none.js", 404, "application/json", "no-store"},
		"directory":           {"/assets/", 404, "application/json", "no-store"},
		"directory inside":    {"/assets/vendor", 404, "application/json", "no-store"},
		"up and out":          {"/assets/../pages.go", 404, "application/json", "no-store"},
		"words are not there": {"/assets/lang/en.json", 404, "application/json", "no-store"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := get(h.ServeHTTP, test.path)
			if w.Code != test.status {
				t.Fatalf("status %d, want %d", w.Code, test.status)
			}
			header := w.Header()
			if got := header.Get("Content-Type"); got != test.kind {
				t.Errorf("Content-Type %q, want %q", got, test.kind)
			}
			if got := header.Get("Cache-Control"); got != test.cache {
				t.Errorf("Cache-Control %q, want %q", got, test.cache)
			}
			if header.Get("X-Content-Type-Options") != "nosniff" {
				t.Error("may be sniffed")
			}
			if test.status != 200 { // an error has the shape that errors have everywhere; it was plain text
				if body := w.Body.String(); !strings.HasPrefix(body, `{"error":{"code":"not_found"`) {
					t.Errorf("answered %s", body)
				}
				return
			}
			etag := header.Get("ETag")
			if etag == "" {
				t.Fatal("no ETag")
			}
			again := get(h.ServeHTTP, test.path, "If-None-Match", etag)
			if again.Code != 304 || again.Body.Len() != 0 {
				t.Errorf("known already: status %d, %d bytes", again.Code, again.Body.Len())
			}
			if old := get(h.ServeHTTP, test.path, "If-None-Match", `"old"`); old.Code != 200 {
				t.Errorf("changed since: status %d", old.Code)
			}
		})
	}
}

func TestAssetsArePacked(t *testing.T) {
	t.Parallel()
	h := web.New(web.Options{}).Assets()
	plain := get(h.ServeHTTP, "/assets/maru.js")
	if plain.Header().Get("Content-Encoding") != "" || plain.Header().Get("Vary") != "Accept-Encoding" {
		t.Errorf("unasked: %v", plain.Header())
	}
	for accept, want := range map[string]string{
		"gzip, deflate, br, zstd": "gzip", "br;q=1.0, GZIP;q=0.8, *;q=0.1": "gzip", "x-gzip": "gzip", "gzip;q=0.001": "gzip",
		"": "", "br": "", "identity": "", "gzip;q=0": "", "gzip; q=0.000, br": "", "gzipped": "",
	} {
		w := get(h.ServeHTTP, "/assets/maru.js", "Accept-Encoding", accept)
		if got := w.Header().Get("Content-Encoding"); got != want {
			t.Errorf("%q: Content-Encoding %q, want %q", accept, got, want)
			continue
		}
		if want == "" {
			continue
		}
		r, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(body, plain.Body.Bytes()) {
			t.Errorf("%q: other bytes, %v", accept, err)
		}
		etag := w.Header().Get("ETag")
		if etag == plain.Header().Get("ETag") {
			t.Error("one ETag for both forms")
		}
		if again := get(h.ServeHTTP, "/assets/maru.js", "Accept-Encoding", accept, "If-None-Match", etag); again.Code != 304 {
			t.Errorf("known already: %d", again.Code)
		}
	}
}

func TestAssetMethods(t *testing.T) {
	t.Parallel()
	h := web.New(web.Options{}).Assets()
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "DELETE": 405} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/assets/maru.css", nil))
		if w.Code != want || (want == http.StatusMethodNotAllowed) != (w.Header().Get("Allow") == "GET, HEAD") {
			t.Errorf("%s: %d, Allow %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
}

// The copy that is served is the release that the types are checked against.
func TestVendoredVersion(t *testing.T) {
	t.Parallel()
	pinned, err := os.ReadFile("package.json")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("assets/vendor/uplot-1.6.32/uPlot.iife.min.js")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(pinned), `"uplot": "1.6.32"`) || !strings.HasPrefix(string(script), "/*! https://github.com/leeoniya/uPlot (v1.6.32) */") {
		t.Error("the vendored uPlot is not the pinned one")
	}
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(lock), `"resolved"`) {
		t.Error("package-lock.json names a registry's host")
	}
}
