package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"maru.example/maru/tests/e2e/program"
)

// shots is the directory of the pictures, for a person to look at.
const shots = "shots"

// post publishes JSON.
func post(t testing.TB, url, json string) {
	t.Helper()
	answer, err := http.Post(url, "application/json", strings.NewReader(json))
	must(t, err)
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("publish: %s", answer.Status)
	}
}

// Every page fits its screen, in every colour scheme and language; pictures are taken.
func TestLooks(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath, "--demo")
	sumin := openPage(t, server.URL, look{language: "ko"})
	sumin.signIn(t, "수민")
	sumin.say(t, "안녕하세요! 마루에 오신 것을 환영해요.")
	sumin.say(t, "여기서는 모두가 모두의 말을 들어요.")
	curl(t, server.URL, "ada => hello from another program", "수민 => I only say that I am 수민")
	post(t, server.URL, `{"price":148.25,"symbol":"MOON"}`)
	curl(t, server.URL, "ada => a long message, "+strings.Repeat("which goes on and on, ", 12)+"and https://example.org/"+strings.Repeat("long/", 30))
	sumin.say(t, "네, 반가워요 ada!")
	post(t, server.URL+"/channels/news", `{"title":"hello","tags":["a","b"]}`)
	curl(t, server.URL+"/channels/news", "plain text\nin two lines", strings.Repeat("wide", 80))

	for _, screen := range []struct {
		name string
		look
	}{
		{"phone", look{width: 390, height: 844, phone: true}},
		{"small", look{width: 320, height: 568, phone: true}},
		{"desktop", look{width: 1280, height: 800}},
	} {
		for _, dark := range []bool{false, true} {
			for _, language := range []string{"en", "ko"} {
				l := screen.look
				l.dark, l.language = dark, language
				light := map[bool]string{false: "light", true: "dark"}[dark]
				t.Run(fmt.Sprintf("%s-%s-%s", screen.name, light, language), func(t *testing.T) {
					t.Parallel()
					lookAround(t, server.URL, l)
				})
			}
		}
	}
}

func lookAround(t *testing.T, url string, l look) {
	p := openTab(t, l)
	_, name, _ := strings.Cut(t.Name(), "/")
	for _, page := range []struct{ name, path, ready string }{
		{"hall", "/", `document.querySelectorAll("#log [data-offset]").length >= 7`},
		{"quotes", "/quotes", `document.querySelectorAll("#quotes canvas").length >= 4`},
		{"channel", "/channels/news", `document.querySelectorAll("#log [data-offset]").length >= 3`},
	} {
		p.navigate(t, url+page.path)
		p.live(t)
		p.await(t, page.ready)
		p.await(t, `document.documentElement.scrollWidth <= innerWidth`)
		p.await(t, `matchMedia("(prefers-color-scheme: dark)").matches === `+fmt.Sprint(l.dark))
		p.photograph(t, page.name+"-"+name)
	}
	p.neverOffline(t)
}

// photograph leaves a picture of the page.
func (p *tab) photograph(t testing.TB, name string) {
	t.Helper()
	must(t, os.MkdirAll(shots, 0o755))
	picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	must(t, err)
	must(t, os.WriteFile(filepath.Join(shots, name+".png"), picture, 0o644))
}
