package web

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/url"

	"maru.example/maru"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Options for the pages. The zero value is useful.
type Options struct {
	// Demo makes /quotes say that its prices are sample data.
	Demo bool
}

// Pages answers the requests of people with a browser.
type Pages struct {
	options Options
	assets  http.Handler
	pages   map[string]*template.Template
	words   map[string]dictionary
}

// New reads the embedded templates, words and assets.
func New(o Options) *Pages {
	p := &Pages{options: o, assets: allAssets(), pages: map[string]*template.Template{}, words: readWords()}
	for _, name := range []string{"hall", "channel", "quotes"} {
		// A missing word is an error, which TestPages meets, not an empty place on the page.
		p.pages[name] = template.Must(template.New("layout.html").Option("missingkey=error").
			ParseFS(templateFiles, "templates/layout.html", "templates/"+name+".html"))
	}
	return p
}

// Hall answers with the chat page of the hall.
func (p *Pages) Hall(w http.ResponseWriter, r *http.Request) {
	p.render(w, r, "hall", maru.Hall)
}

// Channel answers with a page that shows the channel live, each publication as
// it is, and publishes what is typed. The name must be valid (maru.CheckChannel).
func (p *Pages) Channel(w http.ResponseWriter, r *http.Request, name string) {
	p.render(w, r, "channel", name)
}

// Quotes answers with the page of live prices, which the channel "quotes" brings.
func (p *Pages) Quotes(w http.ResponseWriter, r *http.Request) {
	p.render(w, r, "quotes", "quotes")
}

// Assets answers everything under /assets/.
func (p *Pages) Assets() http.Handler { return p.assets }

// view is what the templates see.
type view struct {
	Page      string // hall, channel or quotes
	Lang      string
	Languages []languageLink
	Text      map[string]string
	Channel   string
	URL       string // path of the channel
	Demo      bool
	Script    script
}

// script is handed to the page's module as a block of JSON.
type script struct {
	Lang    string            `json:"lang"`
	URL     string            `json:"url"`
	Channel string            `json:"channel"`
	Text    map[string]string `json:"text"`
}

func (p *Pages) render(w http.ResponseWriter, r *http.Request, page, channel string) {
	lang := pickLanguage(w, r)
	words := p.words[lang]
	path := "/channels/" + url.PathEscape(channel)
	var body bytes.Buffer
	err := p.pages[page].Execute(&body, view{
		Page:      page,
		Lang:      lang,
		Languages: languageLinks(lang),
		Text:      words.Page,
		Channel:   channel,
		URL:       path,
		Demo:      p.options.Demo,
		Script:    script{Lang: lang, URL: path, Channel: channel, Text: words.Script},
	})
	if err != nil { // only a mistake in a template, which the tests meet first
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	secure(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Add("Vary", "Accept-Language, Cookie, Accept")
	w.Write(body.Bytes())
}

// policy lets a page load what its own server serves and nothing else. 'self'
// in connect-src covers ws and wss of the same host and port (CSP Level 3 §6.7.2.8).
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}
