package e2e_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/chromedp/chromedp"

	"maru.example/maru/tests/e2e/program"
)

// text is a word of the pages' scripts.
func text(t testing.TB, language, key string) string {
	t.Helper()
	data, err := os.ReadFile("../../internal/web/lang/" + language + ".json")
	must(t, err)
	var words struct{ Script map[string]string }
	must(t, json.Unmarshal(data, &words))
	return words.Script[key]
}

// The browser's language is used, until the person chooses one.
func TestLanguages(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	for browsers, test := range map[string]struct{ speaks, other, hall, otherHall string }{
		"ko-KR,ko,en": {"ko", "en", "마루", "The hall"},
		"fr,en":       {"en", "ko", "The hall", "마루"},
	} {
		t.Run(browsers, func(t *testing.T) {
			t.Parallel()
			p := openPage(t, server.URL, look{language: browsers})
			p.eventually(t, `document.documentElement.lang`, test.speaks)
			p.eventually(t, `document.querySelector("#state").textContent`, text(t, test.speaks, "stateOpen"))
			p.click(t, `.languages a[hreflang=`+test.other+`]`)
			p.eventually(t, `document.documentElement.lang`, test.other)
			p.do(t, chromedp.Navigate(server.URL)) // and it stays so
			p.eventually(t, `document.documentElement.lang`, test.other)
			p.eventually(t, `document.querySelector("#state").textContent`, text(t, test.other, "stateOpen"))
			p.neverOffline(t)
		})
	}
}
