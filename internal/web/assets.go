package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"maru"
	"maru/internal/auth"
	"maru/js"
)

//go:embed assets
var assetFiles embed.FS

// types are stated here, because what mime.TypeByExtension says depends on the
// machine, and nosniff makes a wrong one fatal.
var types = map[string]string{
	".js":  "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml",
	"":     "text/plain; charset=utf-8", // LICENSE
}

type asset struct {
	body  []byte
	kind  string
	etag  string
	cache string
}

// assets serves the embedded files by their full path: those of the pages, and the
// modules of the client for browsers, which the pages use and anybody may. The whole
// set is known when the program starts, so a request is one look into a map.
type assets map[string]asset

func newAssets() assets {
	all := assets{}
	err := fs.WalkDir(assetFiles, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := assetFiles.ReadFile(name)
		all.add(name, body)
		return err
	})
	for name, body := range js.Files() {
		all.add("assets/"+name, body)
	}
	if err != nil {
		panic("web: " + err.Error()) // embedded: cannot fail
	}
	return all
}

func (all assets) add(name string, body []byte) {
	if _, ok := all["/"+name]; ok {
		panic("web: two files want to be " + name) // embedded: a programmer's mistake
	}
	sum := sha256.Sum256(body)
	a := asset{
		body: body,
		kind: types[path.Ext(name)],
		etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
		// Modules name each other without a version, so a browser asks whether they changed.
		cache: "no-cache",
	}
	if strings.HasPrefix(name, "assets/vendor/") { // the directory's name has the version
		a.cache = "public, max-age=31536000, immutable"
	}
	all["/"+name] = a
}

func (all assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	secure(h)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		auth.WriteError(w, maru.NewError(maru.CodeMethodNotAllowed, "this address does not take "+r.Method))
		return
	}
	a, ok := all[r.URL.Path]
	if !ok {
		auth.WriteError(w, maru.NewError(maru.CodeNotFound, "there is nothing at this address"))
		return
	}
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", a.cache)
	h.Set("ETag", a.etag) // ServeContent answers If-None-Match by it
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
}
