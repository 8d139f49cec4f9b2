package web

import (
	"embed"
	"encoding/json"
	"net/http"

	"golang.org/x/text/language"

	"maru.example/maru/internal/auth"
)

//go:embed lang/*.json
var wordFiles embed.FS

// languages are the languages with a file in lang/. The first is the default.
var languages = []struct{ code, name string }{{"en", "English"}, {"ko", "한국어"}}

var matcher = language.NewMatcher([]language.Tag{language.English, language.Korean})

// dictionary is a file of lang/: the words of the templates and of the scripts.
type dictionary struct {
	Page   map[string]string `json:"page"`
	Script map[string]string `json:"script"`
}

func readWords() map[string]dictionary {
	words := map[string]dictionary{}
	for _, l := range languages {
		data, err := wordFiles.ReadFile("lang/" + l.code + ".json")
		var d dictionary
		if err == nil {
			err = json.Unmarshal(data, &d)
		}
		if err != nil {
			panic("web: lang/" + l.code + ".json: " + err.Error()) // embedded: a programmer's mistake
		}
		words[l.code] = d
	}
	return words
}

// languageLink is an entry of the language switch.
type languageLink struct {
	Code, Name string
	Current    bool
}

func languageLinks(current string) []languageLink {
	links := make([]languageLink, len(languages))
	for i, l := range languages {
		links[i] = languageLink{Code: l.code, Name: l.name, Current: l.code == current}
	}
	return links
}

const languageCookie = "maru_lang"

// pickLanguage chooses by ?lang, which it remembers in a cookie, then by that cookie,
// then by the browser's preference. The default is English.
func (p *Pages) pickLanguage(w http.ResponseWriter, r *http.Request) string {
	if asked := r.URL.Query().Get("lang"); known(asked) {
		http.SetCookie(w, &http.Cookie{
			Name: languageCookie, Value: asked, Path: p.options.CookiePath, MaxAge: 365 * 24 * 60 * 60,
			SameSite: http.SameSiteLaxMode, HttpOnly: true, Secure: auth.OverTLS(r),
		})
		return asked
	}
	if c, err := r.Cookie(languageCookie); err == nil && known(c.Value) {
		return c.Value
	}
	_, i := language.MatchStrings(matcher, r.Header.Get("Accept-Language"))
	return languages[i].code
}

func known(code string) bool {
	for _, l := range languages {
		if l.code == code {
			return true
		}
	}
	return false
}
