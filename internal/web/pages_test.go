package web_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"maru.example/maru/internal/web"
)

// get answers one request for a page with the header lines.
func get(show http.HandlerFunc, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	show(w, r)
	return w
}

// paths are where the pages are.
var paths = map[string]string{"hall": "/", "quotes": "/quotes", "channel": "/channels/news:today"}

// everyPage has each page once, by its name in paths.
func everyPage(p *web.Pages) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"hall":   p.Hall,
		"quotes": p.Quotes,
		"channel": func(w http.ResponseWriter, r *http.Request) {
			p.Channel(w, r, "news:today")
		},
	}
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	p := web.New(web.Options{})
	tests := map[string]struct {
		target, accept, cookie string
		want                   string
		remembered             bool
	}{
		"nothing said":                   {target: "/", want: "en"},
		"the browser prefers Korean":     {target: "/", accept: "ko-KR,ko;q=0.9,en;q=0.8", want: "ko"},
		"Korean, but English first":      {target: "/", accept: "en-US,ko;q=0.9", want: "en"},
		"quality decides, not place":     {target: "/", accept: "en;q=0.1,ko", want: "ko"},
		"the first one there is":         {target: "/", accept: "fr,ko;q=0.5", want: "ko"},
		"a language there is not":        {target: "/", accept: "fr", want: "en"},
		"not a header at all":            {target: "/", accept: ";;;q=x,,", want: "en"},
		"the cookie beats the browser":   {target: "/", accept: "en", cookie: "ko", want: "ko"},
		"a cookie that is no language":   {target: "/", accept: "ko", cookie: "xx", want: "ko"},
		"the address beats the cookie":   {target: "/?lang=en", accept: "ko", cookie: "ko", want: "en", remembered: true},
		"the address is remembered":      {target: "/?lang=ko", want: "ko", remembered: true},
		"an address that is no language": {target: "/?lang=../x", accept: "ko", want: "ko"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := []string{"Accept-Language", test.accept}
			if test.cookie != "" {
				header = append(header, "Cookie", "maru_lang="+test.cookie)
			}
			w := get(p.Hall, test.target, header...)
			if !strings.Contains(w.Body.String(), `<html lang="`+test.want+`">`) {
				t.Errorf("not in %s: %.80s", test.want, w.Body)
			}
			cookies := w.Result().Cookies()
			if !test.remembered {
				if len(cookies) != 0 {
					t.Errorf("unasked cookies %v", cookies)
				}
				return
			}
			if len(cookies) != 1 || cookies[0].Name != "maru_lang" || cookies[0].Value != test.want ||
				cookies[0].SameSite != http.SameSiteLaxMode || cookies[0].Path != "/" || cookies[0].Secure {
				t.Errorf("cookies %v", cookies)
			}
		})
	}
}

