package web

import (
	"bytes"
	"cmp"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"strings"

	"maru.example/maru"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Options for the pages. The zero value is useful.
type Options struct {
	// Demo makes /quotes say that its prices are sample data.
	Demo bool
	// Access says who may do what in a channel; it is asked for each page. nil: everybody may do
	// everything, under a name of their choice.
	Access func(channel string) Access
	// CookiePath is the Path of the cookie that remembers the language. Default "/".
	CookiePath string
}

// Access is what a page must know of the rules: it offers nothing that they forbid.
type Access struct {
	Publish, History, Presence maru.Rule
	// Nicknames means that people sign in under a name of their choice, which proves nothing.
	// Otherwise a name comes from a token or from the site's own sign-in.
	Nicknames bool
}

// Everybody reports whether a plain curl may publish.
func (a Access) Everybody() bool { return a.Publish == maru.Anyone }

// Writable reports whether people may publish, some at least, and not only programs.
func (a Access) Writable() bool { return a.Publish != maru.Nobody && a.Publish != maru.ServerOnly }

func open(string) Access {
	return Access{Publish: maru.Anyone, History: maru.Anyone, Presence: maru.Anyone, Nicknames: true}
}

// Pages answers requests of browsers for pages.
type Pages struct {
	options Options
	assets  http.Handler
	pages   map[string]*template.Template
	words   map[string]dictionary
}

// New reads the embedded templates, words and assets.
func New(o Options) *Pages {
	o.CookiePath = cmp.Or(o.CookiePath, "/")
	if o.Access == nil {
		o.Access = open
	}
	p := &Pages{options: o, assets: allAssets(), pages: map[string]*template.Template{}, words: readWords()}
	for _, name := range []string{"hall", "channel", "quotes"} {
		// A missing word is an error, which TestPages finds, and not an empty place on the page.
		p.pages[name] = template.Must(template.New("layout.html").Option("missingkey=error").
			ParseFS(templateFiles, "templates/layout.html", "templates/"+name+".html"))
	}
	return p
}

// Hall answers with the chat page of the hall. If the server is mounted under a prefix
// and the path is the bare prefix, it redirects to the prefix with a slash, from which
// the relative URLs of the page resolve.
func (p *Pages) Hall(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "" && redirectToSlash(w, r) { // http.StripPrefix has removed all of it
		return
	}
	p.render(w, r, "hall", "./", maru.Hall)
}

// redirectToSlash adds a slash to the path that the client has sent, if it has none at its
// end, and reports whether it did. Location is relative, so that it is right behind a
// proxy that strips another prefix.
func redirectToSlash(w http.ResponseWriter, r *http.Request) bool {
	sent, err := url.ParseRequestURI(r.RequestURI)
	if err != nil || sent.Path == "" || strings.HasSuffix(sent.Path, "/") {
		return false
	}
	location := "./" + path.Base(sent.EscapedPath()) + "/"
	if r.URL.RawQuery != "" {
		location += "?" + r.URL.RawQuery
	}
	secure(w.Header(), r)
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusPermanentRedirect)
	return true
}

// Channel answers with a page that shows each publication of the channel as it arrives,
// and publishes messages. The name must be valid (maru.CheckChannel).
func (p *Pages) Channel(w http.ResponseWriter, r *http.Request, name string) {
	p.render(w, r, "channel", "../", name)
}

// Quotes answers with the page of live prices, which come from the channel "quotes".
func (p *Pages) Quotes(w http.ResponseWriter, r *http.Request) {
	p.render(w, r, "quotes", "./", "quotes")
}

// Assets answers requests below /assets/.
func (p *Pages) Assets() http.Handler { return p.assets }

// view is the data of the templates.
type view struct {
	Page      string // hall, channel or quotes
	Root      string // the server's root, relative to the page
	Lang      string
	Languages []languageLink
	Text      map[string]string
	Channel   string
	Demo      bool
	Access    Access
	Script    script
}

// script is the data of the page's module, embedded in the page as JSON.
type script struct {
	Lang   string            `json:"lang"`
	Access map[string]string `json:"access"` // the rules of publish, history and presence
	// Proven means that the name of a signed-in person is more than a choice of their own.
	Proven  bool              `json:"proven"`
	URL     string            `json:"url"` // of the channel, relative to the server's root
	Channel string            `json:"channel"`
	Text    map[string]string `json:"text"`
}

// render writes a page. Its URLs are relative, so that it works under any prefix.
func (p *Pages) render(w http.ResponseWriter, r *http.Request, page, root, channel string) {
	lang := p.pickLanguage(w, r)
	words, access := p.words[lang], p.options.Access(channel)
	rules := map[string]string{"publish": access.Publish.String(), "history": access.History.String(), "presence": access.Presence.String()}
	var body bytes.Buffer
	err := p.pages[page].Execute(&body, view{
		Page:      page,
		Root:      root,
		Lang:      lang,
		Languages: languageLinks(lang),
		Text:      words.Page,
		Channel:   channel,
		Demo:      p.options.Demo,
		Access:    access,
		Script: script{Lang: lang, Access: rules, Proven: !access.Nicknames,
			URL: "channels/" + url.PathEscape(channel), Channel: channel, Text: words.Script},
	})
	if err != nil { // a mistake in a template, which the tests find
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	secure(h, r)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Add("Vary", "Accept-Language, Cookie, Accept")
	w.WriteHeader(http.StatusOK)
	w.Write(body.Bytes())
}
