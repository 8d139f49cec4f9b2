package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"maru.example/maru/tests/e2e/program"
)

// curl publishes from a shell.
func curl(t testing.TB, url string, data ...string) {
	t.Helper()
	for _, d := range data {
		out, err := exec.Command("curl", "-sSk", "--max-time", "20", "--fail", "-d", d, url).CombinedOutput()
		if err != nil {
			t.Fatalf("curl -d %q: %v\n%s", d, err, out)
		}
	}
}

// Two people chat, and each sees that the other is signed in; a third talks from a shell.
func TestTwoPeopleAndCurl(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	kim := openPage(t, server.URL, look{})
	lee := openPage(t, server.URL, look{language: "ko", width: 390, height: 844, phone: true})
	kim.signIn(t, "kim")
	lee.signIn(t, "이순신")
	for _, p := range []*tab{kim, lee} {
		p.here(t, "kim", "이순신")
	}

	kim.say(t, "hello")
	both := []said{{"kim", "hello", "signed"}}
	kim.shows(t, both...)
	lee.shows(t, both...)

	lee.write(t, "#message", "안녕하세요 => 반가워요")
	lee.click(t, "#send")
	both = append(both, said{"이순신", "안녕하세요 => 반가워요", "signed"})
	kim.shows(t, both...)
	lee.shows(t, both...)

	curl(t, server.URL, "park => hello from a shell", "kim => I am not kim", "no name at all")
	both = append(both,
		said{"park", "hello from a shell", "unverified"},
		said{"kim", "I am not kim", "impostor"})
	kim.shows(t, append(both, said{text(t, "en", "unnamed"), "no name at all", "unnamed"})...)
	lee.shows(t, append(both, said{text(t, "ko", "unnamed"), "no name at all", "unnamed"})...)

	for _, p := range []*tab{kim, lee} {
		p.markers(t, 0)
		p.neverOffline(t)
	}
}

// The hall shows joins and leaves, in words, to the members before.
func TestComingAndGoing(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath, "--presence-grace", "100ms")
	kim := openPage(t, server.URL, look{language: "ko"})
	const comings = `document.querySelector("#comings").textContent`
	kim.eventually(t, comings, "")
	lee := openPage(t, server.URL, look{})
	lee.signIn(t, "lee")
	kim.here(t, "lee")
	kim.eventually(t, comings, strings.ReplaceAll(text(t, "ko", "joined"), "{names}", "lee"))
	kim.photograph(t, "coming")
	lee.do(t, chromedp.Navigate("about:blank"))
	kim.here(t, []string{}...)
	kim.eventually(t, comings, strings.ReplaceAll(text(t, "ko", "left"), "{names}", "lee"))
}

// A person who may not see the presence may still talk.
func TestHallWithoutPresence(t *testing.T) {
	program.InOwnStep(t)
	rules := filepath.Join(t.TempDir(), "maru.toml")
	must(t, os.WriteFile(rules, []byte("[namespaces.default]\nsubscribe = \"anyone\"\npublish = \"anyone\"\nhistory = \"anyone\"\n"), 0o600))
	server := program.Serve(t, maruPath, "--config", rules)
	p := openPage(t, server.URL, look{})
	p.say(t, "hello")
	p.texts(t, []string{"hello"})
	p.await(t, `document.querySelector("#people").hidden`)
}

// Messages are shown as text, even if they look like markup.
func TestNothingWrittenIsMarkup(t *testing.T) {
	program.InOwnStep(t)
	const evil = `<img src=x onerror=alert(1)><script>alert(2)</script><a href=http://evil.example>x</a>`
	server := program.Serve(t, maruPath)
	curl(t, server.URL, "before => "+evil, evil+" => name")
	p := openPage(t, server.URL, look{})
	curl(t, server.URL, "live => "+evil)
	unnamed := text(t, "en", "unnamed")
	p.shows(t,
		said{"before", evil, "unverified"},
		said{unnamed, evil + " => name", "unnamed"},
		said{"live", evil, "unverified"})
	p.neverOffline(t)
}

// Signing out makes every tab of the person anonymous, without leaving the hall. The name is
// free again then.
func TestSignOut(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	first := openPage(t, server.URL, look{})
	first.signIn(t, "kim")
	second := first.another(t, look{})
	second.navigate(t, server.URL)
	second.live(t)
	second.await(t, `document.querySelector("#nickname").value === "kim"`)

	other := openPage(t, server.URL, look{})
	other.write(t, "#nickname", "kim")
	other.enter(t)
	other.await(t, `!document.querySelector("#notice").hidden`) // taken

	first.click(t, "#sign-out")
	for _, p := range []*tab{first, second} {
		p.await(t, `!document.querySelector("#sign-in").hidden`)
		p.live(t)
	}
	other.click(t, "#sign-in")
	other.await(t, `!document.querySelector("#signed").hidden`)
	other.live(t)
	other.say(t, "I am kim now")
	first.say(t, "and I was")
	want := []said{{"kim", "I am kim now", "signed"}, {"kim", "and I was", "impostor"}}
	for _, p := range []*tab{first, second, other} {
		p.shows(t, want...)
	}
}

// Any channel has a page too.
func TestChannelPage(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	p := openPage(t, server.URL+"/channels/마당:소식", look{})
	curl(t, server.URL+"/channels/%EB%A7%88%EB%8B%B9:%EC%86%8C%EC%8B%9D", "from a shell")
	p.say(t, "from the page")
	p.await(t, `document.querySelectorAll("#log [data-offset]").length === 2`)
	shown, err := chromedp.Run(p.ctx, chromedp.Text(chromedp.ID("log")))
	must(t, err)
	for _, want := range []string{"from a shell", "from the page"} {
		if strings.Count(shown, want) != 1 {
			t.Errorf("the page shows %q, want %q once", shown, want)
		}
	}
	p.neverOffline(t)
}
