package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/js"
)

//go:embed assets
var assetFiles embed.FS

// types are fixed here: mime.TypeByExtension depends on the machine, and with nosniff
// browsers refuse a script of a wrong type.
var types = map[string]string{
	".js":  "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml",
	"":     "text/plain; charset=utf-8", // LICENSE
}

type asset struct {
	body   []byte
	packed []byte // by gzip; nil if that is not shorter
	kind   string
	etag   string // without its quotes
	cache  string
}

// assets serves embedded files by their full path: those of the pages, and the modules of
// the client for browsers (package js), which other pages may import too. A request is
// one lookup in a map.
type assets map[string]asset

// allAssets is made once for all Pages, because compression takes some time.
var allAssets = sync.OnceValue(newAssets)

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
		panic("web: two files have the name " + name) // embedded: a programmer's mistake
	}
	sum := sha256.Sum256(body)
	a := asset{
		body:   body,
		packed: pack(body),
		kind:   types[path.Ext(name)],
		etag:   base64.RawURLEncoding.EncodeToString(sum[:12]),
		// Modules import each other without a version, so browsers must check for changes.
		cache: "no-cache",
	}
	if strings.HasPrefix(name, "assets/vendor/") { // the name of the directory has the version
		a.cache = "public, max-age=31536000, immutable"
	}
	all["/"+name] = a
}

func (all assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	secure(h, r)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		auth.WriteError(w, r, maru.NewError(maru.CodeMethodNotAllowed, r.Method+" is not allowed here; use GET"))
		return
	}
	a, ok := all[r.URL.Path]
	if !ok {
		auth.WriteError(w, r, maru.NewError(maru.CodeNotFound, "there is no file at "+r.URL.Path))
		return
	}
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", a.cache)
	h.Add("Vary", "Accept-Encoding")
	body, etag := a.body, a.etag
	if a.packed != nil && takesGzip(r.Header.Values("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		body, etag = a.packed, a.etag+"-gzip"
	}
	h.Set("ETag", `"`+etag+`"`) // ServeContent compares it with If-None-Match
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

func pack(body []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic("web: " + err.Error()) // the level is valid
	}
	w.Write(body)
	w.Close()
	if b.Len() >= len(body) {
		return nil
	}
	return b.Bytes()
}

// takesGzip reads Accept-Encoding (RFC 9110 §12.5.3).
func takesGzip(accept []string) bool {
	for coding := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		name, weight, _ := strings.Cut(coding, ";")
		if name = strings.ToLower(strings.TrimSpace(name)); name != "gzip" && name != "x-gzip" {
			continue
		}
		q, weighted := strings.CutPrefix(strings.ToLower(strings.TrimSpace(weight)), "q=")
		return !weighted || strings.Trim(q, "0.") != ""
	}
	return false
}