func TestLanguageCookieIsSecureUnderTLS(t *testing.T) {
	t.Parallel()
	w := get(web.New(web.Options{}).Hall, "https://localhost/?lang=ko")
	if cookies := w.Result().Cookies(); len(cookies) != 1 || !cookies[0].Secure {
		t.Errorf("cookies %v", cookies)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	p := web.New(web.Options{})
	var (
		inlineStyle   = regexp.MustCompile(`(?i)<style|\sstyle\s*=`)
		inlineHandler = regexp.MustCompile(`(?i)<[^>]*\son[a-z]+\s*=`)
		script        = regexp.MustCompile(`(?is)<script([^>]*)>(.*?)</script>`)
		link          = regexp.MustCompile(`(?i)\s(?:href|src|action)="([^"]*)"`)
		id            = regexp.MustCompile(`\sid="([^"]*)"`)
	)
	for name, show := range everyPage(p) {
		for _, lang := range []string{"en", "ko"} {
			t.Run(name+" "+lang, func(t *testing.T) {
				t.Parallel()
				w := get(show, paths[name], "Accept-Language", lang)
				body := w.Body.String()
				if w.Code != 200 {
					t.Fatalf("status %d: %s", w.Code, body)
				}
				for key, want := range map[string]string{
					"Content-Type":           "text/html; charset=utf-8",
					"X-Content-Type-Options": "nosniff",
					"Referrer-Policy":        "no-referrer",
					"Vary":                   "Accept-Language, Cookie, Accept",
					"Cache-Control":          "no-cache",
					"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; " +
						"img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; " +
						"form-action 'self'; frame-ancestors 'none'",
				} {
					if got := w.Header().Get(key); got != want {
						t.Errorf("%s: %q, want %q", key, got, want)
					}
				}
				if found := inlineStyle.FindString(body); found != "" {
					t.Errorf("inline style: %q", found)
				}
				if found := inlineHandler.FindString(body); found != "" {
					t.Errorf("inline handler: %q", found)
				}
				for _, s := range script.FindAllStringSubmatch(body, -1) {
					if strings.Contains(s[1], `type="application/json"`) {
						if !json.Valid([]byte(s[2])) {
							t.Errorf("block of JSON that is none: %s", s[2])
						}
					} else if !strings.Contains(s[1], " src=") || s[2] != "" {
						t.Errorf("inline script: %s", s[0])
					}
				}
				for _, l := range link.FindAllStringSubmatch(body, -1) {
					if l[1] != "" && !strings.ContainsAny(l[1][:1], ".?#") || strings.Contains(l[1], "//") {
						t.Errorf("link %q is not relative", l[1])
					}
					// Under any prefix its links lead to the server's pages.
					page := &url.URL{Path: "/live/now" + paths[name]}
					target, err := page.Parse(l[1])
					if err != nil {
						t.Fatal(err)
					}
					path, under := strings.CutPrefix(target.Path, "/live/now")
					switch {
					case !under:
						t.Errorf("link %q leads to %s", l[1], target)
					case strings.HasPrefix(path, "/assets/"):
						if get(p.Assets().ServeHTTP, path).Code != 200 {
							t.Errorf("%s is not served", path)
						}
					case path != "/" && path != "/quotes" && path != paths[name]:
						t.Errorf("link %q leads to %s, which is no page", l[1], path)
					}
				}
				seen := map[string]bool{}
				for _, m := range id.FindAllStringSubmatch(body, -1) {
					if seen[m[1]] {
						t.Errorf("id %q twice", m[1])
					}
					seen[m[1]] = true
				}
			})
		}
	}
}

func TestPageKeepsOtherVary(t *testing.T) {
	t.Parallel()
	p := web.New(web.Options{})
	w := httptest.NewRecorder()
	w.Header().Set("Vary", "Origin")
	p.Hall(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if got := w.Header().Values("Vary"); len(got) != 2 || got[0] != "Origin" {
		t.Errorf("Vary %q", got)
	}
}

// http.StripPrefix leaves an empty path of a bare prefix. Relative URLs need a slash.
func TestBarePrefix(t *testing.T) {
	t.Parallel()
	p := web.New(web.Options{})
	for sent, want := range map[string]string{
		"/live":                "./live/",
		"/a/live?lang=ko":      "./live/?lang=ko",
		"//example.com":        "./example.com/", // below the same origin
		"/a%2Fb":               "./a%2Fb/",
		"/live/":               "", // StripPrefix("/live/")
		"http://localhost":     "", // as a proxy is asked
		"http://localhost/a/b": "./b/",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RequestURI = sent
		_, r.URL.RawQuery, _ = strings.Cut(sent, "?")
		r.URL.Path = ""
		w := httptest.NewRecorder()
		p.Hall(w, r)
		status := http.StatusPermanentRedirect
		if want == "" {
			status = http.StatusOK
		}
		if got := w.Header().Get("Location"); w.Code != status || got != want {
			t.Errorf("%s: status %d, Location %q, want %d, %q", sent, w.Code, got, status, want)
		}
	}
}

func TestCookiePath(t *testing.T) {
	t.Parallel()
	w := get(web.New(web.Options{CookiePath: "/live"}).Hall, "/?lang=ko")
	if cookies := w.Result().Cookies(); len(cookies) != 1 || cookies[0].Path != "/live" {
		t.Errorf("cookies %v", cookies)
	}
}

// Scripts find their server by their own address, not by that of the page.
func TestScriptsHaveNoAbsolutePaths(t *testing.T) {
	t.Parallel()
	if found := regexp.MustCompile("[\"'`]/[a-z]").FindAllString(sources(t, "assets/*.js"), -1); found != nil {
		t.Errorf("absolute paths begin with %q", found)
	}
}

// The ids by which tests and other people's scripts find elements.
func TestIDs(t *testing.T) {
	t.Parallel()
	p := web.New(web.Options{})
	want := map[string][]string{
		"hall":    {"nickname", "sign-in", "sign-out", "message", "send", "log", "state", "connect", "disconnect", "people"},
		"channel": {"message", "send", "log", "state", "connect", "disconnect", "curl"},
		"quotes":  {"quotes", "state", "connect", "disconnect"},
	}
	for name, show := range everyPage(p) {
		body := get(show, "/").Body.String()
		for _, id := range want[name] {
			if !strings.Contains(body, ` id="`+id+`"`) {
				t.Errorf("%s has no #%s", name, id)
			}
		}
	}
}

func TestChannelNamesAreText(t *testing.T) {
	t.Parallel()
	p := web.New(web.Options{})
	tests := map[string]struct{ name, path string }{
		"plain":            {"news", "channels/news"},
		"Korean":           {"마루", "channels/%EB%A7%88%EB%A3%A8"},
		"namespace":        {"chat:1", "channels/chat:1"},
		"for a shell":      {"it's", "channels/it%27s"},
		"markup":           {"<script>alert(1)", ""},
		"end of the block": {"</script><script>alert(1)</script>", ""},
		"quotes":           {`"' onload=alert(1) x="`, ""},
		"escapes":          {"100% ?#&x", "channels/100%25%20%3F%23&x"},
	}
	for situation, test := range tests {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			body := get(func(w http.ResponseWriter, r *http.Request) { p.Channel(w, r, test.name) }, "/").Body.String()
			if strings.ContainsAny(test.name, `<"`) && strings.Contains(body, test.name) {
				t.Fatalf("the name became markup: %s", body)
			}
			_, rest, _ := strings.Cut(body, `<script type="application/json" id="page">`)
			block, _, _ := strings.Cut(rest, "</script>")
			var handed struct{ Channel, URL, Lang string }
			if err := json.Unmarshal([]byte(block), &handed); err != nil {
				t.Fatal(err)
			}
			if handed.Channel != test.name || handed.Lang != "en" {
				t.Errorf("handed over: %+v", handed)
			}
			if test.path != "" && handed.URL != test.path {
				t.Errorf("path %q, want %q", handed.URL, test.path)
			}
		})
	}
}

func TestQuotesSayThatTheyAreSamples(t *testing.T) {
	t.Parallel()
	for _, demo := range []bool{false, true} {
		p := web.New(web.Options{Demo: demo})
		if got := strings.Contains(get(p.Quotes, "/quotes").Body.String(), "Sample data"); got != demo {
			t.Errorf("Demo %v: labelled %v", demo, got)
		}
		if got := strings.Contains(get(p.Quotes, "/quotes", "Accept-Language", "ko").Body.String(), "예시 자료"); got != demo {
			t.Errorf("Demo %v in Korean: labelled %v", demo, got)
		}
	}
}
